//! Which layer wins, and how each is written.

use portcullis::config::{ClaimSource, Origin};

use crate::support::Given;

#[test]
fn a_later_layer_wins() {
    let listen = |given: Given| given.good().server.listen.port();
    let toml = "[server]\nlisten = \"127.0.0.1:1\"";
    let variable = "PORTCULLIS_SERVER__LISTEN";
    assert_eq!(listen(Given::nothing()), 8400);
    assert_eq!(listen(Given::toml(toml)), 1);
    assert_eq!(listen(Given::toml(toml).env(variable, "127.0.0.1:2")), 2);
    let all = Given::toml(toml).env(variable, "127.0.0.1:2").flag("server.listen", "127.0.0.1:3");
    assert_eq!(listen(all), 3);
}

#[test]
fn layers_mix_key_by_key() {
    let given = Given::toml("[server]\nlisten = \"127.0.0.1:1\"\nheader_timeout = \"5s\"")
        .env("PORTCULLIS_SERVER__REQUEST_TIMEOUT", "7s")
        .flag("server.shutdown_grace", "0");
    let loaded = given.loaded();
    let server = &loaded.config.server;
    assert_eq!(server.listen.port(), 1);
    assert_eq!((server.header_timeout.as_secs(), server.request_timeout.as_secs()), (5, 7));
    assert!(server.shutdown_grace.is_zero());
    let origin = |key: &str| loaded.origins[key].to_string();
    assert_eq!(origin("server.header_timeout"), "portcullis.toml:3");
    assert_eq!(origin("server.request_timeout"), "environment PORTCULLIS_SERVER__REQUEST_TIMEOUT");
    assert_eq!(origin("server.shutdown_grace"), "flag --server.shutdown_grace");
    assert_eq!(loaded.origins["server.public_url"], Origin::Default);
    assert_eq!(loaded.origins["tokens.issuer"], Origin::Default);
    assert_eq!(loaded.origins.get("server.secret_key"), None);
}

#[test]
fn lists_in_toml_environment_and_flags() {
    let hosts = |given: Given| given.good().server.hosts;
    assert_eq!(
        hosts(Given::toml("[server]\nhosts = [\"A.example\", \"b.example:81\"]")),
        ["a.example", "b.example:81"]
    );
    let env = |value: &str| Given::nothing().env("PORTCULLIS_SERVER__HOSTS", value);
    assert_eq!(hosts(env("a.example, b.example:81,")), ["a.example", "b.example:81"]);
    assert_eq!(hosts(env("")), Vec::<String>::new());
    assert_eq!(
        hosts(env("a.example").flag("server.hosts", "c.example,d.example")),
        ["c.example", "d.example"]
    );
}

#[test]
fn the_last_of_a_flag_wins() {
    let given = Given::nothing().flag("server.listen", "127.0.0.1:1").flag("server.listen", "127.0.0.1:2");
    assert_eq!(given.good().server.listen.port(), 2);
}

#[test]
fn claims_come_together_from_all_layers() {
    let given = Given::toml(
        "[tokens.claims]\nplan = \"account.plan\"\nlevel = 3\nbeta = true\ntenant = \"a\"\n\"https://x.example/c\" = \"y\"",
    )
    .env("PORTCULLIS_TOKENS__CLAIMS__USER_ID", "user.legacy_id:number")
    .env("PORTCULLIS_TOKENS__CLAIMS__legacyId", "user.legacy_id")
    .env("PORTCULLIS_TOKENS__CLAIMS__TENANT", "b")
    .flag("tokens.claims.team", "blue");
    let expected = [
        ("beta", ClaimSource::Boolean(true)),
        ("https://x.example/c", ClaimSource::Text("y".to_owned())),
        ("legacyId", ClaimSource::LegacyId),
        ("level", ClaimSource::Integer(3)),
        ("plan", ClaimSource::AccountPlan),
        ("team", ClaimSource::Text("blue".to_owned())),
        ("tenant", ClaimSource::Text("b".to_owned())),
        ("user_id", ClaimSource::LegacyIdNumber),
    ];
    let claims = given.good().tokens.claims;
    assert_eq!(
        claims.into_iter().collect::<Vec<_>>(),
        expected.map(|(name, source)| (name.to_owned(), source))
    );
}

#[test]
fn dotted_keys_and_inline_tables_are_sections_too() {
    let given = Given::toml(
        "server.listen = \"127.0.0.1:1\"\ntokens = { claims = { a = \"b\" }, access_ttl = \"5m\" }",
    );
    let config = given.good();
    assert_eq!(config.server.listen.port(), 1);
    assert_eq!(config.tokens.claims["a"], ClaimSource::Text("b".to_owned()));
}

#[test]
fn other_variables_are_left_alone() {
    let given = Given::nothing()
        .env("PATH", "/bin")
        .env("PORTCULLIS_PORT", "tcp://10.0.0.1:8400")
        .env("PORTCULLIS_SERVICE_HOST", "10.0.0.1")
        .env("OTHER__THING", "x");
    assert_eq!(given.good().server.listen.port(), 8400);
}

#[test]
fn issuer_and_audience_follow_what_they_are_worked_out_from() {
    let tokens = Given::nothing().flag("server.public_url", "https://auth.example.com/").good().tokens;
    assert_eq!(
        (tokens.issuer.as_str(), tokens.audience),
        ("https://auth.example.com", vec!["https://auth.example.com".to_owned()])
    );
    let tokens = Given::nothing().flag("tokens.issuer", "https://id.example.com/t/").good().tokens;
    assert_eq!(
        (tokens.issuer.as_str(), tokens.audience),
        ("https://id.example.com/t/", vec!["https://id.example.com/t/".to_owned()])
    );
    let tokens = Given::nothing().flag("tokens.audience", "api,web").good().tokens;
    assert_eq!(tokens.audience, ["api", "web"]);
}

#[test]
fn off_unsets_what_an_earlier_layer_set() {
    let toml = "[telemetry]\nlisten = \"127.0.0.1:9\"\n[tokens]\nkey_rotation = \"90d\"";
    let config = Given::toml(toml).good();
    assert!(config.telemetry.listen.is_some() && config.tokens.key_rotation.is_some());
    let off = Given::toml(toml)
        .env("PORTCULLIS_TELEMETRY__LISTEN", "off")
        .env("PORTCULLIS_TOKENS__KEY_ROTATION", "off");
    let config = off.good();
    assert!(config.telemetry.listen.is_none() && config.tokens.key_rotation.is_none());
}
