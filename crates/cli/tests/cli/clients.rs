//! `portcullis client …`, beside a server that runs on the same database.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Place, Server};

const AUDIENCES: &str = "http://localhost:8400,https://chat.example";

fn token(server: &Server, client: &Value) -> Answer {
    let body = json!({
        "grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": client["client_secret"],
    });
    server.post("/oauth/token", &body)
}

#[test]
fn create_list_and_revoke() {
    let place = Place::new().env("PORTCULLIS_TOKENS__AUDIENCE", AUDIENCES);
    let server = place.serve();
    let args = ["client", "create", "--name", "Chat", "--grant-type", "client_credentials", "--json"];
    let more = ["--scope", "b", "--scope", "a", "--audience", "https://chat.example"];
    let client = place.run(&[&args[..], &more].concat()).ok().json();
    let secret = client["client_secret"].as_str().expect("once").to_owned();
    assert!(secret.starts_with("pcs_"));
    for (name, value) in [
        ("name", json!("Chat")),
        ("grant_types", json!(["client_credentials"])),
        ("scopes", json!(["a", "b"])),
        ("audience", json!(["https://chat.example"])),
    ] {
        assert_eq!(client[name], value, "{name}");
    }
    let issued = token(&server, &client);
    assert_eq!((issued.status, &issued.json()["scope"]), (200, &json!("a b")), "{}", issued.body);

    let text = place.run(&["client", "create", "--name", "Reader"]).ok().stdout;
    assert!(text.contains("\nclient_secret  pcs_") && text.ends_with("is not shown again.\n"), "{text}");
    let listed = place.run(&["client", "list", "--json"]).ok();
    assert!(!listed.stdout.contains(&secret) && !listed.stdout.contains("secret"), "{}", listed.stdout);
    assert_eq!(listed.json()[1]["client_id"], client["client_id"]);
    assert_eq!((&listed.json()[0]["name"], &listed.json()[0]["audience"]), (&json!("Reader"), &Value::Null));
    let table = place.run(&["client", "list"]).ok().stdout;
    assert!(table.lines().any(|line| line.contains("Reader") && line.contains(" all ")), "{table}");

    let id = client["client_id"].as_str().expect("an id");
    assert_eq!(place.run(&["client", "revoke", id, "--json"]).ok().json(), json!({ "revoked": 1 }));
    let line = place.run(&["client", "revoke", id]).failed(1);
    assert_eq!(line, format!("there is no client {id}; portcullis client list shows all"));
    // The server has known the client, and hears of its end from the database.
    let since = Instant::now();
    while token(&server, &client).status == 200 {
        assert!(since.elapsed() < Duration::from_secs(10), "the server still takes it");
    }
    assert_eq!(token(&server, &client).json()["error"], "invalid_client");
    assert!(!place.read("server.log").contains(&secret), "the log holds the secret");
}

#[test]
fn what_it_may_be_told() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    for (args, line) in [
        (&["--name", " "][..], "Give `name` at least one character."),
        (&["--name", "x", "--scope", "a b"], "A scope has 1 to 100 "),
        (&["--name", "x", "--grant-type", "password"], "Use `client_credentials` or `urn:ietf:"),
        (
            &["--name", "x", "--audience", "https://chat.example"],
            "`https://chat.example` is not among `tokens.audience`; add it there first.",
        ),
    ] {
        let told = place.run(&[&["client", "create"], args].concat()).failed(1);
        assert!(told.starts_with(line), "{told}");
    }
    assert_eq!(place.run(&["client", "list", "--json"]).ok().json(), json!([]));
}
