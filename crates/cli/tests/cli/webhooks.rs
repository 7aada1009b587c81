//! Webhooks, sent by a server to somebody who is down at first, and `portcullis webhook …`.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use portcullis_core::standard_webhook::{ID, SIGNATURE, TIMESTAMP, WebhookSecret, check};
use portcullis_core::time::Timestamp;
use portcullis_testkit::postgres::free_port;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Place};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A place whose server tells `127.0.0.1:port` of sign-ins.
fn place(port: u16) -> Place {
    let place = Place::new();
    place.write("secret", &format!("{SECRET}\n"));
    place.write(
        "portcullis.toml",
        &format!(
            "[outbound]\nallow = [\"127.0.0.0/8\"]\n[[webhooks.endpoints]]\nname = \"crm\"\n\
             url = \"http://127.0.0.1:{port}/hooks?x=1\"\nsecret_file = \"secret\"\nkinds = [\"session.*\"]\n"
        ),
    );
    place
}

/// One message: its id, and what it says. It is answered 204.
fn receive(listener: &TcpListener) -> (String, Value) {
    let (stream, _) = listener.accept().expect("somebody comes");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    let mut reader = BufReader::new(stream);
    let (mut head, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line).expect("a line") > 2 {
        head.push(std::mem::take(&mut line).trim_end().to_owned());
    }
    assert_eq!(head[0], "POST /hooks?x=1 HTTP/1.1");
    let header = |name: &str| {
        let start = format!("{name}: ");
        // Hyper writes names in small letters.
        head.iter()
            .find_map(|line| line.strip_prefix(&start))
            .unwrap_or_else(|| panic!("no {name}: {head:?}"))
    };
    let mut body = vec![0; header("content-length").parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("it reads");
    assert_eq!(header("content-type"), "application/json");
    let at = Timestamp::from_seconds(header(TIMESTAMP).parse().expect("seconds"));
    let signed_by = |secret: &str| {
        let secret = WebhookSecret::parse(secret).expect("a secret");
        check([ID, TIMESTAMP, SIGNATURE].map(header), at, &body, &secret)
    };
    assert!(signed_by(SECRET) && !signed_by("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    let id = header(ID).to_owned();
    (id, serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn who_was_down_is_told_later_and_once() {
    let port = free_port();
    let place = place(port);
    place.user("ada@example.org", &[]);
    let server = place.serve();
    for _ in 0..3 {
        let login = json!({ "email": "ada@example.org", "password": PASSWORD });
        assert_eq!(server.post("/auth/login", &login).status, 200);
    }
    let list = || place.run(&["webhook", "list", "--json"]).ok().json();
    let tried = |list: &Value| {
        let list = list.as_array().expect("a list");
        list.len() == 3 && list.iter().all(|one| one["error"].is_string())
    };
    let mut waiting = list();
    while !tried(&waiting) {
        waiting = list();
    }
    let expected: BTreeSet<&str> =
        waiting.as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id")).collect();
    assert_eq!(place.run(&["webhook", "list", "--dead", "--json"]).ok().json(), json!([]));

    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let mut arrived = BTreeSet::new();
    for _ in 0..3 {
        let (id, body) = receive(&listener);
        assert_eq!((&body["type"], &body["data"]["id"]), (&json!("session.started"), &json!(id)));
        assert!(arrived.insert(id), "once");
    }
    assert_eq!(arrived.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    while list() != json!([]) {}
    let told = place.run(&["doctor"]).ok().stdout;
    assert!(told.contains("ok       webhooks: 1 endpoints, 0 messages wait, 0 are dead\n"), "{told}");
    server.stop();
}

#[test]
fn what_has_not_arrived_is_listed_sent_again_and_forgotten() {
    let place = place(free_port());
    place.user("ada@example.org", &[]);
    let server = place.serve();
    server.post("/auth/login", &json!({ "email": "ada@example.org", "password": PASSWORD }));
    server.stop();
    let listed = place.run(&["webhook", "list", "--json"]).ok().json();
    assert_eq!((&listed[0]["endpoint"], &listed[0]["kind"]), (&json!("crm"), &json!("session.started")));
    let text = place.run(&["webhook", "list"]).ok().stdout;
    assert!(text.starts_with("ID ") && text.contains("session.started"), "{text}");

    assert_eq!(place.run(&["webhook", "retry", "--json"]).ok().json(), json!({ "retried": 0 }));
    let dead = "UPDATE webhook_deliveries SET due_at = NULL";
    portcullis_testkit::database::tamper_with_file(&place.path("data/portcullis.db"), dead);
    let told = place.run(&["doctor", "--json"]).ok().json();
    let check = told["checks"].as_array().expect("a list").iter().find(|check| check["name"] == "webhooks");
    assert_eq!(check.expect("a check")["health"], "warning");
    let line = place.run(&["webhook", "retry", "other"]).failed(1);
    assert!(line.starts_with("there is no endpoint other; "), "{line}");
    assert_eq!(place.run(&["webhook", "retry", "crm", "--json"]).ok().json(), json!({ "retried": 1 }));
    assert_eq!(place.run(&["webhook", "drop", "crm"]).ok().stdout, "1 messages are forgotten\n");
    assert_eq!(place.run(&["webhook", "list", "--json"]).ok().json(), json!([]));
}
