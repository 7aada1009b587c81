//! Writes as closures: what commits, what rolls back, and what a closure cannot break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_store::{Store, StoreError};
use portcullis_testkit::{Backend, TestStore, postgres};

use crate::support::{execute, make_session, make_user, number, parallel, rotation, statement};

contract! {
    async fn an_error_rolls_back_and_comes_back(t: &TestStore) {
        table(t).await;
        let result: Result<(), _> = commit!(t.store, [] tx => async move {
            statement(tx, "INSERT INTO notes (n) VALUES (1)").await?;
            Err(StoreError::Statement("no".into()))
        });
        assert!(matches!(result.expect_err("its own"), StoreError::Statement(text) if text == "no"));
        assert_eq!(notes(t).await, 0);
    }

    async fn work_that_hides_a_failed_statement_is_not_told_that_it_was_kept(t: &TestStore) {
        table(t).await;
        let result = commit!(t.store, [] tx => async move {
            statement(tx, "INSERT INTO notes (n) VALUES (1)").await?;
            let _ = statement(tx, "INSERT INTO nowhere (n) VALUES (1)").await;
            Ok(())
        });
        assert_eq!(notes(t).await, i64::from(result.is_ok()));
    }

    async fn a_refusal_that_must_persist_does(t: &TestStore) {
        table(t).await;
        let outcome = commit!(t.store, [] tx => async move {
            statement(tx, "INSERT INTO notes (n) VALUES (1)").await?;
            Ok(Err::<(), &str>("refused"))
        });
        assert_eq!(outcome.expect("committed"), Err("refused"));
        assert_eq!(notes(t).await, 1);
    }

    async fn a_statement_that_fails_fails_its_write_alone(t: &TestStore) {
        table(t).await;
        let done = parallel(60, |at| {
            let store = t.store.clone();
            async move {
                commit!(store, [] tx => async move {
                    statement(tx, "INSERT INTO notes (n) VALUES (1)").await?;
                    match at % 3 {
                        0 => statement(tx, "INSERT INTO nowhere (n) VALUES (1)").await,
                        1 => Err(StoreError::Statement("no".into())),
                        _ => Ok(1),
                    }
                })
                .is_ok()
            }
        })
        .await;
        assert!(done.iter().enumerate().all(|(at, done)| *done == (at % 3 == 2)));
        assert_eq!(notes(t).await, 20);
    }

    async fn a_panic_is_an_error_of_its_write_alone(t: &TestStore) {
        table(t).await;
        let done = parallel(20, |at| {
            let store = t.store.clone();
            async move {
                commit!(store, [] tx => async move {
                    statement(tx, "INSERT INTO notes (n) VALUES (1)").await?;
                    assert!(at % 4 != 0, "on purpose");
                    Ok(())
                })
            }
        })
        .await;
        for (at, done) in done.into_iter().enumerate() {
            match done {
                Err(StoreError::Statement(_)) if at % 4 == 0 => {}
                Ok(()) if at % 4 != 0 => {}
                other => panic!("{at}: {other:?}"),
            }
        }
        assert_eq!(notes(t).await, 15);
        make_user(t, "ada").await;
    }

    async fn a_panic_before_the_first_await_is_an_error_too(t: &TestStore) {
        let result: Result<(), _> = t.store.write(|_| panic!("on purpose")).await;
        assert!(matches!(result.expect_err("told"), StoreError::Statement(_)));
        make_user(t, "ada").await;
    }

    async fn callers_who_go_away_leave_the_store_as_it_was(t: &TestStore) {
        table(t).await;
        let started = Arc::new(AtomicUsize::new(0));
        parallel(200, |at| {
            let (store, started) = (t.store.clone(), started.clone());
            async move {
                tokio::select! {
                    biased;
                    result = two_notes(&store, started) => { result.expect("committed"); }
                    () = turns(at % 11 * 20) => {}
                }
            }
        })
        .await;
        // Each write is whole or not at all, and every connection serves again.
        parallel(24, |_| {
            let store = t.store.clone();
            async move { two_notes(&store, Arc::default()).await.expect("committed") }
        })
        .await;
        assert!(started.load(Ordering::SeqCst) > 0);
        if t.database.backend() == Backend::Postgres {
            settled(&t.database.url).await;
        }
        let left = notes(t).await;
        assert!(left % 2 == 0 && left >= 48, "{left}");
    }

    async fn reads_see_only_what_was_committed(t: &TestStore) {
        make_user(t, "ada").await;
        let reader = t.store.clone();
        let before = commit!(t.store, [reader] tx => async move {
            let sql = "INSERT INTO audit_events (id, at, kind, detail) SELECT id, 1, 'k', '{}' FROM users";
            let written = statement(tx, sql).await?;
            Ok((written, reader.events(None, 1).await?.len()))
        });
        assert_eq!(before.expect("committed"), (1, 0));
        assert_eq!(t.store.events(None, 1).await.expect("read").len(), 1);
    }
}

