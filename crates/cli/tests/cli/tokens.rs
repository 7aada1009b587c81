//! `portcullis token …`, beside a server that runs on the same database.

use serde_json::{Value, json};

use crate::support::{Place, Server};

const ADA: [&str; 2] = ["--user", "ada@example.org"];

fn create(place: &Place, more: &[&str]) -> Value {
    place.run(&[&["token", "create", "--name", "deploy", "--json"], &ADA[..], more].concat()).ok().json()
}

/// Exchanges the token: what becomes of it tells whether it is good.
fn exchange(server: &Server, token: &Value) -> (u16, Value) {
    let answer = server.post(
        "/oauth/token",
        &json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token["token"],
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }),
    );
    (answer.status, answer.json())
}

#[test]
fn create_list_and_revoke() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let server = place.serve();
    let (first, second) = (create(&place, &[]), create(&place, &["--scope", "a", "--expires-in-days", "1"]));
    assert_eq!((&first["scopes"], &second["scopes"]), (&Value::Null, &json!(["a"])));
    assert_eq!(exchange(&server, &second).1["scope"], "a");
    assert_eq!(exchange(&server, &first).0, 200);

    let list = || place.run(&[&["token", "list", "--json"], &ADA[..]].concat()).ok();
    let listed = list();
    assert!(!listed.stdout.contains("pct_"), "seen once: {}", listed.stdout);
    let ids: Vec<Value> =
        listed.json().as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, [second["id"].clone(), first["id"].clone()]);
    let table = place.run(&[&["token", "list"], &ADA[..]].concat()).ok().stdout;
    assert!(table.contains(first["key_prefix"].as_str().expect("text")), "{table}");

    let id = first["id"].as_str().expect("an id");
    assert_eq!(place.run(&["token", "revoke", id, "--json"]).ok().json(), json!({ "revoked": 1 }));
    let line = place.run(&["token", "revoke", id]).failed(1);
    assert!(line.starts_with(&format!("there is no live token {id}; ")), "{line}");
    let text = place.run(&[&["token", "create", "--name", "x"], &ADA[..]].concat()).ok().stdout;
    assert!(text.starts_with("pct_") && text.ends_with("is not shown again.\n"), "{text}");
    assert!(!place.read("server.log").contains("pct_"), "the log holds a token");
}

#[test]
fn the_rules_for_users_hold_for_operators() {
    let place = Place::new().env("PORTCULLIS_API_TOKENS__MAX_PER_USER", "2");
    place.user("ada@example.org", &[]);
    for (more, line) in [
        (&["--name", " "][..], "Give `name` at least one character."),
        (&["--name", "x", "--expires-in-days", "366"], "Use 1 to 365 days, or leave it out for 90."),
        (&["--name", "x", "--scope", ""], "A scope has 1 to 100 "),
    ] {
        let told = place.run(&[&["token", "create"], &ADA[..], more].concat()).failed(1);
        assert!(told.starts_with(line), "{told}");
    }
    let nobody = place.run(&["token", "create", "--user", "bob", "--name", "x"]).failed(1);
    assert_eq!(nobody, "there is no user bob; `portcullis user list` shows all");
    create(&place, &[]);
    create(&place, &[]);
    let told = place.run(&[&["token", "create", "--name", "x"], &ADA[..]].concat()).failed(1);
    assert_eq!(
        told,
        "the user has as many API tokens as api_tokens.max_per_user allows; revoke one that is no longer needed"
    );
    place.run(&["user", "disable", "ada@example.org"]).ok();
    let told = place.run(&[&["token", "create", "--name", "x"], &ADA[..]].concat()).failed(1);
    assert!(told.starts_with("the user is disabled, a bot, or was changed "), "{told}");
}
