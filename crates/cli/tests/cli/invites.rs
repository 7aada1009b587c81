//! `portcullis invite …`, beside a server that runs on the same database.

use serde_json::{Value, json};

use crate::support::Place;

const PASSWORD: &str = "seven purple gates";

#[test]
fn create_list_use_and_revoke() {
    let place = Place::new().env("PORTCULLIS_REGISTRATION__MODE", "invite");
    let server = place.serve();
    let args = ["invite", "create", "--email", "Ada@example.org", "--plan", "pro", "--trial-days", "14"];
    let made = place.run(&[&args[..], &["--expires-in", "36h", "--json"]].concat()).ok().json();
    for (name, value) in [
        ("status", json!("open")),
        ("email", json!("Ada@example.org")),
        ("plan", json!("pro")),
        ("trial_days", json!(14)),
        ("uses", json!(1)),
        ("created_by", Value::Null),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    let register = |name: &str, code: &Value| {
        let body = json!({"email": format!("{name}@example.org"), "password": PASSWORD, "invite_code": code});
        server.post("/auth/register", &body)
    };
    assert_eq!(register("bob", &made["code"]).json()["code"], "invite_email_mismatch");
    let registered = register("ada", &made["code"]);
    assert_eq!(registered.status, 201, "{}", registered.body);
    assert_eq!(register("ada", &made["code"]).json()["code"], "invite_used");

    let text = place.run(&["invite", "create", "--uses", "5"]).ok().stdout;
    assert!(text.ends_with("is not shown again.\n"), "{text}");
    let listed = place.run(&["invite", "list", "--json"]).ok();
    let code = made["code"].as_str().expect("once");
    assert!(!listed.stdout.contains(code), "{}", listed.stdout);
    let listed = listed.json();
    assert_eq!((&listed[0]["status"], &listed[1]["status"]), (&json!("open"), &json!("used")));
    let table = place.run(&["invite", "list"]).ok().stdout;
    assert!(table.lines().any(|line| line.contains("0 of 5") && line.contains("anybody")), "{table}");
    let id = listed[0]["id"].as_str().expect("an id");
    assert_eq!(place.run(&["invite", "revoke", id, "--json"]).ok().json(), json!({ "revoked": 1 }));
    let line = place.run(&["invite", "revoke", id]).failed(1);
    assert!(line.contains("revoked already"), "{line}");
    let line = place.run(&["invite", "create", "--trial-days", "3"]).failed(1);
    assert!(line.contains("registration.default_plan"), "{line}");
    assert!(!place.read("server.log").contains(code), "the log holds the code");
}
