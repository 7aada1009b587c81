//! An administrator acts as another: guarded by their role and session, and ended with either.

use std::time::Duration;

use portcullis_core::ids::UserId;
use portcullis_core::session::{Acting, ActingMode, EndCause, MAX_PER_USER, SessionState};
use portcullis_core::user::{Role, User};
use portcullis_store::sessions::{self, ActingFrom, End, NewSession, Page};
use portcullis_store::{Store, StoreError, revocations, users};
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::support::{LIFE, create, execute, judged, make_session, make_user, new_session, number};

pub(crate) async fn make_admin(t: &TestStore, name: &str) -> User {
    let admin = make_user(t, name).await;
    set_role(t, admin.id, "admin").await.expect("committed");
    t.store.user(admin.id).await.expect("read").expect("there")
}

/// Sets a role and ends what may not go on, as one write.
async fn set_role(t: &TestStore, user: UserId, role: &str) -> Result<Vec<Uuid>, StoreError> {
    let (now, role) = (t.now(), Role::from_stored(role));
    commit!(t.store, [role] tx => async move {
        users::set_role(tx, user, &role, now).await?;
        sessions::copy_user(tx, user).await?;
        sessions::end_acting(tx, user, now).await
    })
}

/// Acting as `user`, not begun yet.
pub(crate) fn acting(t: &TestStore, admin: &User, session: &NewSession, user: &User) -> NewSession {
    let acting = Acting { actor: admin.id, mode: ActingMode::Read };
    NewSession { acting: Some(ActingFrom { acting, session: session.id }), ..new_session(t, user) }
}

/// An administrator with a session, somebody else, and the one acting as the other.
async fn begun(t: &TestStore) -> (User, NewSession, User, NewSession) {
    let (admin, ada) = (make_admin(t, "root").await, make_user(t, "ada").await);
    let own = make_session(t, &admin).await.0;
    let new = acting(t, &admin, &own, &ada);
    let (grant, displaced) = create(&t.store, &new).await.expect("committed").expect("allowed");
    assert_eq!(grant.acting, new.acting.map(|from| from.acting));
    assert!(displaced.is_empty());
    (admin, own, ada, new)
}

async fn is_refused(store: &Store, new: &NewSession) -> bool {
    create(store, new).await.expect("answered, not an error").is_none()
}

pub(crate) async fn ended(t: &TestStore, session: &NewSession) -> Option<EndCause> {
    match judged(t, session.id).await.chain.state {
        SessionState::Live => None,
        SessionState::Ended { cause, .. } => Some(cause),
    }
}

