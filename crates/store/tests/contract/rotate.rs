//! One rotation: what the guard lets through, what it refuses, and what it leaves in the row.

use std::time::Duration;

use portcullis_core::server_key::KeyId;
use portcullis_core::session::{Acting, ActingMode, Carrier, Delivery, EndCause, Grant};
use portcullis_store::Rotate;
use portcullis_store::sessions::{self, ActingFrom, End, NewSession};
use portcullis_testkit::TestStore;

use crate::support::{IDLE, LIFE, create, execute, judged, make_session, make_user, new_session, rotation};

contract! {
    async fn the_current_generation_rotates_and_the_row_moves_on(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, first) = make_session(t, &ada).await;
        t.clock.advance(Duration::from_secs(5));
        let grant = t.store.rotate(rotation(t, &new, 1)).await.expect("rotated").expect("won");
        assert_eq!(grant, Grant { generation: 2, ..first });
        let chain = judged(t, new.id).await.chain;
        assert_eq!((chain.generation, chain.key_id, chain.window_count), (2, KeyId(8), 1));
        assert_eq!((chain.rotated_at, chain.window_at), (t.now(), new.now));
        assert_eq!((chain.idle_ends_at, chain.ends_at), (t.now() + IDLE, new.ends_at));
        let judged = judged(t, new.id).await;
        assert_eq!((judged.device.as_str(), judged.address.as_str()), ("Firefox 2 on Linux", "2001:db8::2"));
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
            ("a cookie's token in a body", Rotate { carrier: Carrier::Body, ..good.clone() }),
            ("in the cookie of acting", Rotate { carrier: Carrier::ActingCookie, ..good.clone() }),
            ("another session", Rotate { session: ada.id.uuid(), ..good.clone() }),
            ("idle for too long", late(IDLE)),
            ("past its end", late(LIFE)),
            ("over its rate", Rotate { most: 1, ..good.clone() }),
        ];
        for (why, command) in cases {
            assert!(t.store.rotate(command).await.expect("answered").is_none(), "{why}");
        }
        let chain = judged(t, new.id).await.chain;
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
        let chain = judged(t, new.id).await.chain;
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
        let chain = judged(t, new.id).await.chain;
        assert_eq!((chain.generation, chain.key_id, chain.rotated_at), (10, KeyId(8), t.now()));
        assert!(t.store.rotate(rotation(t, &new, 10)).await.expect("rotated").is_some());
        t.clock.advance(IDLE);
        assert_eq!(ahead(t, &new, 30).await, None, "run out");
    }

    async fn a_token_rotates_only_by_the_carrier_it_was_given_to(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let root = make_user(t, "root").await;
        execute(&t.store, "UPDATE users SET role = 'admin' WHERE email_key LIKE 'root@%'").await;
        let (roots, _) = make_session(t, &root).await;
        let acting = |mode| {
            Some(ActingFrom { acting: Acting { actor: root.id, mode }, session: roots.id })
        };
        for (delivery, acting, carrier) in [
            (Delivery::Body, None, Carrier::Body),
            (Delivery::Body, acting(ActingMode::Full), Carrier::Body),
            (Delivery::Cookie, None, Carrier::Cookie),
            (Delivery::Cookies, None, Carrier::Cookie),
            (Delivery::Cookie, acting(ActingMode::Read), Carrier::ActingCookie),
            (Delivery::Cookies, acting(ActingMode::Full), Carrier::ActingCookie),
        ] {
            let new = NewSession { delivery, acting, ..new_session(t, &ada) };
            create(&t.store, &new).await.expect("committed").expect("made");
            let by = |carrier, generation| Rotate { carrier, ..rotation(t, &new, generation) };
            for wrong in [Carrier::Body, Carrier::Cookie, Carrier::ActingCookie] {
                if wrong != carrier {
                    let lost = t.store.rotate(by(wrong, 1)).await.expect("answered");
                    assert_eq!(lost, None, "{delivery:?} {wrong:?}");
                    assert_eq!(run_ahead(t, by(wrong, 9)).await, None, "{delivery:?} {wrong:?}");
                }
            }
            assert_eq!(judged(t, new.id).await.chain.generation, 1, "{delivery:?}");
            let right = t.store.rotate(by(carrier, 1)).await.expect("answered").expect("won");
            assert_eq!((right.generation, right.delivery), (2, delivery));
            let right = run_ahead(t, by(carrier, 9)).await.expect("won");
            assert_eq!((right.generation, right.delivery), (10, delivery));
        }
    }

    async fn carriers_in_one_batch_are_told_apart(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (cookie, _) = make_session(t, &ada).await;
        let body = NewSession { delivery: Delivery::Body, ..new_session(t, &ada) };
        create(&t.store, &body).await.expect("committed").expect("made");
        let by_cookie = |new: &NewSession| Rotate { carrier: Carrier::Cookie, ..rotation(t, new, 1) };
        let (one, two) =
            tokio::join!(t.store.rotate(by_cookie(&cookie)), t.store.rotate(by_cookie(&body)));
        assert!(one.expect("answered").is_some() && two.expect("answered").is_none());
    }

    async fn a_generation_ahead_writes_where_it_came_from(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        ahead(t, &new, 9).await.expect("won");
        let judged = judged(t, new.id).await;
        assert_eq!((judged.device.as_str(), judged.address.as_str()), ("Firefox 2 on Linux", "2001:db8::2"));
    }

    async fn a_strange_address_or_device_is_stored_as_it_is(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        let (other, _) = make_session(t, &ada).await;
        let text = "\"\\],[\n\u{e9}'".to_owned();
        let strange = Rotate { address: text.clone(), device: text.clone(), ..rotation(t, &new, 1) };
        let (one, two) = tokio::join!(t.store.rotate(strange), t.store.rotate(rotation(t, &other, 1)));
        assert!(one.expect("rotated").is_some() && two.expect("rotated").is_some());
        let row = judged(t, new.id).await;
        assert_eq!((&row.address, &row.device), (&text, &text));
        assert_eq!(judged(t, other.id).await.device, "Firefox 2 on Linux");
    }
}

async fn ahead(t: &TestStore, session: &NewSession, generation: i64) -> Option<Grant> {
    run_ahead(t, rotation(t, session, generation)).await
}

async fn run_ahead(t: &TestStore, command: Rotate) -> Option<Grant> {
    commit!(t.store, [command] tx => sessions::rotate_ahead(tx, &command)).expect("answered")
}
