//! Signing keys and check values of server keys.

use std::time::Duration;

use portcullis_core::server_key::{KeyId, Sealed};
use portcullis_core::signing_key::KeyTimes;
use portcullis_store::keys::{self, StoredKey};
use portcullis_store::{Store, StoreError};
use portcullis_testkit::TestStore;

use crate::support::parallel;

contract! {
    async fn keys_read_back_in_the_order_in_which_they_become_active(t: &TestStore) {
        let late = key(t, "a", 20);
        let early = StoredKey { public_jwk: None, algorithm: "HS256".into(), ..key(t, "b", 10) };
        for new in [&late, &early] {
            assert!(commit!(t.store, [new] tx => keys::insert(tx, &new)).expect("inserted"));
        }
        let read = t.store.signing_keys().await.expect("read");
        assert_eq!(read.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        for (read, written) in read.iter().zip([&early, &late]) {
            assert_eq!((&read.algorithm, &read.public_jwk), (&written.algorithm, &written.public_jwk));
            assert_eq!(
                (read.sealed.key_id, &read.sealed.bytes),
                (written.sealed.key_id, &written.sealed.bytes)
            );
            assert_eq!((read.created_at, read.times), (written.created_at, written.times));
        }
    }

    async fn a_key_is_inserted_once(t: &TestStore) {
        let new = key(t, "a", 0);
        assert!(commit!(t.store, [new] tx => keys::insert(tx, &new)).expect("inserted"));
        let other = StoredKey { algorithm: "RS256".into(), ..new };
        assert!(!commit!(t.store, [other] tx => keys::insert(tx, &other)).expect("answered"));
        assert_eq!(t.store.signing_keys().await.expect("read")[0].algorithm, "ES256");
    }

    async fn of_ten_nodes_that_find_no_key_one_makes_it(t: &TestStore) {
        let nodes = [t.store.clone(), t.another().await];
        let candidates: Vec<_> = (0..10).map(|at| key(t, &format!("k{at}"), 0)).collect();
        let made = parallel(10, |at| {
            let (store, new) = (nodes[at % 2].clone(), candidates[at].clone());
            async move { make_if_none(&store, &new).await.expect("answered, not an error") }
        })
        .await;
        assert_eq!(made.iter().filter(|made| **made).count(), 1);
        assert_eq!(t.store.signing_keys().await.expect("read").len(), 1);
    }

    async fn a_key_is_retired_once(t: &TestStore) {
        let (new, now) = (key(t, "a", 0), t.now());
        commit!(t.store, [new] tx => keys::insert(tx, &new)).expect("inserted");
        assert!(commit!(t.store, [] tx => keys::retire(tx, "a", now)).expect("retired"));
        let later = now + Duration::from_secs(1);
        assert!(!commit!(t.store, [] tx => keys::retire(tx, "a", later)).expect("answered"));
        assert!(!commit!(t.store, [] tx => keys::retire(tx, "b", now)).expect("answered"));
        assert_eq!(t.store.signing_keys().await.expect("read")[0].times.retired_at, Some(now));
    }

    async fn a_key_is_resealed_from_the_key_it_was_under(t: &TestStore) {
        let new = key(t, "a", 0);
        commit!(t.store, [new] tx => keys::insert(tx, &new)).expect("inserted");
        let sealed = Sealed { key_id: KeyId(u32::MAX), bytes: vec![9, 9] };
        let reseal = async |before| {
            commit!(t.store, [sealed] tx => keys::reseal(tx, "a", before, &sealed)).expect("answered")
        };
        assert!(!reseal(KeyId(2)).await);
        assert!(reseal(KeyId(1)).await);
        let read = t.store.signing_keys().await.expect("read").remove(0);
        assert_eq!((read.sealed.key_id, read.sealed.bytes), (KeyId(u32::MAX), vec![9, 9]));
    }

    async fn a_deleted_key_is_gone(t: &TestStore) {
        for kid in ["a", "b"] {
            let new = key(t, kid, 0);
            commit!(t.store, [new] tx => keys::insert(tx, &new)).expect("inserted");
        }
        commit!(t.store, [] tx => keys::delete(tx, "a")).expect("deleted");
        let left = t.store.signing_keys().await.expect("read");
        assert_eq!(left.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    async fn server_keys_are_noted_once_and_forgotten(t: &TestStore) {
        let (one, two, now) = (KeyId(u32::MAX), KeyId(3), t.now());
        commit!(t.store, [] tx => keys::insert_server_key(tx, one, b"first", now)).expect("noted");
        commit!(t.store, [] tx => keys::insert_server_key(tx, one, b"again", now)).expect("answered");
        let later = now + Duration::from_secs(1);
        commit!(t.store, [] tx => keys::insert_server_key(tx, two, b"second", later)).expect("noted");
        let known = t.store.server_keys().await.expect("read");
        assert_eq!(known.iter().map(|key| key.id).collect::<Vec<_>>(), [one, two]);
        assert_eq!(known[0].check_value, b"first");
        commit!(t.store, [] tx => keys::delete_server_key(tx, one)).expect("forgotten");
        assert_eq!(t.store.server_keys().await.expect("read").len(), 1);
    }
}

fn key(t: &TestStore, kid: &str, activates_in: u64) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        algorithm: "ES256".into(),
        public_jwk: Some("{}".into()),
        sealed: Sealed { key_id: KeyId(1), bytes: vec![1, 2, 3] },
        created_at: t.now(),
        times: KeyTimes { activates_at: t.now() + Duration::from_secs(activates_in), retired_at: None },
    }
}

/// What a node does at its start.
async fn make_if_none(store: &Store, new: &StoredKey) -> Result<bool, StoreError> {
    commit!(store, [new] tx => async move {
        if keys::lock_signing_keys(tx).await?.is_empty() { keys::insert(tx, &new).await } else { Ok(false) }
    })
}
