//! Two nodes on one database, an SQLite file included: every command line is a second process on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_store::{Store, StoreError};
use portcullis_testkit::TestStore;

use crate::support::{make_session, make_user, number, parallel, rotation, statement};

contract! {
    async fn two_nodes_write_side_by_side_and_lose_nothing(t: &TestStore) {
        let nodes = [t.store.clone(), t.another().await];
        let mut sessions = Vec::new();
        for at in 0..4 {
            let user = make_user(t, &format!("u{at}")).await;
            for _ in 0..100 {
                sessions.push(make_session(t, &user).await.0);
            }
        }
        let commands: Vec<_> = sessions.iter().map(|session| rotation(t, session, 1)).collect();
        let now = t.now();
        let rotated = parallel(400, |at| {
            let (store, command) = (nodes[at % 2].clone(), commands[at].clone());
            async move { store.rotate(command).await }
        });
        let counted = parallel(400, |at| {
            let store = nodes[at % 2].clone();
            async move { store.take_lease("count", at.to_string(), now, now).await }
        });
        let (rotated, counted) = tokio::join!(rotated, counted);
        assert!(rotated.into_iter().all(|done| done.expect("answered").is_some()));
        assert!(counted.into_iter().all(|done| done.expect("answered")));
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions WHERE generation = 2").await, 400);
    }

    async fn a_busy_node_leaves_room_for_another(t: &TestStore) {
        execute_count_table(&t.store).await;
        let (other, stop) = (t.another().await, Arc::new(AtomicBool::new(false)));
        let busy = tokio::spawn(parallel(32, {
            let (store, stop) = (t.store.clone(), stop.clone());
            move |_| {
                let (store, stop) = (store.clone(), stop.clone());
                async move {
                    let mut done = 0;
                    while !stop.load(Ordering::SeqCst) {
                        count(&store).await.expect("the busy node goes on");
                        done += 1;
                    }
                    done
                }
            }
        }));
        for _ in 0..20 {
            count(&other).await.expect("the other one gets its turn");
        }
        stop.store(true, Ordering::SeqCst);
        let done: i64 = busy.await.expect("no panic").into_iter().sum();
        assert_eq!(number(&other, "SELECT CAST(SUM(n) AS BIGINT) FROM counts").await, done + 20);
    }

    async fn what_one_node_commits_the_other_reads(t: &TestStore) {
        let other = t.another().await;
        for at in 0..20 {
            let user = make_user(t, &format!("u{at}")).await;
            assert!(other.user(user.id).await.expect("read").is_some());
        }
    }
}

async fn execute_count_table(store: &Store) {
    crate::support::execute(store, "CREATE TABLE counts (n BIGINT NOT NULL)").await;
}

async fn count(store: &Store) -> Result<u64, StoreError> {
    commit!(store, [] tx => statement(tx, "INSERT INTO counts (n) VALUES (1)"))
}
