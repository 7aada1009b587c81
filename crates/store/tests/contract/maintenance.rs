//! Ping, clock, backup.

use portcullis_core::time::Timestamp;
use portcullis_store::{DatabaseOptions, Store};
use portcullis_testkit::{Backend, TestStore};

use crate::support::{insert, make_user, new_user, parallel};

contract! {
    async fn a_database_that_is_there_answers(t: &TestStore) {
        t.store.ping().await.expect("answers");
        let expected = match t.database.backend() {
            Backend::Sqlite => "sqlite",
            Backend::Postgres => "postgres",
        };
        assert_eq!(t.store.engine(), expected);
    }

    async fn only_a_server_has_a_clock_of_its_own(t: &TestStore) {
        let clock = t.store.database_clock().await.expect("read");
        match t.database.backend() {
            Backend::Sqlite => assert_eq!(clock, None),
            Backend::Postgres => assert!(clock.expect("has one") > Timestamp::from_seconds(1_700_000_000)),
        }
    }

    async fn options_keep_the_password_to_themselves(t: &TestStore) {
        let options =
            DatabaseOptions { url: "postgres://portcullis:s3cret@db/p".into(), ..t.database.options() };
        assert!(!format!("{options:?}").contains("s3cret"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_others_write_is_a_whole_database() {
    let t = TestStore::new(Backend::Sqlite).await;
    let ada = make_user(&t, "ada").await;
    let path = t.database.file("backup.db").expect("a file beside it");
    let path = path.to_str().expect("UTF-8");
    let others: Vec<_> = (0..50).map(|at| new_user(&t, &format!("u{at}"))).collect();
    let writing = parallel(50, |at| {
        let (store, new) = (t.store.clone(), others[at].clone());
        async move { insert(&store, &new).await.expect("inserted") }
    });
    let (made, _) = tokio::join!(t.store.backup(path), writing);
    assert!(made.expect("written"));

    let options = DatabaseOptions { url: format!("sqlite://{path}"), max_connections: None };
    let copy = Store::open(&options).await.expect("opens");
    assert!(copy.migrate(false).await.expect("current").is_empty());
    assert!(copy.user(ada.id).await.expect("read").is_some());
    t.store.backup(path).await.expect_err("an older backup is not written over");
}

#[tokio::test]
async fn postgresql_is_left_to_its_own_tools() {
    let t = TestStore::new(Backend::Postgres).await;
    assert!(!t.store.backup("/nonexistent/backup.db").await.expect("answered"));
}
