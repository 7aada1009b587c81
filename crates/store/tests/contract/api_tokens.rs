//! API tokens: made under a cap and an epoch, presented, listed, forgotten.

use std::time::Duration;

use portcullis_core::ids::{ApiTokenId, SessionId, UserId};
use portcullis_core::random;
use portcullis_core::scope::Scopes;
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::session::EndCause;
use portcullis_core::user::User;
use portcullis_store::api_tokens::{self, Made, NewApiToken, Page};
use portcullis_store::sessions::End;
use portcullis_store::users::NewPassword;
use portcullis_store::{Store, sessions, users};
use portcullis_testkit::TestStore;

use crate::support::{make_session, make_user, number, parallel};

/// Lifetime of the tokens made here.
pub(crate) const LIFE: Duration = Duration::from_hours(24);

/// A token of `user` that is not made yet.
pub(crate) fn new_token(t: &TestStore, user: &User) -> NewApiToken {
    NewApiToken {
        id: ApiTokenId::new(t.now(), &*t.random),
        user: user.id,
        epoch: user.credential_epoch,
        session: None,
        digest: SecretDigest(random::bytes(&*t.random)),
        key_prefix: "a1B2c3D4".into(),
        name: "deploy".into(),
        description: Some("from \u{fc}".into()),
        scopes: Some(Scopes::from_stored("read write")),
        now: t.now(),
        expires_at: t.now() + LIFE,
        most: 20,
    }
}

pub(crate) async fn insert(store: &Store, new: &NewApiToken) -> Made {
    commit!(store, [new] tx => api_tokens::insert(tx, &new)).expect("answered, not an error")
}

/// [`new_token`], made.
pub(crate) async fn make_token(t: &TestStore, user: &User) -> NewApiToken {
    let new = new_token(t, user);
    assert_eq!(insert(&t.store, &new).await, Made::Done);
    new
}

/// Whether the token is accepted now.
pub(crate) async fn is_accepted(t: &TestStore, token: &NewApiToken) -> bool {
    t.store.presented_token(token.digest, t.now()).await.expect("read").is_some()
}

async fn disable(t: &TestStore, id: UserId) {
    let now = t.now();
    commit!(t.store, [] tx => users::disable(tx, id, now)).expect("written");
}

