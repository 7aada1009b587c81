//! Writes of one statement: among others in a group, but on their own.

use portcullis_store::StoreError;
use portcullis_testkit::{Backend, TestStore};

use crate::support::{execute, make_user, number, parallel, statement};

contract! {
    async fn one_statement_is_kept_and_its_value_comes_back(t: &TestStore) {
        table(t).await;
        let done = commit_one!(t.store, tx => statement(tx, "INSERT INTO notes (n) VALUES (1), (2)"));
        assert_eq!(done.expect("kept"), 2);
        assert_eq!(notes(t).await, 2);
    }

    async fn a_statement_that_fails_takes_nothing_with_it_and_is_told_to_its_caller_only(t: &TestStore) {
        table(t).await;
        let done = parallel(80, |at| {
            let store = t.store.clone();
            async move {
                match at % 4 {
                    // The second row breaks the constraint: the first must not stay either.
                    0 => commit_one!(store, tx => statement(tx, "INSERT INTO notes (n) VALUES (1), (-1)")),
                    1 => commit_one!(store, tx => statement(tx, "INSERT INTO nowhere (n) VALUES (1)")),
                    2 => commit_one!(store, tx => statement(tx, "INSERT INTO notes (n) VALUES (2)")),
                    _ => commit!(store, [] tx => statement(tx, "INSERT INTO notes (n) VALUES (3)")),
                }
            }
        })
        .await;
        for (at, done) in done.into_iter().enumerate() {
            match done {
                Err(StoreError::Statement(_)) if at % 4 < 2 => {}
                Ok(1) if at % 4 >= 2 => {}
                other => panic!("{at}: {other:?}"),
            }
        }
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM notes WHERE n = 1").await, 0);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM notes WHERE n = 2").await, 20);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM notes WHERE n = 3").await, 20);
    }

    async fn one_that_panics_is_an_error_and_the_store_goes_on(t: &TestStore) {
        let result: Result<(), _> = t.store.write_one(|_| panic!("on purpose")).await;
        assert!(matches!(result.expect_err("told"), StoreError::Statement(_)));
        make_user(t, "ada").await;
    }

    async fn connections_that_failed_serve_again(t: &TestStore) {
        table(t).await;
        for _ in 0..30 {
            commit_one!(t.store, tx => statement(tx, "INSERT INTO notes (n) VALUES (-1)"))
                .expect_err("breaks the constraint");
        }
        commit_one!(t.store, tx => statement(tx, "INSERT INTO notes (n) VALUES (1)")).expect("kept");
        assert_eq!(notes(t).await, 1);
    }
}

#[tokio::test]
async fn on_postgresql_no_transaction_stands_around_it() {
    // Inside a transaction block this statement is refused.
    const ALONE: &str = "VACUUM users";
    let t = TestStore::new(Backend::Postgres).await;
    commit_one!(t.store, tx => statement(tx, ALONE)).expect("not in a transaction");
    commit!(t.store, [] tx => statement(tx, ALONE)).expect_err("in a transaction");
}

async fn table(t: &TestStore) {
    execute(&t.store, "CREATE TABLE notes (n BIGINT NOT NULL CHECK (n > 0))").await;
}

async fn notes(t: &TestStore) -> i64 {
    number(&t.store, "SELECT COUNT(*) FROM notes").await
}
