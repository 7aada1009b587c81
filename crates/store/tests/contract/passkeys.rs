//! Passkeys and their ceremonies: one owner each, a cap, a count that only goes up, and once is once.

use portcullis_core::ids::{PasskeyId, UserId};
use portcullis_core::secret_token::{Kind, SecretToken};
use portcullis_core::session::EndCause;
use portcullis_core::user::User;
use portcullis_store::passkeys::{self, CeremonyKind, Made, NewCeremony, NewPasskey, Removed, Spend, Use};
use portcullis_store::sessions::{Asker, End};
use portcullis_store::{Store, sessions, ways_in};
use portcullis_testkit::TestStore;

use crate::support::{execute, make_session, make_user, number, parallel};

/// A passkey that `owner` asks for in a session of theirs.
async fn new_passkey(t: &TestStore, owner: &User, called: &[u8]) -> NewPasskey {
    let owner = Asker { user: owner.id, session: make_session(t, owner).await.0.id };
    NewPasskey {
        id: PasskeyId::new(t.now(), &*t.random),
        owner,
        credential_id: called.to_vec(),
        credential: "{}".into(),
        name: "laptop".into(),
        sign_count: 1,
        backed_up: false,
        now: t.now(),
        most: 3,
    }
}

async fn insert(store: &Store, new: &NewPasskey) -> Made {
    commit!(store, [new] tx => passkeys::insert(tx, &new)).expect("answered, not an error")
}

async fn make(t: &TestStore, owner: &User, called: &[u8]) -> NewPasskey {
    let new = new_passkey(t, owner, called).await;
    assert_eq!(insert(&t.store, &new).await, Made::Done);
    new
}

fn used(passkey: &NewPasskey, sign_count: i64) -> Use {
    let now = passkey.now;
    Use { id: passkey.id, credential: "{\"used\": true}".into(), sign_count, backed_up: true, now }
}

async fn note(store: &Store, used: &Use) -> bool {
    commit!(store, [used] tx => passkeys::note_use(tx, &used)).expect("answered, not an error")
}

fn ceremony(t: &TestStore, user: Option<UserId>) -> NewCeremony {
    NewCeremony {
        digest: SecretToken::new(Kind::Ceremony, &*t.random).digest(),
        kind: CeremonyKind::Authenticate,
        user,
        session: None,
        state: "{}".into(),
        expires_at: t.now() + std::time::Duration::from_mins(5),
    }
}

fn spending(t: &TestStore, of: &NewCeremony) -> Spend {
    Spend { digest: of.digest, kind: of.kind, user: of.user, session: of.session, now: t.now() }
}

async fn begin(store: &Store, new: &NewCeremony) {
    commit!(store, [new] tx => passkeys::begin(tx, &new)).expect("committed");
}

async fn spend(store: &Store, spend: Spend) -> bool {
    commit!(store, [spend] tx => passkeys::spend(tx, &spend)).expect("answered").is_some()
}

