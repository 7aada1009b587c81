//! One rotation: what the guard lets through, what it refuses, and what it leaves in the row.

use std::time::Duration;

use portcullis_core::server_key::KeyId;
use portcullis_core::session::{EndCause, Grant};
use portcullis_store::Rotate;
use portcullis_store::sessions::{self, End, NewSession};
use portcullis_testkit::TestStore;

use crate::support::{IDLE, LIFE, execute, make_session, make_user, rotation};

contract! {
    async fn the_current_generation_rotates_and_the_row_moves_on(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, first) = make_session(t, &ada).await;
        t.clock.advance(Duration::from_secs(5));
        let grant = t.store.rotate(rotation(t, &new, 1)).await.expect("rotated").expect("won");
        assert_eq!(grant, Grant { generation: 2, ..first });
        let chain = t.store.chain(new.id).await.expect("read").expect("there");
        assert_eq!((chain.generation, chain.key_id, chain.window_count), (2, KeyId(8), 1));
        assert_eq!((chain.rotated_at, chain.window_at), (t.now(), new.now));
        assert_eq!((chain.idle_ends_at, chain.ends_at), (t.now() + IDLE, new.ends_at));
        let origin = t.store.origin(new.id).await.expect("read").expect("there");
        assert_eq!(origin.1, "2001:db8::2");
    }

    async fn a_session_without_an_account_rotates_too(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        execute(
            &t.store,
            "UPDATE sessions SET account_id = NULL, account_role = NULL, must_change_password = TRUE",
        )
        .await;
        let grant = t.store.rotate(rotation(t, &new, 1)).await.expect("rotated").expect("won");
        assert_eq!((grant.account, grant.must_change_password), (None, true));
    }

    async fn the_guard_refuses_all_else_and_changes_nothing(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        t.store.rotate(rotation(t, &new, 1)).await.expect("rotated").expect("won");
        let good = rotation(t, &new, 2);
        let late = |at: Duration| Rotate { now: (t.now() + at).micros(), ..good.clone() };
        let cases = [
            ("a generation behind", Rotate { generation: 1, ..good.clone() }),
            ("a generation ahead", Rotate { generation: 3, ..good.clone() }),
            ("another secret", Rotate { secret_hash: [1; 32], ..good.clone() }),
            ("another session", Rotate { session: ada.id.uuid(), ..good.clone() }),
            ("idle for too long", late(IDLE)),
            ("past its end", late(LIFE)),
            ("over its rate", Rotate { most: 1, ..good.clone() }),
        ];
        for (why, command) in cases {
            assert!(t.store.rotate(command).await.expect("answered").is_none(), "{why}");
        }
        let chain = t.store.chain(new.id).await.expect("read").expect("there");
        assert_eq!((chain.generation, chain.window_count), (2, 1));
        assert!(t.store.rotate(good).await.expect("answered").is_some(), "and the right one still wins");
    }

    async fn the_absolute_end_holds_whatever_the_idle_end(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        execute(&t.store, "UPDATE sessions SET idle_ends_at = 9000000000000000").await;
        t.clock.advance(LIFE);
        assert!(t.store.rotate(rotation(t, &new, 1)).await.expect("answered").is_none());
    }

    async fn an_ended_session_does_not_rotate(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        let (id, now) = (new.id, t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
        assert!(t.store.rotate(rotation(t, &new, 1)).await.expect("answered").is_none());
        assert!(ahead(t, &new, 5).await.is_none());
    }

    async fn rotations_are_counted_by_the_minute(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        let rotate = async |generation| {
            let command = Rotate { most: 3, ..rotation(t, &new, generation) };
            t.store.rotate(command).await.expect("answered").is_some()
        };
        for generation in 1..=3 {
            assert!(rotate(generation).await, "{generation}");
        }
        t.clock.advance(Duration::from_secs(59));
        assert!(!rotate(4).await);
        t.clock.advance(Duration::from_secs(1));
        assert!(rotate(4).await);
        let chain = t.store.chain(new.id).await.expect("read").expect("there");
        assert_eq!((chain.window_at, chain.window_count), (t.now(), 1));
    }

    async fn a_generation_ahead_is_caught_up_with_once(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, first) = make_session(t, &ada).await;
        t.clock.advance(Duration::from_secs(5));
        assert_eq!(ahead(t, &new, 9).await, Some(Grant { generation: 10, ..first }));
        assert_eq!(ahead(t, &new, 9).await, None, "now it is behind");
        assert_eq!(ahead(t, &new, 10).await, None, "now it is the current one");
        let stranger = NewSession { secret_hash: crate::support::NO_SECRET, ..new.clone() };
        assert_eq!(ahead(t, &stranger, 20).await, None);
        let chain = t.store.chain(new.id).await.expect("read").expect("there");
        assert_eq!((chain.generation, chain.key_id, chain.rotated_at), (10, KeyId(8), t.now()));
        assert!(t.store.rotate(rotation(t, &new, 10)).await.expect("rotated").is_some());
        t.clock.advance(IDLE);
        assert_eq!(ahead(t, &new, 30).await, None, "run out");
    }

    async fn a_strange_address_is_stored_as_it_is(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        let (other, _) = make_session(t, &ada).await;
        let address = "\"\\],[\n\u{e9}'".to_owned();
        let strange = Rotate { address: address.clone(), ..rotation(t, &new, 1) };
        let (one, two) = tokio::join!(t.store.rotate(strange), t.store.rotate(rotation(t, &other, 1)));
        assert!(one.expect("rotated").is_some() && two.expect("rotated").is_some());
        assert_eq!(t.store.origin(new.id).await.expect("read").expect("there").1, address);
    }
}

async fn ahead(t: &TestStore, session: &NewSession, generation: i64) -> Option<Grant> {
    let command = rotation(t, session, generation);
    commit!(t.store, [command] tx => sessions::rotate_ahead(tx, &command)).expect("answered")
}
