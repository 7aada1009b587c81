//! `portcullis settings …`, beside a server that runs on the same database.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Place, Server};

fn is_open(server: &Server) -> bool {
    server.get("/auth/config").json()["registration"]["open"] == true
}

/// The server hears of it from the database.
fn until(server: &Server, open: bool) {
    let since = Instant::now();
    while is_open(server) != open {
        assert!(since.elapsed() < Duration::from_secs(10), "the server has not heard of it");
        std::thread::yield_now();
    }
}

#[test]
fn list_set_and_unset() {
    let place = Place::new().env("PORTCULLIS_BOTS__MAX_PER_USER", "3");
    let server = place.serve();
    assert!(is_open(&server));
    let line = place.run(&["settings", "set", "registration_mode", "closed"]).ok().stdout;
    assert_eq!(line, "registration_mode is closed\n");
    until(&server, false);

    let listed = place.run(&["settings", "list", "--json"]).ok().json();
    assert_eq!(listed[0]["name"], "registration_mode");
    for (member, value) in [
        ("value", json!("closed")),
        ("default", json!("open")),
        ("overridden", json!(true)),
        ("updated_by", json!(null)),
    ] {
        assert_eq!(listed[0][member], value, "{member}");
    }
    let table = place.run(&["settings", "list"]).ok().stdout;
    assert!(table.lines().any(|line| line.contains("max_bots_per_user") && line.contains(" 3 ")), "{table}");
    let doctor = place.run(&["doctor"]).stdout;
    assert!(doctor.contains("settings: registration_mode = \"closed\" (configured: \"open\")"), "{doctor}");

    let set = place.run(&["settings", "set", "max_bots_per_user", "7", "--json"]).ok().json();
    assert_eq!((&set["value"], &set["default"]), (&json!(7), &json!(3)));
    let line = place.run(&["settings", "unset", "registration_mode"]).ok().stdout;
    assert_eq!(line, "registration_mode is open, as configured\n");
    until(&server, true);
}

#[test]
fn the_role_of_who_is_made() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    place.run(&["settings", "set", "default_role", "guest"]).ok();
    place.user("bob@example.org", &[]);
    let users = place.run(&["user", "list", "--json"]).ok().json();
    assert_eq!((&users[0]["role"], &users[1]["role"]), (&json!("user"), &json!("guest")));
}

#[test]
fn what_it_may_be_told() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    for (name, value, line) in [
        ("access_ttl", "5m", "there is no setting of this name; portcullis settings list shows all"),
        ("registration_mode", "shut", "Use one of `open`, `invite`, `closed`."),
        ("max_bots_per_user", "many", "Use a whole number from 0 to 1000."),
        ("impersonation_notify", "1", "Use `true` or `false`."),
    ] {
        assert_eq!(place.run(&["settings", "set", name, value]).failed(1), line);
    }
    place.run(&["settings", "unset", "access_ttl"]).failed(1);
}