contract! {
    async fn a_passkey_is_kept_found_and_used(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let made = make(t, &ada, b"one").await;
        let found = t.store.presented_passkey(b"one").await.expect("read").expect("just made");
        assert_eq!((found.id, found.user.id, &*found.credential), (made.id, ada.id, "{}"));
        assert!(t.store.presented_passkey(b"two").await.expect("read").is_none());
        assert!(note(&t.store, &used(&made, 2)).await);
        let listed = t.store.passkeys(ada.id).await.expect("read");
        assert_eq!((listed.len(), listed[0].sign_count, listed[0].backed_up), (1, 2, true));
        assert_eq!((&*listed[0].credential, listed[0].last_used_at), ("{\"used\": true}", Some(t.now())));
    }

    async fn a_count_that_does_not_go_up_is_refused(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let made = make(t, &ada, b"one").await;
        for (count, taken) in [(1, false), (0, false), (5, true), (5, false), (4, false), (6, true)] {
            assert_eq!(note(&t.store, &used(&made, count)).await, taken, "{count}");
        }
        // One that counts nothing always says 0, and once it has counted it may not go back to that.
        let silent = NewPasskey { sign_count: 0, ..new_passkey(t, &ada, b"two").await };
        assert_eq!(insert(&t.store, &silent).await, Made::Done);
        for (count, taken) in [(0, true), (0, true), (1, true), (0, false)] {
            assert_eq!(note(&t.store, &used(&silent, count)).await, taken, "{count}");
        }
    }

    async fn of_eight_uses_with_the_same_count_one_is_taken(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let made = make(t, &ada, b"one").await;
        let nodes = [t.store.clone(), t.another().await];
        let taken = parallel(8, |at| {
            let (store, used) = (nodes[at % 2].clone(), used(&made, 2));
            async move { note(&store, &used).await }
        })
        .await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    }

    async fn of_eight_side_by_side_as_many_are_kept_as_may_be(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let nodes = [t.store.clone(), t.another().await];
        let mut asked = Vec::new();
        for number in 0..8_u8 {
            asked.push(new_passkey(t, &ada, &[number]).await);
        }
        let made = parallel(8, |at| {
            let (store, new) = (nodes[at % 2].clone(), asked[at].clone());
            async move { insert(&store, &new).await }
        })
        .await;
        assert_eq!(made.iter().filter(|made| **made == Made::Done).count(), 3);
        assert_eq!(made.iter().filter(|made| **made == Made::TooMany).count(), 5);
    }

    async fn what_one_has_nobody_else_gets(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        make(t, &ada, b"one").await;
        for owner in [&ada, &bob] {
            let again = new_passkey(t, owner, b"one").await;
            assert_eq!(insert(&t.store, &again).await, Made::Taken);
        }
        let found = t.store.presented_passkey(b"one").await.expect("read").expect("made");
        assert_eq!(found.user.id, ada.id);
    }

    async fn whose_session_has_ended_keeps_and_removes_none(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let made = make(t, &ada, b"one").await;
        let new = new_passkey(t, &ada, b"two").await;
        let (asker, now) = (new.owner, t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(asker.session), now, EndCause::Logout)).expect("committed");
        assert_eq!(insert(&t.store, &new).await, Made::Moved);
        let removed = commit!(t.store, [] tx => passkeys::remove(tx, made.id, asker, now)).expect("answered");
        assert_eq!(removed, Removed::Moved);
        assert_eq!(t.store.passkeys(ada.id).await.expect("read").len(), 1);
    }

    async fn a_passkey_is_renamed_and_removed_by_its_owner(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (one, two) = (make(t, &ada, b"one").await, make(t, &ada, b"two").await);
        let of_bob = Asker { user: bob.id, session: make_session(t, &bob).await.0.id };
        let (id, now) = (one.id, t.now());
        let rename = async |user| {
            let renamed = commit!(t.store, [] tx => passkeys::rename(tx, id, user, "desk"));
            renamed.expect("answered").map(|passkey| passkey.name)
        };
        assert_eq!((rename(bob.id).await, rename(ada.id).await.as_deref()), (None, Some("desk")));
        let remove = async |id, owner| {
            commit!(t.store, [] tx => passkeys::remove(tx, id, owner, now)).expect("answered")
        };
        assert_eq!(remove(id, of_bob).await, Removed::NotFound);
        assert_eq!(remove(id, one.owner).await, Removed::Done { name: "desk".into(), others: true });
        assert_eq!(remove(id, one.owner).await, Removed::NotFound);
        assert_eq!(remove(two.id, one.owner).await, Removed::Done { name: "laptop".into(), others: false });
    }

    async fn ways_in_are_counted(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let user = ada.id;
        let ways = async || commit!(t.store, [] tx => ways_in::of(tx, user)).expect("read");
        let before = ways().await;
        assert_eq!((before.password, before.passkeys), (true, 0));
        make(t, &ada, b"one").await;
        execute(&t.store, "UPDATE users SET password_hash = NULL").await;
        let by_passkey = ways().await;
        assert_eq!((by_passkey.password, by_passkey.passkeys), (false, 1));
        execute(&t.store, "DELETE FROM passkeys").await;
        let none = ways().await;
        assert!(!none.password && none.passkeys == 0 && none.providers.is_empty());
    }

    async fn those_since_a_moment_go_and_with_the_last_the_factor(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let user = ada.id;
        execute(&t.store, "UPDATE users SET factors = 3").await;
        let before = make(t, &ada, b"one").await;
        t.clock.advance(std::time::Duration::from_millis(1));
        let since = PasskeyId::new(t.now(), &*t.random).uuid();
        t.clock.advance(std::time::Duration::from_millis(1));
        make(t, &ada, b"two").await;
        for (since, left, factors) in [(since, 1, 3), (uuid::Uuid::nil(), 0, 1), (uuid::Uuid::nil(), 0, 1)] {
            commit!(t.store, [] tx => passkeys::remove_younger(tx, user, since)).expect("committed");
            let listed = t.store.passkeys(user).await.expect("read");
            assert_eq!((listed.len(), number(&t.store, "SELECT factors FROM users").await), (left, factors));
            assert!(listed.iter().all(|passkey| passkey.id == before.id));
        }
    }

    async fn a_ceremony_is_used_up_once_by_whom_it_is_for(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (of_ada, of_anybody) = (ceremony(t, Some(ada.id)), ceremony(t, None));
        let session = make_session(t, &ada).await.0.id;
        let bound = NewCeremony { session: Some(session), kind: CeremonyKind::Register, ..ceremony(t, Some(ada.id)) };
        for new in [&of_ada, &of_anybody, &bound] {
            begin(&t.store, new).await;
        }
        let right = spending(t, &of_ada);
        for wrong in [
            Spend { user: Some(bob.id), ..right },
            Spend { user: None, ..right },
            Spend { kind: CeremonyKind::Register, ..right },
            Spend { now: of_ada.expires_at, ..right },
            Spend { session: None, ..spending(t, &bound) },
            Spend { session: Some(make_session(t, &ada).await.0.id), ..spending(t, &bound) },
        ] {
            assert!(!spend(&t.store, wrong).await, "{wrong:?}");
        }
        for good in [right, Spend { user: Some(bob.id), ..spending(t, &of_anybody) }, spending(t, &bound)] {
            assert!(spend(&t.store, good).await, "{good:?}");
            assert!(!spend(&t.store, good).await, "{good:?}");
        }
    }

    async fn of_eight_that_use_a_ceremony_up_one_does(t: &TestStore) {
        let new = ceremony(t, None);
        begin(&t.store, &new).await;
        let nodes = [t.store.clone(), t.another().await];
        let which = spending(t, &new);
        let done = parallel(8, |at| {
            let store = nodes[at % 2].clone();
            async move { spend(&store, which).await }
        })
        .await;
        assert_eq!(done.iter().filter(|done| **done).count(), 1);
    }

    async fn what_has_run_out_is_purged(t: &TestStore) {
        let new = ceremony(t, None);
        begin(&t.store, &new).await;
        let (before, then) = (t.now(), new.expires_at);
        assert_eq!(commit!(t.store, [] tx => passkeys::purge(tx, before)).expect("committed"), 0);
        assert_eq!(commit!(t.store, [] tx => passkeys::purge(tx, then)).expect("committed"), 1);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM passkey_ceremonies").await, 0);
    }
}
