//! The set-up link makes at most one administrator.

use std::time::Duration;

use portcullis_core::server_key::KeyId;
use portcullis_store::set_up::{self, Offer, SetUp};
use portcullis_store::{Store, StoreError};
use portcullis_testkit::TestStore;

use crate::support::{execute, parallel};

contract! {
    async fn an_offer_stands_until_it_runs_out(t: &TestStore) {
        assert_eq!(t.store.set_up().await.expect("read"), SetUp::Fresh);
        let first = offer(t, 1, 7);
        make(t, &first).await;
        make(t, &offer(t, 2, 7)).await;
        assert_eq!(t.store.set_up().await.expect("read"), offered(&first), "two nodes show one link");
        t.clock.set(first.expires_at);
        let third = offer(t, 3, 7);
        make(t, &third).await;
        assert_eq!(t.store.set_up().await.expect("read"), offered(&third));
    }

    async fn an_offer_under_another_server_key_is_replaced(t: &TestStore) {
        make(t, &offer(t, 1, 7)).await;
        let second = offer(t, 2, 8);
        make(t, &second).await;
        assert_eq!(t.store.set_up().await.expect("read"), offered(&second));
    }

    async fn of_twenty_who_spend_the_link_one_does(t: &TestStore) {
        let link = offer(t, 1, 7);
        make(t, &link).await;
        let now = t.now();
        let spent = parallel(20, |_| {
            let (store, hash) = (t.store.clone(), link.link_hash);
            async move { spend(&store, hash, now).await.expect("answered, not an error") }
        })
        .await;
        assert_eq!(spent.iter().filter(|spent| **spent).count(), 1);
        assert_eq!(t.store.set_up().await.expect("read"), SetUp::Completed);
    }

    async fn a_wrong_or_old_link_is_not_spent(t: &TestStore) {
        let link = offer(t, 1, 7);
        assert!(!spend(&t.store, link.link_hash, t.now()).await.expect("answered"), "none was offered");
        make(t, &link).await;
        assert!(!spend(&t.store, [0; 32], t.now()).await.expect("answered"));
        assert!(!spend(&t.store, link.link_hash, link.expires_at).await.expect("answered"));
        let last_moment = link.expires_at - Duration::from_micros(1);
        assert!(spend(&t.store, link.link_hash, last_moment).await.expect("answered"));
    }

    async fn an_administrator_made_another_way_voids_the_link(t: &TestStore) {
        let (link, now) = (offer(t, 1, 7), t.now());
        make(t, &link).await;
        commit!(t.store, [] tx => set_up::complete(tx, now)).expect("noted");
        assert!(!spend(&t.store, link.link_hash, now).await.expect("answered"));
        make(t, &offer(t, 2, 8)).await;
        assert_eq!(t.store.set_up().await.expect("read"), SetUp::Completed, "no offer after that");
    }

    async fn an_administrator_before_any_offer_counts_too(t: &TestStore) {
        let now = t.now();
        commit!(t.store, [] tx => set_up::complete(tx, now)).expect("noted");
        commit!(t.store, [] tx => set_up::complete(tx, now)).expect("again is nothing");
        make(t, &offer(t, 1, 7)).await;
        assert_eq!(t.store.set_up().await.expect("read"), SetUp::Completed);
    }

    async fn half_an_offer_is_an_error(t: &TestStore) {
        make(t, &offer(t, 1, 7)).await;
        execute(&t.store, "UPDATE set_up SET link_id = NULL").await;
        let error = t.store.set_up().await.expect_err("impossible");
        assert!(matches!(error, StoreError::Corrupt { table: "set_up", .. }), "{error}");
    }
}

fn offer(t: &TestStore, fill: u8, key: u32) -> Offer {
    let expires_at = t.now() + Duration::from_hours(24);
    Offer { link_id: [fill; 16], link_hash: [fill; 32], key_id: KeyId(key), expires_at }
}

fn offered(offer: &Offer) -> SetUp {
    let Offer { link_id, link_hash, key_id, expires_at } = offer.clone();
    SetUp::Offered { link_id, link_hash, key_id, expires_at }
}

async fn make(t: &TestStore, offer: &Offer) {
    let now = t.now();
    commit!(t.store, [offer] tx => set_up::offer(tx, &offer, now)).expect("answered");
}

async fn spend(
    store: &Store,
    hash: [u8; 32],
    now: portcullis_core::time::Timestamp,
) -> Result<bool, StoreError> {
    commit!(store, [] tx => set_up::spend(tx, &hash, now))
}
