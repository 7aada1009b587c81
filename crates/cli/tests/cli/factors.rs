//! `portcullis factor …`

use serde_json::{Value, json};

use crate::support::{PASSWORD, Place};

#[test]
fn list_and_reset() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let list = || place.run(&["factor", "list", "ada@example.org", "--json"]).ok().json();
    assert_eq!(list(), json!([]));
    let reset = ["factor", "reset", "ada@example.org", "--json"];
    assert_eq!(place.run(&reset).ok().json(), json!({ "reset": false }));
    let line = place.run(&["factor", "reset", "bob@example.org"]).failed(1);
    assert!(line.contains("bob@example.org"), "{line}");

    let server = place.serve();
    let answer = server.post("/auth/login", &json!({ "email": "ada@example.org", "password": PASSWORD }));
    let tokens: Value = answer.json();
    assert_eq!((answer.status, &tokens["must_set_up_factor"]), (200, &json!(false)));
}

#[test]
fn roles_that_need_one() {
    let place = Place::new().env("PORTCULLIS_LOGIN__REQUIRE_FACTOR", "admin,auditor");
    place.user("root@example.org", &["--admin"]);
    let server = place.serve();
    let answer = server.post("/auth/login", &json!({ "email": "root@example.org", "password": PASSWORD }));
    assert_eq!((answer.status, &answer.json()["must_set_up_factor"]), (200, &json!(true)));
    let place = Place::new().env("PORTCULLIS_LOGIN__REQUIRE_FACTOR", "Admin!");
    let line = place.run(&["config", "check"]).failed(1);
    assert!(line.contains("login.require_factor"), "{line}");
}
