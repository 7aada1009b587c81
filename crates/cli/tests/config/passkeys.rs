//! `[passkeys]`: worked out of `server.public_url`, and held to it.

use crate::support::Given;

fn at(public_url: &str) -> Given {
    Given::nothing().flag("server.public_url", public_url)
}

#[test]
fn they_are_made_for_the_host_of_the_public_url() {
    let config = Given::nothing().good();
    assert_eq!(config.passkeys.rp_id.as_deref(), Some("localhost"));
    assert_eq!(config.passkeys.origins, ["http://localhost:8400"]);
    let config = at("https://auth.example.com").good();
    assert_eq!(config.passkeys.rp_id.as_deref(), Some("auth.example.com"));
    assert_eq!(config.passkeys.origins, ["https://auth.example.com"]);
}

#[test]
fn an_address_has_none() {
    for url in ["http://127.0.0.1:8400", "http://[::1]:8400", "https://192.0.2.1"] {
        let config = at(url).good();
        assert_eq!(config.passkeys.rp_id, None, "{url}");
    }
}

#[test]
fn a_wider_domain_takes_other_hosts() {
    let given = at("https://auth.example.com").flag("passkeys.rp_id", "Example.com");
    let config = given.flag("passkeys.origins", "https://App.example.com,https://example.com").good();
    assert_eq!(config.passkeys.rp_id.as_deref(), Some("example.com"));
    let origins = ["https://auth.example.com", "https://app.example.com", "https://example.com"];
    assert_eq!(config.passkeys.origins, origins);
}

#[test]
fn what_browsers_would_not_take_is_refused() {
    const ELSEWHERE: &str =
        "is not a domain of server.public_url; name one that its host is in, or leave it out";
    for (url, key, value, line) in [
        ("https://auth.example.com", "passkeys.rp_id", "other.example", ELSEWHERE),
        ("https://auth.example.com", "passkeys.rp_id", "ample.com", ELSEWHERE),
        ("https://auth.example.com", "passkeys.rp_id", "www.auth.example.com", ELSEWHERE),
        (
            "https://auth.example.com",
            "passkeys.rp_id",
            "com",
            "is no domain; write one such as \"example.com\", without a dot in front",
        ),
        (
            "https://auth.example.com",
            "passkeys.origins",
            "https://app.example.com",
            "is not within passkeys.rp_id (auth.example.com), which its browsers would not take; list origins of that \
             domain, or set passkeys.rp_id to one that holds them all",
        ),
        (
            "http://127.0.0.1:8400",
            "passkeys.origins",
            "http://127.0.0.1:3000",
            "is of no use while passkeys are off: server.public_url names an address; give server.public_url a host name",
        ),
    ] {
        let error = at(url).flag(key, value).error();
        assert_eq!(error, format!("flag --{key}: {key} = {value:?}: {line}"));
    }
}
