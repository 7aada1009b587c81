//! `portcullis config show`.

use portcullis::config::KEYS;
use serde_json::json;

use crate::support::{Given, printed};

#[test]
fn every_key_is_shown_once_and_in_order() {
    let shown: Vec<String> = Given::nothing().loaded().show().into_iter().map(|key| key.key).collect();
    let names: Vec<&str> = KEYS.iter().map(|spec| spec.name).filter(|name| !name.contains('<')).collect();
    assert_eq!(shown, names);
}

#[test]
fn values_have_their_type_and_origin() {
    let loaded =
        Given::toml("[server]\nhosts = [\"a.example\"]\n[tokens.claims]\nlevel = 3\nplan = \"account.plan\"")
            .env("PORTCULLIS_SERVER__SECRET_KEY", "0123456789abcdef0123456789abcdef")
            .flag("database.url", "postgres://u:pw@h/db")
            .loaded();
    let shown = serde_json::to_value(loaded.show()).expect("plain values");
    let of = |key: &str| {
        let all = shown.as_array().expect("a list");
        all.iter().find(|shown| shown["key"] == key).cloned().expect(key)
    };
    let expected = [
        ("server.hosts", json!(["a.example"]), "portcullis.toml:2"),
        ("server.secret_key", json!("********"), "environment PORTCULLIS_SERVER__SECRET_KEY"),
        ("database.url", json!("postgres://u:********@h/db"), "flag --database.url"),
        ("tokens.claims.level", json!(3), "portcullis.toml:4"),
        ("tokens.claims.plan", json!("account.plan"), "portcullis.toml:5"),
        ("tokens.issuer", json!("http://localhost:8400"), "default"),
        ("tokens.audience", json!(["http://localhost:8400"]), "default"),
        ("tokens.key_rotation", json!("off"), "default"),
        ("tokens.refresh_grace", json!("60s"), "default"),
        ("rate_limit.login", json!("10/min"), "default"),
        ("rate_limit.enabled", json!(true), "default"),
        ("server.max_connections", json!(null), "default"),
    ];
    for (key, value, origin) in expected {
        assert_eq!(of(key), json!({"key": key, "value": value, "origin": origin}));
    }
}

#[test]
fn lines_for_people() {
    let lines = printed(&Given::nothing().flag("server.hosts", "a,b").loaded());
    for line in [
        "server.listen = \"127.0.0.1:8400\"  # default",
        "server.hosts = [\"a\",\"b\"]  # flag --server.hosts",
        "# server.secret_key is unset",
        "password.min_length = 15  # default",
    ] {
        assert!(lines.lines().any(|shown| shown == line), "{line} is not in {lines}");
    }
}

#[test]
fn what_is_shown_loads_again_to_the_same() {
    let first = Given::nothing().loaded();
    let again = Given::toml(&printed(&first)).loaded();
    let values = |shown: Vec<portcullis::config::ShownKey>| {
        shown.into_iter().map(|key| (key.key, key.value)).collect::<Vec<_>>()
    };
    assert_eq!(values(again.show()), values(first.show()));
}
