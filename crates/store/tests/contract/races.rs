//! Sign-ins against each other and against what should prevent them: whoever commits first decides, and
//! nobody is answered with a fault of ours.

use portcullis_core::audit::EventKind;
use portcullis_core::session::{EndCause, MAX_PER_USER};
use portcullis_core::user::User;
use portcullis_store::users::{Disabled, NewPassword};
use portcullis_store::{sessions, users};
use portcullis_testkit::TestStore;

use crate::audit::event;
use crate::support::{create, judged, make_session, make_user, new_session, number, parallel};

contract! {
    async fn twenty_sign_ins_of_one_user_all_succeed(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        assert_eq!(sign_ins(t, &ada, 20).await, 20);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL").await, 20);
    }

    async fn sign_ins_side_by_side_leave_no_more_than_the_most(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        for _ in 0..MAX_PER_USER - 3 {
            make_session(t, &ada).await;
        }
        assert_eq!(sign_ins(t, &ada, 20).await, 20);
        assert_eq!(
            number(&t.store, "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL").await,
            MAX_PER_USER
        );
    }

    async fn no_sign_in_outlives_a_new_password(t: &TestStore) {
        for round in 0..5 {
            let ada = make_user(t, &format!("ada{round}")).await;
            let new = NewPassword {
                user: ada.id,
                epoch: ada.credential_epoch,
                hash: "$new".into(),
                must_change: false,
                now: t.now(),
            };
            let changing = async {
                commit!(t.store, [new] tx => async move {
                    let done = users::set_password(tx, &new).await?;
                    sessions::end_all(tx, new.user, None, new.now, EndCause::PasswordChanged).await?;
                    Ok(done)
                })
            };
            let (_, done) = tokio::join!(sign_ins(t, &ada, 12), changing);
            assert!(done.expect("committed"));
            assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL").await, 0);
        }
    }

    async fn no_sign_in_outlives_disabling(t: &TestStore) {
        for round in 0..5 {
            let ada = make_user(t, &format!("ada{round}")).await;
            let (id, now) = (ada.id, t.now());
            let disabling = async {
                commit!(t.store, [] tx => async move {
                    let done = users::disable(tx, id, now).await?;
                    sessions::end_all(tx, id, None, now, EndCause::UserDisabled).await?;
                    Ok(done)
                })
            };
            let (_, done) = tokio::join!(sign_ins(t, &ada, 12), disabling);
            assert_eq!(done.expect("committed"), Disabled::Done);
            assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL").await, 0);
        }
    }

    async fn a_rotation_says_the_role_before_a_change_or_after_it(t: &TestStore) {
        // The copy on the session's row is what orders the two: afterwards the row has the new role.
        for round in 0..10 {
            let ada = make_user(t, &format!("ada{round}")).await;
            let (new, _) = make_session(t, &ada).await;
            let (id, now) = (ada.id, t.now());
            let role = portcullis_core::user::Role::from_stored("admin");
            let changing = async {
                commit!(t.store, [role] tx => async move {
                    users::set_role(tx, id, &role, now).await?;
                    sessions::copy_user(tx, id).await
                })
            };
            let (rotated, changed) =
                tokio::join!(t.store.rotate(crate::support::rotation(t, &new, 1)), changing);
            changed.expect("committed");
            let rotated = rotated.expect("answered").expect("won");
            assert_eq!(rotated.generation, 2);
            let grant = judged(t, new.id).await.grant;
            assert_eq!((grant.role.is_admin(), grant.generation), (true, 2));
        }
    }
}

/// So many sign-ins side by side, all of which read the epoch in `user`; how many got a session. Each tries what
/// a sign-in tries, every second one goes straight to what is tried last.
async fn sign_ins(t: &TestStore, user: &User, count: usize) -> usize {
    let sessions: Vec<_> =
        (0..count).map(|_| (new_session(t, user), event(t, EventKind::SessionStarted))).collect();
    let made = parallel(count, |at| {
        let (store, (new, event)) = (t.store.clone(), sessions[at].clone());
        async move {
            let answered = "answered, not an error";
            let at_once = at % 2 == 0 && store.create_at_once(&new, &event).await.expect(answered).is_some();
            at_once || create(&store, &new).await.expect(answered).is_some()
        }
    })
    .await;
    made.into_iter().filter(|made| *made).count()
}
