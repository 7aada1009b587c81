//! The plan of looking somebody up by what they sign in with: one statement for address and user name, and still
//! found by index on both databases. A scan would take longer the more users there are.

use portcullis_testkit::{Backend, Database};
use sqlx::{AssertSqlSafe, Row as _};

use crate::db::{DatabaseOptions, Db};
use crate::users::BY_LOGIN;

async fn fresh(backend: Backend) -> (Database, Db) {
    let database = Database::fresh(backend);
    let options = DatabaseOptions { url: database.url.clone(), max_connections: Some(1) };
    let db = Db::open(&options).await.expect("opens");
    db.migrate(false).await.expect("migrates");
    (database, db)
}

#[tokio::test]
async fn sqlite_searches_both_indexes() {
    let (_database, db) = fresh(Backend::Sqlite).await;
    let Db::Sqlite { read, .. } = &db else { panic!("this is SQLite") };
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {BY_LOGIN}"));
    let rows = sqlx::query(explain).bind("ada").fetch_all(read).await.expect("a plan");
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    for column in ["(email_key=?)", "(username_key=?)"] {
        let found = |line: &String| line.starts_with("SEARCH users USING INDEX") && line.ends_with(column);
        assert!(plan.iter().any(found), "{column}: {plan:#?}");
    }
    assert!(!plan.iter().any(|line| line.contains("SCAN")), "{plan:#?}");
}

#[tokio::test]
async fn postgresql_searches_both_indexes() {
    const FILL: &str = "INSERT INTO users (id, email, email_key, username, username_key, role, \
        must_change_password, credential_epoch, version, created_at, updated_at) \
        SELECT gen_random_uuid(), 'e' || n, 'e' || n, 'u' || n, 'u' || n, 'user', FALSE, 1, 1, 1, 1 \
        FROM generate_series(1, 5000) AS n";
    // With the plan for any name, which is what a connection keeps after a few lookups.
    const GENERIC: &str = "SET plan_cache_mode = force_generic_plan";
    let (_database, db) = fresh(Backend::Postgres).await;
    let Db::Postgres { connections, .. } = &db else { panic!("this is PostgreSQL") };
    let mut connection = connections.acquire().await.expect("connects");
    let prepare = format!("PREPARE login AS {BY_LOGIN}");
    for step in [FILL, "ANALYZE users", GENERIC, prepare.as_str()] {
        sqlx::raw_sql(AssertSqlSafe(step.to_owned())).execute(&mut *connection).await.expect("done");
    }
    let rows =
        sqlx::raw_sql("EXPLAIN EXECUTE login('u77')").fetch_all(&mut *connection).await.expect("a plan");
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for index in ["users_email_key_key", "users_username_key_key"] {
        let found = |line: &String| line.contains("Index Scan on") && line.contains(index);
        assert!(plan.iter().any(found), "{index}: {plan:#?}");
    }
    assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{plan:#?}");
}
