//! `portcullis user …`

use serde_json::json;

use crate::support::{PASSWORD, Place};

#[test]
fn create_and_list() {
    let place = Place::new();
    let args = ["user", "create", "--email", "ada@example.org", "--name", "Ada L", "--username", "ada"];
    let args = [&args[..], &["--must-change-password", "--password-stdin", "--json"]].concat();
    let made = place.run_with(&args, &format!("{PASSWORD}\n")).ok().json();
    assert_eq!(made["email"], "ada@example.org");
    assert_eq!((&made["name"], &made["username"]), (&json!("Ada L"), &json!("ada")));
    assert_eq!((&made["role"], &made["must_change_password"]), (&json!("user"), &json!(true)));
    assert_eq!((&made["disabled"], &made["last_login_at"]), (&json!(false), &json!(null)));
    let root = place.user("root@example.org", &["--admin"]);
    let listed = place.run(&["user", "list", "--json"]).ok().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    assert_eq!(listed[0], made);
    assert_eq!((&listed[1]["id"], &listed[1]["role"]), (&json!(root), &json!("admin")));
    let table = place.run(&["user", "list"]).ok().stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("EMAIL") && lines.len() == 3, "{table}");
    assert!(lines[1].starts_with("ada@example.org   user   must change password"), "{table}");
}

#[test]
fn a_user_is_named_by_address_name_or_id() {
    let place = Place::new();
    let id = place.user("ada@example.org", &["--username", "ada"]);
    for named in ["ADA@example.org", "ada", &id] {
        let set = place.run(&["user", "set-role", named, "editor", "--json"]).ok().json();
        assert_eq!((&set["user"]["id"], &set["user"]["role"]), (&json!(id), &json!("editor")));
    }
    let line = place.run(&["user", "disable", "eve@example.org"]).failed(1);
    assert_eq!(line, "there is no user eve@example.org; `portcullis user list` shows all");
}

#[test]
fn disable_enable_and_roles_tell_whether_they_changed_anything() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let run = |args: &[&str]| place.run(args).ok().json();
    let user = "ada@example.org";
    for (args, disabled, changed) in [
        (["user", "disable", user, "--json"], true, true),
        (["user", "disable", user, "--json"], true, false),
        (["user", "enable", user, "--json"], false, true),
        (["user", "enable", user, "--json"], false, false),
    ] {
        let told = run(&args);
        assert_eq!((&told["user"]["disabled"], &told["changed"]), (&json!(disabled), &json!(changed)));
    }
    assert_eq!(run(&["user", "set-role", user, "admin", "--json"])["changed"], true);
    assert_eq!(run(&["user", "set-role", user, "admin", "--json"])["changed"], false);
    let line = place.run(&["user", "disable", user]).failed(1);
    assert_eq!(line, "the last administrator stays; make another one first");
    place.user("root@example.org", &["--admin"]);
    assert_eq!(run(&["user", "disable", user, "--json"])["changed"], true);
    let line = place.run(&["user", "set-role", user, "Not A Role"]).failed(1);
    assert!(line.contains("role"), "{line}");
}

#[test]
fn a_new_password_signs_in_and_the_old_one_does_not() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    let new = "another harbour, another lamp";
    place.run_with(&["user", "set-password", "ada@example.org", "--password-stdin"], new).ok();
    let server = place.serve();
    let login = |password: &str| {
        server.post("/auth/login", &json!({ "email": "ada@example.org", "password": password })).status
    };
    assert_eq!((login(PASSWORD), login(new)), (401, 200));
}

#[test]
fn refusals_say_what_and_how() {
    let place = Place::new();
    place.user("ada@example.org", &["--username", "ada"]);
    let create = |email: &str, more: &[&str], password: &str| {
        let args = [&["user", "create", "--email", email, "--password-stdin"], more].concat();
        place.run_with(&args, password).failed(1)
    };
    assert_eq!(create("Ada@Example.org", &[], PASSWORD), "a user with this e-mail address exists already");
    assert_eq!(
        create("b@example.org", &["--username", "ADA"], PASSWORD),
        "a user with this user name exists already"
    );
    assert_eq!(create("ada", &[], PASSWORD), "Give an e-mail address such as ada@example.org.");
    assert!(create("b@example.org", &[], "short").contains("15"));
    assert_eq!(create("b@example.org", &[], ""), "the password is empty; give one");
    let line = place.run(&["user", "create", "--email", "b@example.org"]).failed(2);
    assert_eq!(
        line,
        "there is no terminal to ask for the password; write it to standard input and add --password-stdin"
    );
}

#[test]
fn what_needs_a_database_makes_none() {
    let place = Place::new();
    let missing = "there is no database data/portcullis.db; start portcullis once, go to its directory, \
                   or correct database.url";
    for args in [
        &["user", "list"][..],
        &["session", "list", "--user", "a"],
        &["key", "list"],
        &["purge"],
        &["backup", "copy.db"],
        &["migrate", "--dry-run"],
    ] {
        assert_eq!(place.run(args).failed(1), missing, "{args:?}");
    }
    assert!(!place.path("data").exists());
}

#[test]
fn deleted_for_good() {
    let place = Place::new();
    place.user("root@example.org", &["--admin"]);
    place.user("ada@example.org", &[]);
    let line = place.run(&["user", "delete", "root@example.org"]).failed(1);
    assert_eq!(line, "the last administrator stays; make another one first");
    assert_eq!(place.run(&["user", "delete", "ada@example.org"]).ok().stdout, "ada@example.org is deleted\n");
    place.run(&["user", "delete", "ada@example.org"]).failed(1);
    let users = place.run(&["user", "list", "--json"]).ok().json();
    assert_eq!(users.as_array().expect("a list").len(), 1);
    place.user("ada@example.org", &[]);
    let deleted = place.run(&["user", "delete", "ada@example.org", "--json"]).ok().json();
    assert_eq!(deleted, serde_json::json!({ "deleted": 1 }));
}
