//! `portcullis session …`, beside a server that runs on the same database.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Place, Server};

fn sign_in(server: &Server) -> Value {
    let answer = server.post("/auth/login", &json!({ "email": "ada@example.org", "password": PASSWORD }));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn refresh(server: &Server, tokens: &Value) -> u16 {
    server.post("/auth/refresh", &json!({ "refresh_token": tokens["refresh_token"] })).status
}

#[test]
fn list_and_revoke() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let server = place.serve();
    let (first, second, third) = (sign_in(&server), sign_in(&server), sign_in(&server));
    let list = || place.run(&["session", "list", "--user", "ada@example.org", "--json"]).ok().json();
    let listed = list();
    let ids: Vec<&Value> = listed.as_array().expect("a list").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&third["session_id"], &second["session_id"], &first["session_id"]]);
    assert_eq!(listed[0]["address"], "127.0.0.1");

    let id = second["session_id"].as_str().expect("an id");
    place.run(&["session", "revoke", id]).ok();
    assert_eq!((refresh(&server, &first), refresh(&server, &second)), (200, 401));
    let line = place.run(&["session", "revoke", id]).failed(1);
    assert!(line.starts_with(&format!("there is no live session {id}; ")), "{line}");

    let all = ["session", "revoke", "--user", "ada@example.org", "--all", "--json"];
    assert_eq!(place.run(&all).ok().json(), json!({ "revoked": 2 }));
    assert_eq!((refresh(&server, &first), refresh(&server, &third)), (401, 401));
    assert_eq!(list(), json!([]));
}

#[test]
fn purge_counts_what_it_deletes() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    assert_eq!(place.run(&["purge", "--json"]).ok().json(), json!({ "deleted": 0 }));
}