#[tokio::test]
async fn work_that_others_kept_from_going_on_is_run_again_from_the_start() {
    let t = TestStore::new(Backend::Postgres).await;
    table(&t).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let run = commit!(t.store, [runs] tx => async move {
        statement(tx, "INSERT INTO notes (n) VALUES (1)").await?;
        match runs.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Err(StoreError::RunAgain),
            run => Ok(run),
        }
    });
    assert_eq!(run.expect("third time lucky"), 2);
    assert_eq!(notes(&t).await, 1);
}

#[tokio::test]
async fn a_deadlock_is_not_the_callers_problem() {
    let t = TestStore::new(Backend::Postgres).await;
    table(&t).await;
    execute(&t.store, "INSERT INTO notes (n) VALUES (1), (2)").await;
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let first_run = Arc::new(AtomicUsize::new(0));
    let done = parallel(2, |at| {
        let (store, both, first_run) = (t.store.clone(), both.clone(), first_run.clone());
        async move {
            commit!(store, [both, first_run] tx => async move {
                let [one, two] = [
                    "UPDATE notes SET n = n + 10 WHERE n % 10 = 1",
                    "UPDATE notes SET n = n + 10 WHERE n % 10 = 2",
                ];
                let (first, second) = if at == 0 { (one, two) } else { (two, one) };
                statement(tx, first).await?;
                // Only in the first run of each: then both hold what the other wants.
                if first_run.fetch_add(1, Ordering::SeqCst) < 2 {
                    both.wait().await;
                }
                statement(tx, second).await
            })
        }
    })
    .await;
    for done in done {
        assert_eq!(done.expect("run again"), 1);
    }
    assert_eq!(number(&t.store, "SELECT CAST(SUM(n) AS BIGINT) FROM notes").await, 43);
}

#[tokio::test]
async fn a_batch_of_rotations_survives_a_deadlock() {
    let t = TestStore::new(Backend::Postgres).await;
    let ada = make_user(&t, "ada").await;
    let (one, _) = make_session(&t, &ada).await;
    t.clock.advance(Duration::from_millis(2));
    let (two, _) = make_session(&t, &ada).await;
    let url = t.database.url.clone();
    let writing = async {
        commit!(t.store, [url] tx => async move {
            statement(tx, NEWER).await?;
            // Until the batch holds the first row and waits for this one.
            while postgres::query(&url, WAITING).expect("the server answers") != "1" {
                tokio::task::yield_now().await;
            }
            statement(tx, OLDER).await
        })
    };
    // Both are sent before anybody can take one: they are in one batch.
    let rotating =
        async { tokio::join!(t.store.rotate(rotation(&t, &one, 1)), t.store.rotate(rotation(&t, &two, 1))) };
    let (written, (first, second)) = tokio::join!(writing, rotating);
    assert_eq!(written.expect("committed"), 1);
    assert!(first.expect("run again").is_some() && second.expect("run again").is_some());
}

const NEWER: &str = "UPDATE sessions SET device = 'x' \
    WHERE created_at = (SELECT MAX(created_at) FROM sessions)";
const OLDER: &str = "UPDATE sessions SET device = 'x' \
    WHERE created_at = (SELECT MIN(created_at) FROM sessions)";
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND wait_event_type = 'Lock'";

async fn table(t: &TestStore) {
    execute(&t.store, "CREATE TABLE notes (n BIGINT NOT NULL)").await;
}

async fn notes(t: &TestStore) -> i64 {
    number(&t.store, "SELECT COUNT(*) FROM notes").await
}

async fn two_notes(store: &Store, started: Arc<AtomicUsize>) -> Result<u64, StoreError> {
    commit!(store, [started] tx => async move {
        started.fetch_add(1, Ordering::SeqCst);
        statement(tx, "INSERT INTO notes (n) VALUES (1)").await?;
        statement(tx, "INSERT INTO notes (n) VALUES (2)").await
    })
}

async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Waits until no connection is inside a transaction; fails if one stays there.
async fn settled(url: &str) {
    const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND pid <> pg_backend_pid() AND (state LIKE 'idle in%' OR state = 'active')";
    for _ in 0..100 {
        if postgres::query(url, OPEN).expect("the server answers") == "0" {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("a connection is still inside a transaction");
}
