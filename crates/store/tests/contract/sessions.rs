//! Sessions: made, listed, ended, renewed, forgotten.

use std::time::Duration;

use portcullis_core::factor::Factors;
use portcullis_core::ids::SessionId;
use portcullis_core::refresh_token::SecretHash;
use portcullis_core::server_key::KeyId;
use portcullis_core::session::{Delivery, EndCause, Grant, MAX_PER_USER, SessionState};
use portcullis_core::time::Timestamp;
use portcullis_core::user::Role;
use portcullis_store::sessions::{self, End, NewSession, Page, Renewal, Slice};
use portcullis_store::users;
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::support::{
    IDLE, LIFE, NO_SECRET, create, judged, make_session, make_user, new_session, number, rotation,
};

contract! {
    async fn a_new_session_says_who_its_user_is(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        t.clock.advance(Duration::from_secs(3));
        let (new, grant) = make_session(t, &ada).await;
        let expected = Grant {
            session: new.id,
            user: ada.id,
            generation: 1,
            role: Role::from_stored(Role::USER),
            account: ada.account.clone(),
            must_change_password: false,
            authenticated_at: t.now(),
            methods: vec!["pwd".into(), "otp".into()],
            delivery: Delivery::Cookie,
            ends_at: t.now() + LIFE,
            acting: None,
            status_index: None,
            factors: Factors::NONE,
        };
        assert_eq!(grant, expected);
        assert_eq!(judged(t, new.id).await.grant, expected);
        let user = t.store.user(ada.id).await.expect("read").expect("there");
        assert_eq!((user.last_login_at, user.version), (Some(t.now()), 1));
    }

    async fn a_new_chain_starts_at_generation_one(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        let chain = judged(t, new.id).await.chain;
        assert!(chain.secret_hash.matches(&new.secret_hash));
        assert_eq!((chain.generation, chain.key_id, chain.window_count), (1, KeyId(7), 0));
        assert_eq!((chain.rotated_at, chain.window_at), (t.now(), t.now()));
        assert_eq!((chain.idle_ends_at, chain.ends_at), (t.now() + IDLE, t.now() + LIFE));
        assert_eq!(chain.state, SessionState::Live);
        let judged = judged(t, new.id).await;
        assert_eq!((judged.device.as_str(), judged.address.as_str()), ("Firefox on Linux", "192.0.2.1"));
    }

    async fn a_device_was_where_its_newest_sessions_were(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let seen = async |device: &str| {
            let mut found = t.store.addresses_of_device(ada.id, device).await.expect("read");
            found.sort_unstable();
            found
        };
        let begin = async |user, device: &str, address: &str| {
            t.clock.advance(Duration::from_secs(1));
            let new = NewSession { device: device.into(), address: address.into(), ..new_session(t, user) };
            create(&t.store, &new).await.expect("answered").expect("made");
            new.id
        };
        assert!(seen("Phone").await.is_empty());
        let first = begin(&ada, "Phone", "192.0.2.1").await;
        begin(&ada, "Phone", "192.0.2.1").await;
        begin(&ada, "Phone", "192.0.2.2").await;
        begin(&ada, "Desk", "192.0.2.3").await;
        begin(&bob, "Phone", "192.0.2.4").await;
        assert_eq!(seen("Phone").await, ["192.0.2.1", "192.0.2.2"]);
        assert!(seen("phone").await.is_empty());
        // Ended or not, but for one that the user knows nothing of.
        let desk = begin(&ada, "Skiff", "192.0.2.5").await;
        let now = t.now();
        for (id, cause) in [(first, EndCause::Logout), (desk, EndCause::NotMe)] {
            commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, cause)).expect("ended");
        }
        assert_eq!(seen("Phone").await, ["192.0.2.1", "192.0.2.2"]);
        assert!(seen("Skiff").await.is_empty());
        // Whoever signs in all day is not looked through to the end.
        for _ in 0..200 {
            begin(&ada, "Script", "192.0.2.6").await;
        }
        assert!(seen("Phone").await.is_empty());
        assert_eq!(seen("Script").await, ["192.0.2.6"]);
    }

    async fn an_unknown_session_is_not_found(t: &TestStore) {
        let id = SessionId::new(t.now(), &*t.random);
        assert!(t.store.judged(id).await.expect("read").is_none());
    }

    async fn a_moved_epoch_and_a_disabled_user_get_no_session(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let stale = sessions::NewSession { epoch: 0, ..new_session(t, &ada) };
        assert!(create(&t.store, &stale).await.expect("answered").is_none());
        let (id, now) = (ada.id, t.now());
        commit!(t.store, [] tx => users::disable(tx, id, now)).expect("written");
        let disabled = sessions::NewSession { epoch: 2, ..new_session(t, &ada) };
        assert!(create(&t.store, &disabled).await.expect("answered").is_none());
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions").await, 0);
        assert_eq!(t.store.user(id).await.expect("read").expect("there").last_login_at, None);
    }

    async fn one_session_too_many_ends_the_oldest(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let mut ids = Vec::new();
        for _ in 0..MAX_PER_USER {
            t.clock.advance(Duration::from_secs(1));
            let new = new_session(t, &ada);
            let (_, displaced) = create(&t.store, &new).await.expect("committed").expect("made");
            assert!(displaced.is_empty());
            ids.push(new.id);
        }
        for oldest in &ids[..2] {
            t.clock.advance(Duration::from_secs(1));
            let (_, displaced) =
                create(&t.store, &new_session(t, &ada)).await.expect("committed").expect("made");
            assert_eq!(displaced, [oldest.uuid()]);
            let chain = judged(t, *oldest).await.chain;
            assert_eq!(chain.state, SessionState::Ended { at: t.now(), cause: EndCause::Displaced });
        }
    }

    async fn live_sessions_page_from_the_newest(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        make_session(t, &bob).await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            t.clock.advance(Duration::from_mins(1));
            ids.insert(0, make_session(t, &ada).await.0);
        }
        t.store.rotate(rotation(t, &ids[4], 1)).await.expect("rotated").expect("won");
        let page = async |before: Option<SessionId>, limit: i64| {
            t.store.live_sessions(ada.id, t.now(), Page { before, limit }).await.expect("read")
        };
        let first = page(None, 3).await;
        assert_eq!(first.iter().map(|view| view.id).collect::<Vec<_>>(), [ids[0].id, ids[1].id, ids[2].id]);
        let rest = page(Some(first[2].id), 3).await;
        assert_eq!(rest.iter().map(|view| view.id).collect::<Vec<_>>(), [ids[3].id, ids[4].id]);
        assert_eq!((rest[1].created_at, rest[1].last_used_at), (ids[4].now, t.now()));
        assert_eq!((rest[1].address.as_str(), rest[0].address.as_str()), ("2001:db8::2", "192.0.2.1"));
        let devices = (rest[1].device.as_str(), rest[0].device.as_str());
        assert_eq!(devices, ("Firefox 2 on Linux", "Firefox on Linux"));
    }

    async fn ended_and_expired_sessions_are_not_listed(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (ended, _) = make_session(t, &ada).await;
        let (id, now) = (ended.id, t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
        make_session(t, &ada).await;
        let all = Page { before: None, limit: 10 };
        assert_eq!(t.store.live_sessions(ada.id, t.now(), all).await.expect("read").len(), 1);
        assert_eq!(t.store.live_sessions(ada.id, t.now() + IDLE, all).await.expect("read").len(), 0);
    }

    async fn a_session_ends_once(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, first) = make_session(t, &ada).await;
        let (id, now) = (new.id, t.now());
        let end = async |cause| {
            let done = commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, cause));
            done.expect("answered").map(|ended| (ended.user, ended.actor))
        };
        assert_eq!(end(EndCause::Logout).await, Some((ada.id, None)));
        assert_eq!(end(EndCause::Revoked).await, None);
        let chain = judged(t, id).await.chain;
        assert_eq!(chain.state, SessionState::Ended { at: now, cause: EndCause::Logout });
        assert_eq!(judged(t, id).await.grant, first, "whose it was can still be told");
    }

    async fn a_session_ends_for_its_owner_or_with_its_secret_only(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (one, _) = make_session(t, &ada).await;
        let (two, _) = make_session(t, &ada).await;
        let now = t.now();
        let end = async |which| {
            let done = commit!(t.store, [] tx => sessions::end(tx, which, now, EndCause::Logout));
            done.expect("answered").map(|ended| ended.user)
        };
        assert_eq!(end(End::Own(one.id, bob.id)).await, None);
        assert_eq!(end(End::Own(one.id, ada.id)).await, Some(ada.id));
        assert_eq!(end(End::BySecret(two.id, NO_SECRET)).await, None);
        assert_eq!(end(End::BySecret(two.id, two.secret_hash)).await, Some(ada.id));
        assert_eq!(end(End::Any(SessionId::new(now, &*t.random))).await, None);
    }

    async fn all_sessions_end_but_the_one_that_asked(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (one, _) = make_session(t, &ada).await;
        let (two, _) = make_session(t, &ada).await;
        let (three, _) = make_session(t, &ada).await;
        let (foreign, _) = make_session(t, &bob).await;
        let (user, now) = (ada.id, t.now());
        let end_all = async |but: Option<SessionId>| {
            let ended =
                commit!(t.store, [] tx => sessions::end_all(tx, user, but, now, EndCause::PasswordChanged));
            let mut ended = ended.expect("answered");
            ended.sort_unstable();
            ended
        };
        let mut others = [one.id.uuid(), three.id.uuid()];
        others.sort_unstable();
        assert_eq!(end_all(Some(two.id)).await, others);
        assert_eq!(end_all(None).await, [two.id.uuid()]);
        assert!(end_all(None).await.is_empty());
        assert_eq!(judged(t, foreign.id).await.chain.state, SessionState::Live);
    }

    async fn a_renewed_session_has_a_new_secret(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        t.clock.advance(Duration::from_mins(1));
        let renewal = Renewal {
            session: new.id,
            user: ada.id,
            secret_hash: SecretHash([9; 32]),
            key_id: KeyId(9),
            now: t.now(),
            idle_ends_at: t.now() + IDLE,
        };
        let renew = async |renewal: Renewal| {
            commit!(t.store, [renewal] tx => sessions::renew(tx, &renewal)).expect("answered")
        };
        assert!(renew(Renewal { user: make_user(t, "bob").await.id, ..renewal.clone() }).await.is_none());
        let grant = renew(renewal.clone()).await.expect("live");
        assert_eq!((grant.generation, grant.authenticated_at), (2, t.now()));
        assert!(t.store.rotate(rotation(t, &new, 2)).await.expect("answered").is_none(), "the old secret");
        let under = sessions::NewSession { secret_hash: SecretHash([9; 32]), ..new.clone() };
        assert!(t.store.rotate(rotation(t, &under, 2)).await.expect("answered").is_some());
        assert!(renew(Renewal { now: t.now() + LIFE, ..renewal }).await.is_none(), "run out");
    }

    async fn what_a_user_becomes_is_copied_to_live_sessions(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (live, _) = make_session(t, &ada).await;
        let (foreign, _) = make_session(t, &bob).await;
        let (user, now, role) = (ada.id, t.now(), Role::from_stored(Role::ADMIN));
        commit!(t.store, [role] tx => async move {
            users::set_role(tx, user, &role, now).await?;
            sessions::copy_user(tx, user).await
        })
        .expect("written");
        let grant = judged(t, live.id).await.grant;
        assert_eq!(grant.role, role);
        let other = judged(t, foreign.id).await.grant;
        assert_eq!(other.role.as_str(), Role::USER);
    }

    async fn only_dead_sessions_are_purged(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        for _ in 0..3 {
            make_session(t, &ada).await;
        }
        t.clock.advance(IDLE);
        let (live, _) = make_session(t, &ada).await;
        let (ended, _) = make_session(t, &ada).await;
        let (id, now) = (ended.id, t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
        let just_before = now - Duration::from_micros(1);
        assert_eq!(purge(t, Uuid::nil(), 100, just_before).await, (0, None), "dead since a moment later");
        assert_eq!(purge(t, Uuid::nil(), 100, now).await, (4, None));
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions").await, 1);
        assert_eq!(judged(t, live.id).await.chain.state, SessionState::Live);
    }

    async fn a_session_past_its_end_is_purged_whatever_its_idle_end(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        make_session(t, &ada).await;
        crate::support::execute(&t.store, "UPDATE sessions SET idle_ends_at = 9000000000000000").await;
        assert_eq!(purge(t, Uuid::nil(), 10, t.now() + LIFE - Duration::from_micros(1)).await.0, 0);
        assert_eq!(purge(t, Uuid::nil(), 10, t.now() + LIFE).await.0, 1);
    }

    async fn a_purge_walks_by_slices_over_the_living_and_the_dead(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let mut ids = Vec::new();
        for at in 0..5 {
            t.clock.advance(Duration::from_millis(2));
            let (new, _) = make_session(t, &ada).await;
            let (id, now) = (new.id, t.now());
            if at != 1 {
                commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
            }
            ids.push(id.uuid());
        }
        // A slice is two sessions looked at, whatever they are; nothing beyond it is touched.
        assert_eq!(purge(t, Uuid::nil(), 2, t.now()).await, (1, Some(ids[1])));
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions").await, 4);
        assert_eq!(purge(t, ids[1], 2, t.now()).await, (2, Some(ids[3])));
        assert_eq!(purge(t, ids[3], 2, t.now()).await, (1, None), "the last slice is a short one");
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions").await, 1);
        // A slice that ends with the last session cannot know it: the next is empty, and the walk is over.
        assert_eq!(purge(t, Uuid::nil(), 1, t.now()).await, (0, Some(ids[1])));
        assert_eq!(purge(t, ids[1], 1, t.now()).await, (0, None));
    }

    async fn live_sessions_are_counted_by_server_key(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (rotated, _) = make_session(t, &ada).await;
        t.store.rotate(rotation(t, &rotated, 1)).await.expect("rotated").expect("won");
        make_session(t, &ada).await;
        make_session(t, &ada).await;
        let mut counts = t.store.sessions_by_key(t.now()).await.expect("counted");
        counts.sort_unstable_by_key(|(key, _)| key.0);
        assert_eq!(counts, [(KeyId(7), 2), (KeyId(8), 1)]);
        assert!(t.store.sessions_by_key(t.now() + IDLE).await.expect("counted").is_empty());
    }
}

async fn purge(t: &TestStore, after: Uuid, length: i64, before: Timestamp) -> (u64, Option<Uuid>) {
    let slice = Slice { after, length };
    commit!(t.store, [] tx => sessions::purge(tx, slice, before)).expect("purged")
}
