//! `portcullis backup`, and a restore from it.

use std::fs;

use serde_json::json;

use crate::support::{PASSWORD, Place};

#[test]
fn a_backup_while_serving_can_be_restored() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let server = place.serve();
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    let tokens = server.post("/auth/login", &login).json();
    let told = place.run(&["backup", "copy.db", "--json"]).ok().json();
    assert_eq!(told, json!({ "file": "copy.db", "key": "data/secret_key" }));
    assert_eq!(place.mode("copy.db"), 0o600);
    // Served on as before.
    assert_eq!(server.get("/health/ready").status, 200);
    server.stop();

    let key = place.read("data/secret_key");
    let copy = fs::read(place.path("copy.db")).expect("a file");
    assert!(!copy.windows(64).any(|window| window == &key.as_bytes()[4..68]), "the backup holds the key");

    let restored = Place::new();
    fs::create_dir(restored.path("data")).expect("makes");
    fs::write(restored.path("data/portcullis.db"), copy).expect("writes");
    let line = restored.run(&["user", "list"]).failed(1);
    assert!(line.starts_with("data/secret_key is missing"), "{line}");
    restored.write("data/secret_key", &key);
    let server = restored.serve();
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(server.post("/auth/refresh", &refresh).status, 200);
    assert_eq!(server.post("/auth/login", &login).status, 200);
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left_behind() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    place.write("copy.db", "precious");
    let line = place.run(&["backup", "copy.db"]).failed(1);
    assert_eq!(line, "copy.db exists already; choose another name");
    assert_eq!(place.read("copy.db"), "precious");
    let line = place.run(&["backup", "absent/copy.db"]).failed(1);
    assert!(line.starts_with("absent/copy.db cannot be written: "), "{line}");
    let text = place.run(&["backup", "good.db"]).ok().stdout;
    assert_eq!(text, "good.db is a copy of the database. It holds no key: keep data/secret_key elsewhere.\n");
    let names = fs::read_dir(place.path(".")).expect("a directory");
    let mut names: Vec<_> = names.map(|name| name.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["copy.db", "data", "good.db"]);
}
