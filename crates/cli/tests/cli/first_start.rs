//! The first start, the second, and two at once.

use std::fs;

use serde_json::json;

use crate::support::{PASSWORD, Place};

#[test]
fn the_first_start_makes_its_data_for_the_owner_alone() {
    let place = Place::new();
    let server = place.serve();
    assert_eq!(server.get("/health/ready").status, 200);
    assert!(server.told.starts_with("Portcullis is ready: http://localhost:8400\n"), "{}", server.told);
    assert_eq!(place.mode("data"), 0o700);
    for file in ["data/secret_key", "data/portcullis.db", "data/portcullis.db-wal"] {
        assert_eq!(place.mode(file), 0o600, "{file}");
    }
    server.stop();
}

#[test]
fn the_second_start_finds_its_data() {
    let place = Place::new();
    let server = place.serve();
    let body = json!({ "email": "ada@example.org", "password": PASSWORD, "delivery": "body" });
    let token = server.post("/auth/register", &body).json()["refresh_token"].clone();
    assert!(token.is_string());
    server.stop();
    let key = place.read("data/secret_key");
    let server = place.serve();
    assert_eq!(place.read("data/secret_key"), key);
    assert_eq!(server.post("/auth/refresh", &json!({ "refresh_token": token })).status, 200);
    server.stop();
}

#[test]
fn two_that_start_at_once_agree_on_the_key() {
    for round in 0..10 {
        let place = Place::new();
        let (a, b) = (place.start(), place.start());
        let (a, b) = (a.ready(), b.ready());
        let body = json!({ "email": "ada@example.org", "password": PASSWORD, "delivery": "body" });
        let token = a.post("/auth/register", &body).json()["refresh_token"].clone();
        let refreshed = b.post("/auth/refresh", &json!({ "refresh_token": token }));
        assert_eq!(refreshed.status, 200, "round {round}: {}", refreshed.body);
        let names = fs::read_dir(place.path("data")).expect("a directory");
        let key = |name: &fs::DirEntry| name.file_name().to_string_lossy().starts_with("secret_key");
        let files = names.map(|name| name.expect("an entry")).filter(key).count();
        assert_eq!(files, 1, "round {round}: the loser has left its draft");
    }
}

#[test]
fn a_database_without_its_key_is_refused() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    fs::rename(place.path("data/secret_key"), place.path("kept")).expect("moves");
    let refused = "data/secret_key is missing, and data/portcullis.db was made with it; \
                   put the file back, or give its content as server.secret_key";
    assert_eq!(place.run(&["serve", "--listen", "127.0.0.1:0"]).failed(1), refused);
    assert_eq!(place.run(&["user", "list"]).failed(1), refused);
    assert!(!place.path("data/secret_key").exists());
    // Its content, given as the key, is the key.
    let key = place.read("kept");
    let place = place.env("PORTCULLIS_SERVER__SECRET_KEY", key.trim_end());
    place.run(&["user", "list"]).ok();
    // Another key is no way around it.
    let place = place.env("PORTCULLIS_SERVER__SECRET_KEY", "another key, and thirty-two characters long");
    let line = place.run(&["user", "list"]).failed(1);
    assert!(line.starts_with("server.secret_keys_accepted lacks the key with id "), "{line}");
}

#[test]
fn a_damaged_key_file_is_refused_without_showing_it() {
    let place = Place::new();
    fs::create_dir(place.path("data")).expect("makes");
    place.write("data/secret_key", "hex:sesame");
    let line = place.run(&["user", "list"]).failed(1);
    assert_eq!(line, "data/secret_key is not hexadecimal after hex:; put the right file back");
}

#[test]
fn the_set_up_link_is_in_a_file_until_there_is_an_administrator() {
    let place = Place::new();
    let mut server = place.serve();
    assert_eq!(
        server.next_line(),
        "There is no administrator yet. The link that makes one is in data/setup-link"
    );
    let link = place.read("data/setup-link");
    let token = link.strip_prefix("http://localhost:8400/setup#token=").expect("a link").trim_end();
    assert!(token.starts_with("pcs_") && token.len() > 40, "{token}");
    assert_eq!(place.mode("data/setup-link"), 0o600);
    assert!(!place.read("server.log").contains("pcs_"), "the log holds the link");
    server.stop();
    // The same link again: it is good for a day, not for a start.
    let mut server = place.serve();
    server.next_line();
    assert_eq!(place.read("data/setup-link"), link);
    server.stop();
    place.user("root@example.org", &["--admin"]);
    let server = place.serve();
    // The link is looked after before the server takes its leave.
    server.stop();
    assert!(!place.path("data/setup-link").exists());
}

#[test]
fn an_address_in_use_is_told_before_anything_is_made() {
    let place = Place::new();
    let server = place.serve();
    let other = Place::new();
    let line = other.run(&["serve", "--listen", &server.address.to_string()]).failed(1);
    assert!(
        line.starts_with(&format!("server.listen = \"{}\": cannot listen there: ", server.address)),
        "{line}"
    );
    assert!(line.ends_with("; stop what listens there, or choose another address"), "{line}");
    assert!(!other.path("data").exists());
}

#[test]
fn metrics_have_a_listener_of_their_own() {
    let place = Place::new().env("PORTCULLIS_TELEMETRY__LISTEN", "127.0.0.1:0");
    let server = place.serve();
    assert_eq!(server.get("/metrics").status, 404);
    let log = place.read("server.log");
    let line = log.lines().find(|line| line.contains("metrics are served")).expect("a line about it");
    let line: serde_json::Value = serde_json::from_str(line).expect("the log is JSON");
    let address = line["address"].as_str().expect("an address").parse().expect("an address");
    let mut stream = crate::support::connect(address);
    std::io::Write::write_all(&mut stream, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let answer = crate::support::Answer::read(stream);
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("portcullis_http_requests_total"), "{}", answer.body);
}
