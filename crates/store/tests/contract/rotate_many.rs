//! Rotations side by side: folded into batches, they win and lose as if each had come alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_core::session::{EndCause, Grant};
use portcullis_core::user::Role;
use portcullis_store::sessions::{self, NewSession};
use portcullis_store::{Rotate, Store, StoreError};
use portcullis_testkit::TestStore;

use crate::support::{execute, judged, make_session, make_user, number, parallel, rotation};

contract! {
    async fn of_fifty_with_one_token_one_rotates(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        let done = all(&t.store, vec![rotation(t, &new, 1); 50]).await;
        let winners: Vec<_> = done.into_iter().filter_map(|done| done.expect("answered")).collect();
        assert_eq!(winners.iter().map(|grant| grant.generation).collect::<Vec<_>>(), [2]);
        let chain = judged(t, new.id).await.chain;
        assert_eq!((chain.generation, chain.window_count), (2, 1));
    }

    async fn each_of_many_gets_its_own_row(t: &TestStore) {
        let mut expected: Vec<(NewSession, Grant)> = Vec::new();
        for at in 0..60 {
            let user = make_user(t, &format!("u{at}")).await;
            let (id, now, role) = (user.id, t.now(), Role::from_stored(format!("role-{at}")));
            commit!(t.store, [role] tx => portcullis_store::users::set_role(tx, id, &role, now))
                .expect("written");
            expected.push(make_session(t, &user).await);
        }
        for (at, (_, grant)) in expected.iter().enumerate() {
            assert_eq!(grant.role.to_string(), format!("role-{at}"));
        }
        let without = "UPDATE sessions SET account_id = NULL, account_role = NULL WHERE role LIKE '%5'";
        assert_eq!(execute(&t.store, without).await, 6);
        let commands = expected.iter().map(|(new, _)| rotation(t, new, 1)).collect();
        for (at, (done, (_, first))) in all(&t.store, commands).await.into_iter().zip(expected).enumerate() {
            let account = if at % 10 == 5 { None } else { first.account.clone() };
            assert_eq!(done.expect("answered"), Some(Grant { generation: 2, account, ..first }));
        }
    }

    async fn five_hundred_over_a_hundred_sessions_rotate_a_hundred(t: &TestStore) {
        let mut sessions = Vec::new();
        for at in 0..4 {
            let user = make_user(t, &format!("u{at}")).await;
            for _ in 0..25 {
                sessions.push(make_session(t, &user).await.0);
            }
        }
        let commands = (0..500).map(|at| rotation(t, &sessions[at % 100], 1)).collect();
        let mut winners: Vec<_> =
            all(&t.store, commands).await.into_iter().filter_map(|done| done.expect("answered")).collect();
        winners.sort_unstable_by_key(|grant| grant.session);
        let mut ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
        ids.sort_unstable();
        assert_eq!(winners.iter().map(|grant| grant.session).collect::<Vec<_>>(), ids);
        assert!(winners.iter().all(|grant| grant.generation == 2));
        assert_eq!(
            number(&t.store, "SELECT COUNT(*) FROM sessions WHERE generation = 2 AND window_count = 1").await,
            100
        );
    }

    async fn a_token_presented_a_thousand_times_holds_up_nobody_else(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (flooded, _) = make_session(t, &ada).await;
        let (other, _) = make_session(t, &ada).await;
        let answered = Arc::new(AtomicUsize::new(0));
        let flood = tokio::spawn({
            let (store, command, answered) = (t.store.clone(), rotation(t, &flooded, 1), answered.clone());
            async move {
                parallel(1_000, |_| {
                    let (store, command, answered) = (store.clone(), command.clone(), answered.clone());
                    async move {
                        store.rotate(command).await.expect("answered");
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                })
                .await
            }
        });
        while answered.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(t.store.rotate(rotation(t, &other, 1)).await.expect("rotated").is_some());
        flood.await.expect("no panic");
        assert_eq!(answered.load(Ordering::SeqCst), 1_000);
    }

    async fn sessions_that_are_ended_while_they_rotate_end_without_an_error(t: &TestStore) {
        let mut everybody = Vec::new();
        for at in 0..8 {
            let user = make_user(t, &format!("u{at}")).await;
            for _ in 0..12 {
                everybody.push((user.id, make_session(t, &user).await.0));
            }
        }
        let rotating = all(&t.store, everybody.iter().map(|(_, new)| rotation(t, new, 1)).collect());
        let now = t.now();
        let ending = parallel(8, |at| {
            let (store, user) = (t.store.clone(), everybody[at * 12].0);
            async move {
                commit!(store, [] tx => sessions::end_all(tx, user, None, now, EndCause::LogoutEverywhere))
            }
        });
        let (rotated, ended) = tokio::join!(rotating, ending);
        assert_eq!(ended.into_iter().map(|ended| ended.expect("ended").len()).sum::<usize>(), 96);
        for done in rotated {
            done.expect("won or lost, but answered");
        }
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL").await, 0);
    }
}

/// All of `commands` side by side.
async fn all(store: &Arc<Store>, commands: Vec<Rotate>) -> Vec<Result<Option<Grant>, StoreError>> {
    parallel(commands.len(), |at| {
        let (store, command) = (store.clone(), commands[at].clone());
        async move { store.rotate(command).await }
    })
    .await
}