contract! {
    async fn a_token_is_told_as_it_was_made(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let new = make_token(t, &ada).await;
        let view = t.store.api_token(new.id, ada.id, t.now()).await.expect("read").expect("there");
        assert_eq!((view.id, view.user, view.generation), (new.id, ada.id, 1));
        assert_eq!((&view.name, &view.description, &view.scopes), (&new.name, &new.description, &new.scopes));
        assert_eq!((view.key_prefix.as_str(), view.last_used_at), ("a1B2c3D4", None));
        assert_eq!((view.created_at, view.expires_at), (t.now(), t.now() + LIFE));
        let presented = t.store.presented_token(new.digest, t.now()).await.expect("read").expect("live");
        assert_eq!((presented.id, presented.generation, presented.user.id), (new.id, 1, ada.id));
        assert_eq!((presented.user.role, presented.user.account), (ada.role, ada.account));
        assert_eq!((presented.scopes, presented.expires_at), (new.scopes, new.expires_at));
        let owner = t.store.api_token_by_digest(new.digest, t.now()).await.expect("read");
        assert_eq!(owner, Some((new.id, ada.id)));
    }

    async fn nobody_else_finds_it(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let new = make_token(t, &ada).await;
        assert!(t.store.api_token(new.id, bob.id, t.now()).await.expect("read").is_none());
        let page = Page { before: None, limit: 10 };
        assert!(t.store.api_tokens(bob.id, t.now(), page).await.expect("read").is_empty());
        let other = SecretDigest([0; 32]);
        assert!(t.store.presented_token(other, t.now()).await.expect("read").is_none());
        assert_eq!(t.store.api_token_by_digest(other, t.now()).await.expect("read"), None);
    }

    async fn expired_is_from_the_very_moment_on(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let new = make_token(t, &ada).await;
        let page = Page { before: None, limit: 10 };
        for (now, live) in [(new.expires_at - Duration::from_micros(1), true), (new.expires_at, false)] {
            assert_eq!(t.store.presented_token(new.digest, now).await.expect("read").is_some(), live);
            assert_eq!(t.store.api_token(new.id, ada.id, now).await.expect("read").is_some(), live);
            assert_eq!(t.store.api_token_by_digest(new.digest, now).await.expect("read").is_some(), live);
            assert_eq!(t.store.api_tokens(ada.id, now, page).await.expect("read").len(), usize::from(live));
        }
    }

    async fn one_that_was_found_is_known_dead_or_alive(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let new = make_token(t, &ada).await;
        let ever = async |digest| {
            let found = t.store.api_token_ever(digest).await.expect("read");
            found.map(|found| (found.id, found.user, found.name))
        };
        let this = || Some((new.id, ada.id, new.name.clone()));
        assert_eq!((ever(new.digest).await, ever(SecretDigest([0; 32])).await), (this(), None));
        let (id, now) = (new.id, new.expires_at);
        commit!(t.store, [] tx => api_tokens::revoke_any(tx, id, now)).expect("revoked");
        assert_eq!(ever(new.digest).await, this());
    }

    async fn of_thirty_side_by_side_at_nineteen_live_ones_one_is_made(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        for _ in 0..5 {
            let short = NewApiToken { expires_at: t.now() + Duration::from_secs(1), ..new_token(t, &ada) };
            assert_eq!(insert(&t.store, &short).await, Made::Done);
        }
        t.clock.advance(Duration::from_secs(1));
        for _ in 0..19 {
            make_token(t, &ada).await;
        }
        let nodes = [t.store.clone(), t.another().await];
        let asked: Vec<_> = (0..30).map(|_| new_token(t, &ada)).collect();
        let made = parallel(30, |at| {
            let (store, new) = (nodes[at % 2].clone(), asked[at].clone());
            async move { insert(&store, &new).await }
        })
        .await;
        assert_eq!(made.iter().filter(|made| **made == Made::Done).count(), 1);
        assert_eq!(made.iter().filter(|made| **made == Made::TooMany).count(), 29);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM api_tokens").await, 25);
    }

    async fn revoked_ones_and_those_of_others_leave_room(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let few = |user: &User| NewApiToken { most: 1, ..new_token(t, user) };
        let first = few(&ada);
        assert_eq!(insert(&t.store, &first).await, Made::Done);
        assert_eq!(insert(&t.store, &few(&ada)).await, Made::TooMany);
        assert_eq!(insert(&t.store, &few(&bob)).await, Made::Done);
        let (id, now) = (first.id, t.now());
        let revoke = |user| async move { commit!(t.store, [] tx => api_tokens::revoke(tx, id, user, now)) };
        assert!(!revoke(bob.id).await.expect("answered"), "it is not his");
        assert!(revoke(ada.id).await.expect("revoked"));
        assert!(!revoke(ada.id).await.expect("answered"), "it is revoked");
        assert!(!is_accepted(t, &first).await);
        assert_eq!(insert(&t.store, &few(&ada)).await, Made::Done);
    }

    async fn a_moved_epoch_and_a_disabled_user_get_none(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let old = make_token(t, &ada).await;
        let stale = NewApiToken { epoch: 0, ..new_token(t, &ada) };
        assert_eq!(insert(&t.store, &stale).await, Made::Moved);
        disable(t, ada.id).await;
        let ada = t.store.user(ada.id).await.expect("read").expect("there");
        assert_eq!(insert(&t.store, &new_token(t, &ada)).await, Made::Moved, "whatever the epoch");
        assert!(!is_accepted(t, &old).await);
        let (id, now) = (ada.id, t.now());
        commit!(t.store, [] tx => users::enable(tx, id, now)).expect("written");
        assert!(is_accepted(t, &old).await);
        assert_eq!(insert(&t.store, &new_token(t, &ada)).await, Made::Done);
    }

    async fn the_session_that_asks_must_be_live_and_the_users_own(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let session = make_session(t, &ada).await.0.id;
        let asked = |user: &User, session: SessionId| NewApiToken { session: Some(session), ..new_token(t, user) };
        assert_eq!(insert(&t.store, &asked(&bob, session)).await, Made::Moved);
        assert_eq!(insert(&t.store, &asked(&ada, session)).await, Made::Done);
        let now = t.now();
        commit!(t.store, [] tx => sessions::end(tx, End::Any(session), now, EndCause::Logout)).expect("ended");
        assert_eq!(insert(&t.store, &asked(&ada, session)).await, Made::Moved);
    }

    async fn no_session_that_a_new_password_ends_makes_a_token_after_it(t: &TestStore) {
        for round in 0..5 {
            let ada = make_user(t, &format!("ada{round}")).await;
            let session = make_session(t, &ada).await.0.id;
            let (id, epoch, now) = (ada.id, ada.credential_epoch, t.now());
            let new = NewPassword { user: id, epoch, hash: "$new".into(), must_change: false, now };
            let changing = async {
                commit!(t.store, [new] tx => async move {
                    assert!(users::set_password(tx, &new).await?);
                    sessions::end_all(tx, new.user, None, new.now, EndCause::PasswordChanged).await?;
                    api_tokens::revoke_all(tx, new.user, new.now).await
                })
            };
            let making = parallel(6, |_| {
                let (store, new) = (t.store.clone(), new_token(t, &ada));
                async move {
                    // As a request does: the epoch is read when the session has been accepted already.
                    let user = store.user(new.user).await.expect("read").expect("there");
                    let new = NewApiToken { epoch: user.credential_epoch, session: Some(session), ..new };
                    insert(&store, &new).await
                }
            });
            let (_, changed) = tokio::join!(making, changing);
            changed.expect("committed");
            let page = Page { before: None, limit: 10 };
            let left = t.store.api_tokens(ada.id, t.now(), page).await.expect("read");
            assert!(left.is_empty(), "made by a session that had ended");
        }
    }

    async fn pages_from_the_newest(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            t.clock.advance(Duration::from_millis(1));
            ids.insert(0, make_token(t, &ada).await.id);
        }
        let page = async |before, limit| {
            let found = t.store.api_tokens(ada.id, t.now(), Page { before, limit }).await.expect("read");
            found.into_iter().map(|view| view.id).collect::<Vec<_>>()
        };
        assert_eq!(page(None, 3).await, ids[..3]);
        assert_eq!(page(Some(ids[2]), 3).await, ids[3..]);
        assert!(page(Some(ids[4]), 3).await.is_empty());
    }

    async fn what_ran_out_or_was_revoked_before_is_forgotten(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let live = NewApiToken { expires_at: t.now() + LIFE * 10, ..new_token(t, &ada) };
        assert_eq!(insert(&t.store, &live).await, Made::Done);
        let (expiring, revoked) = (make_token(t, &ada).await, make_token(t, &ada).await);
        let (id, user, now) = (revoked.id, ada.id, t.now());
        commit!(t.store, [] tx => api_tokens::revoke(tx, id, user, now)).expect("revoked");
        let purge = |before| async move {
            commit!(t.store, [] tx => api_tokens::purge(tx, before)).expect("purged")
        };
        assert_eq!(purge(now - Duration::from_micros(1)).await, 0);
        assert_eq!(purge(now).await, 1);
        assert_eq!(purge(expiring.expires_at).await, 1);
        assert!(t.store.api_token(live.id, ada.id, expiring.expires_at).await.expect("read").is_some());
    }

    async fn they_go_with_their_user(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        make_token(t, &ada).await;
        crate::support::execute(&t.store, "DELETE FROM memberships; DELETE FROM users").await;
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM api_tokens").await, 0);
    }
}
