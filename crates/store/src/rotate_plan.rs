//! The plan of the hot statement, on both databases: whatever the table holds and whatever the planner knows of
//! it, rows are found by their key. A scan would pass every other test, on the small tables of tests.

use portcullis_testkit::{Backend, Database};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Row as _};

use crate::db::{DatabaseOptions, Db};
use crate::postgres_rotator::PLANNER;
use crate::rotate::{POSTGRES, SQLITE};

/// The lines of the plan of a rotation.
async fn sqlite_plan(connection: &mut SqliteConnection) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {SQLITE}");
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(explain)).bind("[]").fetch_all(connection).await.expect("a plan");
    rows.iter().map(|row| row.get("detail")).collect()
}

/// The same, of the prepared statement with the settings of the connections that rotate.
async fn postgres_plan(connection: &mut PgConnection) -> Vec<String> {
    const EXECUTE: &str =
        "EXPLAIN EXECUTE rotate('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')";
    let prepare = format!("PREPARE rotate AS {POSTGRES}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut *connection).await.expect("prepared");
    let plan: Vec<String> = sqlx::raw_sql(EXECUTE)
        .fetch_all(&mut *connection)
        .await
        .expect("a plan")
        .iter()
        .map(|row| row.get(0))
        .collect();
    sqlx::raw_sql("DEALLOCATE rotate").execute(connection).await.expect("forgotten");
    plan
}

async fn fresh(backend: Backend) -> (Database, Db) {
    let database = Database::fresh(backend);
    let options = DatabaseOptions { url: database.url.clone(), max_connections: Some(1) };
    let db = Db::open(&options).await.expect("opens");
    db.migrate(false).await.expect("migrates");
    (database, db)
}

#[tokio::test]
async fn sqlite_searches_by_key() {
    let (_database, db) = fresh(Backend::Sqlite).await;
    let Db::Sqlite { options, .. } = &db else { panic!("this is SQLite") };
    let mut connection = options.connect().await.expect("opens");
    let plan = sqlite_plan(&mut connection).await;
    assert!(
        plan.iter().any(|line| line.starts_with("SEARCH sessions USING INDEX") && line.contains("(id=?)")),
        "{plan:#?}"
    );
    assert!(!plan.iter().any(|line| line.contains("SCAN sessions")), "{plan:#?}");
}

#[tokio::test]
async fn postgresql_walks_the_batch_and_searches_by_key() {
    const USER: &str = "INSERT INTO users (id, email, email_key, role, must_change_password, credential_epoch, \
        version, created_at, updated_at) VALUES (gen_random_uuid(), 'a', 'a', 'user', FALSE, 1, 1, 1, 1)";
    const FILL: &str = "INSERT INTO sessions (id, user_id, secret_hash, generation, key_id, rotated_at, \
        idle_ends_at, ends_at, window_at, window_count, role, must_change_password, methods, \
        authenticated_at, delivery, device, address, created_at) SELECT gen_random_uuid(), u.id, '', 1, 1, 1, 1, \
        1, 1, 1, 'user', FALSE, '', 1, 'body', '', '', 1 FROM users AS u, generate_series(1, 5000)";
    let (_database, db) = fresh(Backend::Postgres).await;
    let Db::Postgres { options, .. } = &db else { panic!("this is PostgreSQL") };
    let mut connection = options.clone().options(PLANNER).connect().await.expect("connects");
    for step in ["ANALYZE sessions", USER, FILL, "ANALYZE sessions"] {
        sqlx::raw_sql(step).execute(&mut connection).await.expect(step);
        let plan = postgres_plan(&mut connection).await;
        let at = |what: &str| plan.iter().position(|line| line.contains(what));
        let (batch, rows) = (at("Function Scan on p"), at("Bitmap Index Scan on sessions_pkey"));
        assert!(batch.is_some() && batch < rows, "after {step}: {plan:#?}");
        assert_eq!(at("Seq Scan"), None, "after {step}: {plan:#?}");
    }
}
