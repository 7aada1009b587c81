//! `portcullis doctor`

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{Place, Ran};

/// Health and remedy of one check.
fn check(ran: &Ran, name: &str) -> (String, String) {
    let report = ran.json();
    let checks = report["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no check {name}: {report:#}"));
    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    (text("health"), text("remedy"))
}

#[test]
fn a_new_installation_is_well() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let report = place.run(&["doctor", "--json"]).ok();
    assert_eq!(report.json()["ok"], true);
    for name in [
        "store",
        "schema",
        "clock",
        "system clock",
        "signing keys",
        "server key",
        "rate limits",
        "public_url",
        "proxies",
        "data directory",
    ] {
        assert_eq!(check(&report, name), ("ok".to_owned(), String::new()), "{name}");
    }
    let text = place.run(&["doctor"]).ok().stdout;
    assert!(text.contains("ok       store: sqlite answers\n"), "{text}");
}

#[test]
fn risks_are_warnings_with_remedies() {
    let place = Place::new()
        .env("PORTCULLIS_SERVER__PUBLIC_URL", "https://auth.example.com")
        .env("PORTCULLIS_RATE_LIMIT__ENABLED", "false")
        .env("PORTCULLIS_SERVER__MAX_CONNECTIONS", "1000000");
    place.user("ada@example.org", &[]);
    for (name, mode) in [("data", 0o755), ("data/secret_key", 0o644)] {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).expect("ours");
    }
    let report = place.run(&["doctor", "--json"]).ok();
    for (name, remedy) in [
        ("proxies", "List the proxy's address in server.trusted_proxies, if there is a proxy."),
        ("data directory", "Run: chmod 700 data && chmod 600 data/secret_key"),
        (
            "open files",
            "Lower server.max_connections, or raise the limit of open files (ulimit -Hn, LimitNOFILE).",
        ),
    ] {
        assert_eq!(check(&report, name), ("warning".to_owned(), remedy.to_owned()));
    }
    assert_eq!(check(&report, "rate limits").0, "warning");
    let text = place.run(&["doctor"]).ok().stdout;
    assert!(
        text.contains("\nwarning  proxies: none is trusted") && text.contains(" -> List the proxy's"),
        "{text}"
    );
}

#[test]
fn faults_end_with_1() {
    let place = Place::new();
    let ran = place.run(&["doctor", "--json"]);
    assert_eq!(ran.json()["ok"], false);
    let (health, remedy) = check(&ran, "start");
    assert_eq!(health, "fault");
    assert_eq!(remedy, "start portcullis once, go to its directory, or correct database.url");
    assert_eq!(ran.failed(1), "doctor found a fault");
    assert!(!place.path("data").exists());
}

#[test]
fn a_server_key_that_is_not_held_is_a_fault() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let place = place.env("PORTCULLIS_SERVER__SECRET_KEY", "another key, and thirty-two characters long");
    let ran = place.run(&["doctor", "--json"]);
    let report = ran.json();
    let fault = |check: &&Value| check["name"] == "server key" && check["health"] == "fault";
    let fault = report["checks"].as_array().expect("a list").iter().find(fault).expect("a fault");
    assert_eq!(fault["remedy"], json!("Add that key to server.secret_keys_accepted."));
    assert!(ran.failed(1).starts_with("doctor found "));
}
