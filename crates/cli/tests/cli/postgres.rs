//! PostgreSQL: the key must be given, the rest is the same.

use portcullis_testkit::postgres::fresh_database;
use serde_json::json;

use crate::support::{PASSWORD, Place};

const KEY: &str = "sesame sesame sesame sesame sesame";

#[test]
fn without_a_key_it_is_refused_and_with_one_it_works() {
    let database = fresh_database();
    let place = Place::new().env("PORTCULLIS_DATABASE__URL", &database.url);
    let missing = "server.secret_key is missing: with PostgreSQL every node needs the same one; make one with: \
                   openssl rand -base64 32 and give it to each node, as server.secret_key_file for example";
    assert_eq!(place.run(&["serve", "--listen", "127.0.0.1:0"]).failed(1), missing);
    assert_eq!(place.run(&["config", "check"]).failed(1), missing);
    // The schema needs none.
    let told = place.run(&["migrate", "--dry-run", "--json"]).ok().json();
    assert_eq!((&told["dry_run"], &told["migrations"][0]), (&json!(true), &json!("0001_first")));
    let applied = place.run(&["migrate"]).ok().stdout;
    assert!(applied.starts_with("applied 0001_first\n"), "{applied}");
    assert_eq!(place.run(&["migrate"]).ok().stdout, "The schema is current.\n");

    let place = place.env("PORTCULLIS_SERVER__SECRET_KEY", KEY);
    place.user("ada@example.org", &[]);
    let (a, b) = (place.serve(), place.serve());
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    let tokens = a.post("/auth/login", &login).json();
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(b.post("/auth/refresh", &refresh).status, 200);
    assert_eq!(b.get("/health/ready").status, 200);
    place.run(&["doctor"]).ok();
    b.stop();
    a.stop();
    // No file of ours but the set-up link, which has no directory of a database to stand in.
    assert!(!place.path("data/secret_key").exists() && place.path("data/setup-link").exists());
}

#[test]
fn backup_names_the_tool_for_it_and_no_password() {
    let place = Place::new()
        .env(
            "PORTCULLIS_DATABASE__URL",
            "postgres://portcullis:sesame@db.example.com:5432/auth?sslmode=require",
        )
        .env("PORTCULLIS_SERVER__SECRET_KEY", KEY);
    let line = place.run(&["backup", "copy.dump"]).failed(1);
    assert_eq!(
        line,
        "backup copies an embedded database, and this is PostgreSQL; run: pg_dump --format=custom \
         --file='copy.dump' 'postgres://portcullis@db.example.com:5432/auth?sslmode=require' \
         (the password in PGPASSWORD or ~/.pgpass)"
    );
}

#[test]
fn a_database_that_cannot_be_reached_is_told_without_the_password() {
    let place = Place::new()
        .env("PORTCULLIS_DATABASE__URL", "postgres://portcullis:sesame@127.0.0.1:1/auth")
        .env("PORTCULLIS_SERVER__SECRET_KEY", KEY);
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"]] {
        let line = place.run(args).failed(1);
        let start = "database.url = \"postgres://portcullis:********@127.0.0.1:1/auth\": \
                     the database is not available: ";
        assert!(line.starts_with(start) && !line.contains("sesame"), "{line}");
        assert!(line.ends_with("; start the database, or correct database.url"), "{line}");
    }
}

#[test]
fn without_migrating_an_old_schema_is_refused() {
    let database = fresh_database();
    let place =
        Place::new().env("PORTCULLIS_DATABASE__URL", &database.url).env("PORTCULLIS_SERVER__SECRET_KEY", KEY);
    let line = place.run(&["serve", "--listen", "127.0.0.1:0", "--no-migrate"]).failed(1);
    assert_eq!(line, "the database has no schema yet; run: portcullis migrate");
}
