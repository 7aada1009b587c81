//! Signing keys and check values of server keys.

use std::time::Duration;

use portcullis_core::audit_chain::ErasureRequest;
use portcullis_core::server_key::{KeyId, KeyRing, Sealed, ServerKey};
use portcullis_core::session::EndCause;
use portcullis_core::signing_key::KeyTimes;
use portcullis_core::time::Timestamp;
use portcullis_store::audit_keeping;
use portcullis_store::keys::{self, StoredKey};
use portcullis_store::sessions::{self, End};
use portcullis_store::{Store, StoreError};
use portcullis_testkit::TestStore;

use crate::support::{IDLE, make_session, make_user, parallel, rotation};

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

    async fn a_key_that_was_not_withdrawn_becomes_active_again(t: &TestStore) {
        for (kid, activates_in) in [("a", 0), ("b", 10)] {
            let new = key(t, kid, activates_in);
            commit!(t.store, [new] tx => keys::insert(tx, &new)).expect("inserted");
        }
        let at = t.now() + Duration::from_secs(20);
        assert!(commit!(t.store, [] tx => keys::activate(tx, "a", at)).expect("answered"));
        let read = t.store.signing_keys().await.expect("read");
        assert_eq!(read.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(read[1].times, KeyTimes { activates_at: at, retired_at: None });
        assert!(!commit!(t.store, [] tx => keys::activate(tx, "c", at)).expect("answered"), "there is none");
        commit!(t.store, [] tx => keys::retire(tx, "b", at)).expect("retired");
        assert!(!commit!(t.store, [] tx => keys::activate(tx, "b", at)).expect("answered"), "withdrawn");
        let withdrawn = t.store.signing_keys().await.expect("read").remove(0);
        assert_eq!(withdrawn.times.activates_at, t.now() + Duration::from_secs(10));
    }

    async fn the_longest_access_token_only_grows(t: &TestStore) {
        assert_eq!(t.store.longest_access_token().await.expect("read"), 0);
        for (micros, longest) in [(900, 900), (100, 900), (900, 900), (901, 901), (1, 901)] {
            commit!(t.store, [] tx => keys::lengthen_access_tokens(tx, micros)).expect("noted");
            assert_eq!(t.store.longest_access_token().await.expect("read"), longest, "after {micros}");
        }
    }

    async fn of_twenty_nodes_with_other_lifetimes_the_longest_is_noted(t: &TestStore) {
        let nodes = [t.store.clone(), t.another().await];
        let noted = parallel(20, |at| {
            let store = nodes[at % 2].clone();
            let micros = (at as i64 * 7) % 20;
            async move { commit!(store, [] tx => keys::lengthen_access_tokens(tx, micros)) }
        })
        .await;
        assert!(noted.into_iter().all(|noted| noted.is_ok()));
        assert_eq!(t.store.longest_access_token().await.expect("read"), 19);
    }

    async fn server_keys_are_noted_once(t: &TestStore) {
        let (one, two, now) = (KeyId(u32::MAX), KeyId(3), t.now());
        commit!(t.store, [] tx => keys::insert_server_key(tx, one, b"first", now)).expect("noted");
        commit!(t.store, [] tx => keys::insert_server_key(tx, one, b"again", now)).expect("answered");
        let later = now + Duration::from_secs(1);
        commit!(t.store, [] tx => keys::insert_server_key(tx, two, b"second", later)).expect("noted");
        let known = t.store.server_keys().await.expect("read");
        assert_eq!(known.iter().map(|key| key.id).collect::<Vec<_>>(), [one, two]);
        assert_eq!(known[0].check_value, b"first");
    }

    async fn a_server_key_is_forgotten_once_it_was_noted_long_ago(t: &TestStore) {
        let (one, two) = (note(t, 7).await, note(t, 8).await);
        assert!(!forget(t, one, t.now() - Duration::from_micros(1)).await, "noted since");
        assert!(forget(t, one, t.now()).await);
        assert!(!forget(t, one, t.now()).await, "it is gone");
        let known = t.store.server_keys().await.expect("read");
        assert_eq!(known.iter().map(|key| key.id).collect::<Vec<_>>(), [two]);
    }

    async fn a_server_key_that_seals_a_signing_key_is_kept(t: &TestStore) {
        let (id, new) = (note(t, 1).await, key(t, "a", 0));
        commit!(t.store, [new] tx => keys::insert(tx, &new)).expect("inserted");
        let now = t.now();
        commit!(t.store, [] tx => keys::retire(tx, "a", now)).expect("retired");
        assert!(!forget(t, id, t.now()).await, "withdrawn, but the row stays");
        let sealed = Sealed { key_id: note(t, 2).await, bytes: vec![9] };
        assert!(commit!(t.store, [sealed] tx => keys::reseal(tx, "a", id, &sealed)).expect("resealed"));
        assert!(forget(t, id, t.now()).await);
        assert!(!forget(t, sealed.key_id, t.now()).await);
    }

    /// Who is gone is to be forgotten; without the key nobody can tell that this server has asked for it.
    async fn a_server_key_under_which_somebody_is_to_be_forgotten_is_kept(t: &TestStore) {
        let ring = KeyRing::new(ServerKey::new(&[1; 32]).expect("long enough"), vec![]);
        let (id, user) = (note(t, ring.current().id().0).await, make_user(t, "ada").await.id);
        let request = ErasureRequest::new(user, t.now(), ring.current());
        commit!(t.store, [request] tx => audit_keeping::ask_erasure(tx, &request)).expect("asked");
        assert!(!forget(t, id, t.now()).await);
        let asked = t.store.asked_erasures().await.expect("read").remove(0);
        commit!(t.store, [asked] tx => audit_keeping::finish_erasure(tx, &asked)).expect("finished");
        assert!(forget(t, id, t.now()).await);
    }

    async fn a_server_key_with_live_sessions_under_it_is_kept(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (one, two) = (note(t, 7).await, note(t, 8).await);
        let (moved, _) = make_session(t, &ada).await;
        let (ended, _) = make_session(t, &ada).await;
        t.store.rotate(rotation(t, &moved, 1)).await.expect("rotated").expect("won");
        assert!(!forget(t, one, t.now()).await && !forget(t, two, t.now()).await);
        let (id, now) = (ended.id, t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
        assert!(forget(t, one, t.now()).await, "the only one under it has ended");
        t.clock.set(t.now() + IDLE - Duration::from_micros(1));
        assert!(!forget(t, two, t.now()).await);
        t.clock.advance(Duration::from_micros(1));
        assert!(forget(t, two, t.now()).await, "the only one under it has run out");
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

/// A server key, noted now.
async fn note(t: &TestStore, id: u32) -> KeyId {
    let (id, now) = (KeyId(id), t.now());
    commit!(t.store, [] tx => keys::insert_server_key(tx, id, b"check", now)).expect("noted");
    id
}

async fn forget(t: &TestStore, id: KeyId, noted_before: Timestamp) -> bool {
    let now = t.now();
    commit!(t.store, [] tx => keys::delete_server_key(tx, id, noted_before, now)).expect("answered")
}

/// What a node does at its start.
async fn make_if_none(store: &Store, new: &StoredKey) -> Result<bool, StoreError> {
    commit!(store, [new] tx => async move {
        if keys::lock_signing_keys(tx).await?.is_empty() { keys::insert(tx, &new).await } else { Ok(false) }
    })
}
