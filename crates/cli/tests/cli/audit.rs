//! `portcullis audit …`, beside a server and after it.

use std::collections::BTreeSet;
use std::fs;

use portcullis_testkit::database::tamper_with_file;
use portcullis_testkit::postgres::fresh_database;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Place, Server};

fn sign_in(server: &Server) {
    let answer = server.post("/auth/login", &json!({ "email": "ada@example.org", "password": PASSWORD }));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn tamper(place: &Place, sql: &str) {
    tamper_with_file(&place.path("data/portcullis.db"), sql);
}

#[test]
fn list_and_export() {
    let place = Place::new();
    let ada = place.user("ada@example.org", &[]);
    let server = place.serve();
    sign_in(&server);
    let kinds = |args: &[&str]| -> Vec<String> {
        let args = [&["audit", "list", "--json"], args].concat();
        let listed = place.run(&args).ok().json();
        listed
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["kind"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds(&["--user", "ada@example.org"]), ["session.started", "user.registered"]);
    assert_eq!(kinds(&["--user", &ada, "--kind", "session.*"]), ["session.started"]);
    assert_eq!(kinds(&["--user", &ada, "--limit", "1"]), ["session.started"]);
    assert_eq!(kinds(&["--until", "2020-01-01T00:00:00Z"]), [""; 0]);
    // Whoever is gone can be named by id.
    assert_eq!(kinds(&["--actor", "00000000-0000-7000-8000-000000000000"]), [""; 0]);
    let text = place.run(&["audit", "list"]).ok().stdout;
    assert!(text.starts_with("AT ") && text.contains("session.started"), "{text}");

    let lines = place.run(&["audit", "export", "--user", &ada]).ok().stdout;
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events.len(), 2);
    assert_eq!((&events[0]["kind"], &events[0]["user"]), (&json!("session.started"), &json!(ada)));
    place.run(&["audit", "export", "--user", &ada, "--limit", "1", "--output", "events.jsonl"]).ok();
    assert_eq!(place.read("events.jsonl").lines().count(), 1);
    assert_eq!(place.mode("events.jsonl"), 0o600);
    let line = place.run(&["audit", "export", "--output", "events.jsonl"]).failed(1);
    assert!(line.starts_with("events.jsonl cannot be written: "), "{line}");

    for args in [&["--kind", "session"][..], &["--since", "yesterday"], &["--limit", "0"]] {
        assert_eq!(place.run(&[&["audit", "list"], args].concat()).code, Some(2), "{args:?}");
    }
    let line = place.run(&["audit", "list", "--user", "nobody@example.org"]).failed(1);
    assert!(line.contains("nobody@example.org"), "{line}");
    server.stop();
}

#[test]
fn what_somebody_changes_is_found() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let verify = |more: &[&str]| place.run(&[&["audit", "verify"], more].concat());
    let before = verify(&["--json"]).ok().json();
    assert_eq!((&before["ok"], &before["to"]), (&json!(true), &json!(0)));
    assert!(before["unchained"].as_u64() > Some(0), "no server has run: {before}");

    let server = place.serve();
    sign_in(&server);
    server.stop();
    let whole = verify(&["--json", "--checkpoint", "server.log"]).ok().json();
    assert_eq!(
        (&whole["ok"], &whole["unchained"], &whole["findings"]),
        (&json!(true), &json!(0), &json!([]))
    );
    assert!(whole["checkpoints"].as_u64() > Some(0), "{whole}");
    let text = verify(&[]).ok().stdout;
    assert!(text.starts_with(&format!("entries 1 to {}: whole; ", whole["to"])), "{text}");

    let line = verify(&["--checkpoint", "data/secret_key"]).failed(1);
    assert!(line.starts_with("data/secret_key holds no checkpoint; "), "{line}");
    let line = verify(&["--checkpoint", "nothing.log"]).failed(1);
    assert!(line.starts_with("nothing.log cannot be read: "), "{line}");

    tamper(&place, "UPDATE audit_events SET address = '192.0.2.9' WHERE kind = 'session.started'");
    let ran = verify(&[]);
    assert!(ran.stdout.contains("was changed: address\n"), "{}", ran.stdout);
    let line = ran.failed(1);
    assert_eq!(line, "the audit log is not what was written: 1 finding");
    tamper(&place, "DELETE FROM audit_chain WHERE seq = 2");
    let ran = verify(&["--json"]);
    assert_eq!((ran.code, &ran.json()["ok"]), (Some(1), &json!(false)));
    assert!(ran.json()["findings"].as_array().expect("a list").contains(&json!("entries 2 to 2 are gone")));
}

#[test]
fn a_database_that_was_set_back_is_found_by_the_log() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let server = place.serve();
    sign_in(&server);
    server.stop();
    place.run(&["backup", "copy.db"]).ok();
    let server = place.serve();
    sign_in(&server);
    server.stop();
    place.run(&["audit", "verify", "--checkpoint", "server.log"]).ok();

    for name in ["portcullis.db-wal", "portcullis.db-shm"] {
        // There is none if the last connection has closed well.
        let _ = fs::remove_file(place.path(&format!("data/{name}")));
    }
    fs::rename(place.path("copy.db"), place.path("data/portcullis.db")).expect("ours");
    place.run(&["audit", "verify"]).ok();
    let ran = place.run(&["audit", "verify", "--checkpoint", "server.log"]);
    assert!(ran.stdout.starts_with("the end is cut: the checkpoint of "), "{}", ran.stdout);
    ran.failed(1);
    let with_input = place.run_with(&["audit", "verify", "--checkpoint", "-"], &place.read("server.log"));
    assert_eq!(with_input.code, Some(1));
}

#[test]
fn two_servers_chain_every_event_once() {
    let database = fresh_database();
    let place = Place::new()
        .env("PORTCULLIS_DATABASE__URL", &database.url)
        .env("PORTCULLIS_RATE_LIMIT__ENABLED", "false")
        .env("PORTCULLIS_SERVER__SECRET_KEY", "sesame sesame sesame sesame sesame");
    place.run(&["migrate"]).ok();
    place.user("ada@example.org", &[]);
    let (a, b) = (place.serve(), place.serve());
    for _ in 0..10 {
        sign_in(&a);
        sign_in(&b);
    }
    a.stop();
    sign_in(&b);
    b.stop();
    let told = place.run(&["audit", "verify", "--json"]).ok().json();
    assert_eq!((&told["ok"], &told["unchained"]), (&json!(true), &json!(0)), "{told}");
    let listed = place.run(&["audit", "list", "--limit", "1000", "--json"]).ok().json();
    let events = listed.as_array().expect("a list");
    let seqs: BTreeSet<u64> = events.iter().map(|event| event["seq"].as_u64().expect("chained")).collect();
    assert!(events.len() > 20);
    assert_eq!(seqs, (1..=events.len() as u64).collect());
}