contract! {
    async fn acting_is_no_sign_in_of_the_user(t: &TestStore) {
        let (_, _, ada, new) = begun(t).await;
        assert_eq!(t.store.user(ada.id).await.expect("read").expect("there").last_login_at, None);
        let listed = t.store.live_sessions(ada.id, t.now(), Page { before: None, limit: 9 }).await.expect("read");
        assert_eq!(listed.iter().map(|view| (view.id, view.acting)).collect::<Vec<_>>(), [(new.id, true)]);
    }

    async fn it_ends_no_later_than_the_session_it_is_done_from(t: &TestStore) {
        let (admin, ada) = (make_admin(t, "root").await, make_user(t, "ada").await);
        let own = make_session(t, &admin).await.0;
        t.clock.set(own.idle_ends_at - Duration::from_secs(1));
        let (grant, _) =
            create(&t.store, &acting(t, &admin, &own, &ada)).await.expect("committed").expect("allowed");
        assert_eq!(grant.ends_at, own.now + LIFE);
        t.clock.advance(Duration::from_secs(1));
        assert!(is_refused(&t.store, &acting(t, &admin, &own, &ada)).await, "that session has run out");
    }

    async fn only_an_administrator_from_a_session_of_their_own(t: &TestStore) {
        let (admin, own, ada, first) = begun(t).await;
        let bob = make_user(t, "bob").await;
        let bobs = make_session(t, &bob).await.0;
        assert!(is_refused(&t.store, &acting(t, &bob, &bobs, &ada)).await, "no administrator");
        assert!(is_refused(&t.store, &acting(t, &admin, &bobs, &ada)).await, "another's session");
        let chain = acting(t, &admin, &first, &bob);
        assert!(is_refused(&t.store, &chain).await, "from a session in which they act already");
        let (id, now) = (own.id, t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
        assert!(is_refused(&t.store, &acting(t, &admin, &own, &ada)).await, "a session that has ended");
    }

    async fn whoever_ends_it_is_told_who_acted(t: &TestStore) {
        let (admin, own, ada, first) = begun(t).await;
        let second = acting(t, &admin, &own, &ada);
        let third = acting(t, &admin, &own, &ada);
        for new in [&second, &third] {
            create(&t.store, new).await.expect("committed").expect("allowed");
        }
        let now = t.now();
        let told = sessions::Ended { user: ada.id, actor: Some(admin.id) };
        for which in [
            End::Any(first.id),
            End::Own(second.id, ada.id),
            End::BySecret(third.id, third.secret_hash),
        ] {
            let done = commit!(t.store, [] tx => sessions::end(tx, which, now, EndCause::Logout));
            assert_eq!(done.expect("answered"), Some(told), "{which:?}");
        }
    }

    async fn nobody_acts_as_an_administrator_or_as_somebody_disabled(t: &TestStore) {
        let (admin, own, ada, first) = begun(t).await;
        let second = make_admin(t, "second").await;
        assert!(is_refused(&t.store, &acting(t, &admin, &own, &second)).await);
        let asked = acting(t, &admin, &own, &ada);
        let told = set_role(t, ada.id, "admin").await.expect("committed");
        assert_eq!(told, [first.id.uuid()], "who acts as them stops");
        assert_eq!(ended(t, &first).await, Some(EndCause::ActingEnded));
        assert!(is_refused(&t.store, &asked).await, "they became one in between");
        let (bob, now) = (make_user(t, "bob").await, t.now());
        let asked = acting(t, &admin, &own, &bob);
        let id = bob.id;
        commit!(t.store, [] tx => users::disable(tx, id, now)).expect("disabled");
        assert!(is_refused(&t.store, &asked).await);
    }

    async fn it_ends_with_the_administrators_session(t: &TestStore) {
        let (_, own, _, first) = begun(t).await;
        let (id, now) = (own.id, t.now());
        let told = commit!(t.store, [] tx => async move {
            sessions::end(tx, End::Any(id), now, EndCause::Logout).await?;
            sessions::end_acting_from(tx, id, now).await
        });
        assert_eq!(told.expect("ended"), [first.id.uuid()]);
        assert_eq!(ended(t, &first).await, Some(EndCause::ActingEnded));
    }

    async fn it_ends_with_the_administrators_role(t: &TestStore) {
        let (admin, own, _, first) = begun(t).await;
        assert_eq!(set_role(t, admin.id, "user").await.expect("committed"), [first.id.uuid()]);
        assert_eq!((ended(t, &first).await, ended(t, &own).await), (Some(EndCause::ActingEnded), None));
    }

    async fn all_sessions_of_an_administrator_are_also_those_they_act_in(t: &TestStore) {
        let (admin, own, ada, first) = begun(t).await;
        let adas = make_session(t, &ada).await.0;
        let (id, now) = (admin.id, t.now());
        let mut told = commit!(t.store, [] tx => async move {
            let told = sessions::end_all(tx, id, None, now, EndCause::LogoutEverywhere).await?;
            let span = revocations::Span { now, expires_at: now + LIFE };
            revocations::append_all(tx, &told, span).await?;
            Ok(told)
        })
        .expect("ended");
        told.sort_unstable();
        let mut expected = [own.id.uuid(), first.id.uuid()];
        expected.sort_unstable();
        assert_eq!(told, expected);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM revocations").await, 2);
        assert_eq!(ended(t, &adas).await, None);
    }

    async fn a_displaced_session_takes_with_it_what_was_done_from_it(t: &TestStore) {
        let (admin, own, _, first) = begun(t).await;
        for _ in 1..MAX_PER_USER {
            t.clock.advance(Duration::from_millis(1));
            make_session(t, &admin).await;
        }
        t.clock.advance(Duration::from_millis(1));
        let (_, told) = create(&t.store, &new_session(t, &admin)).await.expect("committed").expect("made");
        assert_eq!(told, [own.id.uuid(), first.id.uuid()]);
        assert_eq!(ended(t, &first).await, Some(EndCause::ActingEnded));
    }

    async fn acting_pushes_none_of_the_users_own_sessions_out(t: &TestStore) {
        let (admin, own, ada, first) = begun(t).await;
        for _ in 0..MAX_PER_USER {
            make_session(t, &ada).await;
        }
        let (_, told) = create(&t.store, &acting(t, &admin, &own, &ada)).await.expect("committed").expect("made");
        assert!(told.is_empty());
        let (_, told) = create(&t.store, &new_session(t, &ada)).await.expect("committed").expect("made");
        assert_eq!(told.len(), 1);
        assert_ne!(told, [first.id.uuid()]);
    }

    async fn rotation_keeps_who_acts(t: &TestStore) {
        let (_, _, _, first) = begun(t).await;
        let grant = t.store.rotate(crate::support::rotation(t, &first, 1)).await.expect("answered").expect("won");
        assert_eq!(grant.acting, first.acting.map(|from| from.acting));
        assert_eq!(judged(t, first.id).await.grant.acting, grant.acting);
    }

    async fn no_acting_outlives_the_role_it_is_done_by(t: &TestStore) {
        for round in 0..6 {
            let (admin, ada) = (
                make_admin(t, &format!("root{round}")).await,
                make_user(t, &format!("ada{round}")).await,
            );
            let own = make_session(t, &admin).await.0;
            let asked: Vec<_> = (0..6).map(|_| acting(t, &admin, &own, &ada)).collect();
            let beginning = crate::support::parallel(6, |at| {
                let (store, new) = (t.store.clone(), asked[at].clone());
                async move { create(&store, &new).await.expect("answered, not an error").is_some() }
            });
            // By turns the one who acts loses the role, and the one acted as gets it.
            let (who, role) = if round % 2 == 0 { (admin.id, "user") } else { (ada.id, "admin") };
            let (_, told) = tokio::join!(beginning, set_role(t, who, role));
            told.expect("committed");
            assert_eq!(
                number(&t.store, "SELECT COUNT(*) FROM sessions WHERE acting = 'read' AND ended_at IS NULL").await,
                0
            );
        }
    }

    async fn no_acting_outlives_a_sign_out_everywhere(t: &TestStore) {
        for round in 0..6 {
            let admin = make_admin(t, &format!("root{round}")).await;
            let own = make_session(t, &admin).await.0;
            let mut asked = Vec::new();
            for at in 0..6 {
                let user = make_user(t, &format!("ada{round}.{at}")).await;
                asked.push(acting(t, &admin, &own, &user));
            }
            let beginning = crate::support::parallel(6, |at| {
                let (store, new) = (t.store.clone(), asked[at].clone());
                async move { create(&store, &new).await.expect("answered, not an error").is_some() }
            });
            let (id, now) = (admin.id, t.now());
            let ending = async {
                commit!(t.store, [] tx => sessions::end_all(tx, id, None, now, EndCause::LogoutEverywhere))
            };
            let (_, told) = tokio::join!(beginning, ending);
            assert!(told.expect("committed").contains(&own.id.uuid()));
            assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL").await, 0);
        }
    }

    async fn half_an_actor_is_no_actor(t: &TestStore) {
        let (_, _, _, first) = begun(t).await;
        execute(&t.store, "UPDATE sessions SET actor_id = NULL WHERE acting IS NOT NULL").await;
        let error = t.store.judged(first.id).await.expect_err("nobody knows who acts");
        assert!(error.to_string().contains("sessions.acting"), "{error}");
        execute(&t.store, "UPDATE sessions SET acting = 'everything' WHERE acting IS NOT NULL").await;
        t.store.judged(first.id).await.expect_err("nobody knows how");
    }
}
