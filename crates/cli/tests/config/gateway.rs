//! `[gateway]`: its apps, its own rules between keys, and how they are shown.

use portcullis::config::GatewayCsrf;
use portcullis_core::access::{HostPattern, Prefix};

use crate::support::{Given, printed};

#[test]
fn everything_can_be_set() {
    let config = Given::toml(
        r#"[tokens]
        issuer = "https://auth.example.com"
        [gateway]
        listen = "[::]:80"
        public_url = "https://app.example.com"
        reach_at = "http://portcullis:8400"
        secret_key = "0123456789abcdef0123456789abcdef"
        require_sign_in = true
        access_code = "open sesame"
        csrf = "token"
        replay_limit = "1 MiB"
        max_body = "100MiB"
        upstream_timeout = "5m"
        [[gateway.upstream]]
        url = "http://127.0.0.1:3000"
        [[gateway.upstream]]
        host = "*.Example.com"
        path = "/api/"
        url = "h2c://app:50051"
        [[gateway.rules]]
        require = "signed-in"
        audience = "https://app.example.com""#,
    )
    .good();
    let gateway = config.gateway;
    assert_eq!((gateway.listen.port(), gateway.public_url.as_str()), (80, "https://app.example.com"));
    assert_eq!(
        (gateway.issuer.as_str(), gateway.audience.as_str()),
        ("https://auth.example.com", "https://auth.example.com/upstream")
    );
    assert_eq!(gateway.reach_at.as_deref(), Some("http://portcullis:8400"));
    assert!(gateway.secret_key.is_some() && gateway.require_sign_in && gateway.access_code.is_some());
    assert_eq!(
        (gateway.csrf, gateway.replay_limit, gateway.max_body),
        (GatewayCsrf::Token, 1 << 20, Some(100 << 20))
    );
    assert_eq!(gateway.rules[0].audience.as_deref(), Some("https://app.example.com"));
    let [one, other] = &*gateway.upstreams else { panic!("{:?}", gateway.upstreams) };
    assert_eq!((&one.host, &one.path, one.url.as_str()), (&None, &Prefix::ROOT, "http://127.0.0.1:3000/"));
    assert_eq!(other.host, Some(HostPattern::Under("example.com".into())));
    assert_eq!((other.path.as_str(), other.url.scheme()), ("/api", "h2c"));
}

#[test]
fn one_app_is_one_word() {
    let loaded = Given::nothing().env("PORTCULLIS_GATEWAY__UPSTREAM", "http://127.0.0.1:3000").load();
    let loaded = loaded.expect("good");
    assert_eq!(loaded.config.gateway.upstreams.len(), 1);
    let shown = printed(&loaded);
    assert!(shown.contains("gateway.upstream = \"http://127.0.0.1:3000\""), "{shown}");
    assert!(Given::nothing().good().gateway.upstreams.is_empty());
}

#[test]
fn faults_are_told_with_their_place() {
    for (keys, line) in [
        ("upstream = \"app:3000\"", "is not http, https or h2c"),
        ("upstream = \"http://app/base\"", "has a path, which requests bring along"),
        ("upstream = 1", "is an integer, not a URL and no list of tables"),
        ("upstream = [{ path = \"/a\" }]", "upstream 1: has no url"),
        (
            "upstream = [{ url = \"http://a\", paths = \"/a\" }]",
            "upstream 1: unknown key paths; did you mean path?",
        ),
        (
            "upstream = [{ url = \"http://a\" }, { url = \"http://b\" }]",
            "upstream 2 is for the same host and path as 1",
        ),
        ("audience = \"http://localhost:8400\"", "is the issuer, whose API would take the app's token"),
        (
            "rules = [{ require = \"public\", audience = \"http://localhost:8400\" }]",
            "rule 1: audience is the issuer",
        ),
        ("rules = [1]", "write [[gateway.rules]] above its keys"),
        ("csrf = \"off\"", "is not known here"),
        ("access_code = \"1234\"", "is not 6 to 200 characters"),
        ("replay_limit = \"64 KB\"", "is not a size"),
        ("replay_limit = \"1 GiB\"", "choose from 0 to 16 MiB"),
        ("public_url = \"https://app.example.com/x\"", "has a path"),
    ] {
        let error = Given::toml(&format!("[gateway]\n{keys}")).error();
        assert!(error.contains(line), "{keys}: {error}");
        assert!(!error.contains("1234"), "{error}");
    }
}
