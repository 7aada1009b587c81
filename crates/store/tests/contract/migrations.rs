//! Migrations: in lock step on both databases, by however many nodes at once.

use std::sync::Arc;

use portcullis_store::StoreError;
use portcullis_testkit::{Backend, Database, TestStore};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::support::{execute, make_user, parallel};

contract! {
    async fn a_migrated_database_needs_nothing_more(t: &TestStore) {
        make_user(t, "ada").await;
        assert!(t.store.migrate(true).await.expect("told").is_empty());
        assert!(t.store.migrate(false).await.expect("applied").is_empty());
        assert_eq!(t.store.count_users().await.expect("counted"), 1);
    }

    async fn a_schema_from_the_future_is_refused(t: &TestStore) {
        execute(&t.store, "INSERT INTO schema_migrations (version, name) VALUES (9999, '9999_future')").await;
        for dry_run in [true, false] {
            match t.store.migrate(dry_run).await.expect_err("unknown") {
                StoreError::Schema(text) => {
                    assert!(text.contains("9999") && text.contains("newer"), "{text}");
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn a_dry_run_tells_and_changes_nothing() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = Database::fresh(backend);
        let store = database.open().await;
        let told = store.migrate(true).await.expect("told");
        assert!(told.starts_with(&["0001_first"]), "{told:?}");
        assert!(schema(&database).await.is_empty(), "{backend:?}");
        assert_eq!(store.migrate(false).await.expect("applied"), told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_nodes_start_at_once_on_an_empty_database() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = Arc::new(Database::fresh(backend));
        let applied = parallel(20, |_| {
            let database = database.clone();
            async move {
                let store = database.open().await;
                let applied = store.migrate(false).await.expect("applied by somebody");
                store.ping().await.expect("answers");
                assert_eq!(store.count_users().await.expect("there"), 0);
                applied.len()
            }
        })
        .await;
        assert_eq!(applied.iter().filter(|applied| **applied > 0).count(), 1, "{backend:?}");
    }
}

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_indexes() {
    let (sqlite, postgres) = (TestStore::new(Backend::Sqlite).await, TestStore::new(Backend::Postgres).await);
    let (sqlite, postgres) = (schema(&sqlite.database).await, schema(&postgres.database).await);
    assert!(sqlite.iter().any(|line| line == "users.email_key NOT NULL"), "{sqlite:?}");
    assert!(sqlite.iter().any(|line| line == "index sessions_user on sessions"), "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}

const SQLITE_SCHEMA: &str = "SELECT t.name || '.' || c.name || \
    CASE WHEN c.\"notnull\" THEN ' NOT NULL' ELSE '' END \
    FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c \
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' \
    UNION ALL SELECT 'index ' || name || ' on ' || tbl_name FROM sqlite_schema \
    WHERE type = 'index' AND sql IS NOT NULL";
const POSTGRES_SCHEMA: &str = "SELECT table_name || '.' || column_name || \
    CASE WHEN is_nullable = 'NO' THEN ' NOT NULL' ELSE '' END FROM information_schema.columns \
    WHERE table_schema = 'public' UNION ALL SELECT 'index ' || indexname || ' on ' || tablename FROM pg_indexes \
    WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint)";

/// Tables, columns, nullability and the indexes that we named; sorted.
async fn schema(database: &Database) -> Vec<String> {
    let mut lines: Vec<String> = match database.backend() {
        Backend::Sqlite => {
            let mut connection = SqliteConnection::connect(&database.url).await.expect("opens");
            sqlx::query_scalar(SQLITE_SCHEMA).fetch_all(&mut connection).await.expect("read")
        }
        Backend::Postgres => {
            let mut connection = PgConnection::connect(&database.url).await.expect("opens");
            sqlx::query_scalar(POSTGRES_SCHEMA).fetch_all(&mut connection).await.expect("read")
        }
    };
    lines.sort_unstable();
    lines
}
