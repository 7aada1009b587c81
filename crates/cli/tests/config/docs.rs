//! `docs/configuration.md` describes every key, as it is.

use std::collections::BTreeMap;

use portcullis::config::KEYS;

use crate::support::Given;

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// The page's part under each key's heading.
fn parts() -> BTreeMap<&'static str, &'static str> {
    let parts = PAGE.split("\n### `").skip(1);
    parts
        .map(|part| {
            let (name, rest) = part.split_once("`\n").expect("a heading is one key");
            (name, rest.split("\n## ").next().unwrap_or(rest))
        })
        .collect()
}

fn line_of<'a>(part: &'a str, label: &str) -> &'a str {
    let line = part.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("no line {label:?} in {part}"))
}

#[test]
fn the_page_and_the_table_have_the_same_keys_in_the_same_order() {
    let headings: Vec<&str> =
        PAGE.split("\n### `").skip(1).filter_map(|part| part.split('`').next()).collect();
    let names: Vec<&str> = KEYS.iter().map(|spec| spec.name).collect();
    assert_eq!(headings, names);
}

#[test]
fn defaults_and_environment_names_are_those_of_the_table() {
    let parts = parts();
    for spec in KEYS {
        let part = parts[spec.name];
        assert_eq!(line_of(part, "- Environment: "), format!("`{}`", spec.env_name()), "{}", spec.name);
        let default = line_of(part, "- Default: ");
        match spec.default {
            Some("") => assert_eq!(default, "empty", "{}", spec.name),
            Some(text) => assert_eq!(default, format!("`{text}`"), "{}", spec.name),
            None => assert!(!default.starts_with('`'), "{} has no fixed default", spec.name),
        }
        if let Some(file) = spec.file_name() {
            assert!(part.contains(&format!("`{file}`")), "{file} is not named");
        }
    }
}

#[test]
fn every_example_loads() {
    for (name, part) in parts() {
        let example = line_of(part, "- Example: ").trim_matches('`');
        let section = name.rsplit_once('.').map_or(name, |(section, _)| section).replace("<name>", "acme");
        let given = Given::toml(&format!("[{section}]\n{example}"))
            .with("blocklist.txt", "password\n")
            .with("secret", "0123456789abcdef0123456789abcdef")
            .with("signing.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        // A cookie's domain is one of the public URL's.
        let cookie = name.starts_with("cookies.");
        let given = if cookie { given.flag("server.public_url", "https://auth.example.com") } else { given };
        // Whoever sends mail says whom it is from.
        let given = if name == "email.url" { given.flag("email.from", "a@example.com") } else { given };
        let given = if name == "registration.hook_url" {
            given.flag("registration.hook_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        } else {
            given
        };
        let given = if name == "registration.allowed_domains" {
            given.flag("registration.require_email_verification", "true")
        } else {
            given
        };
        // A trial is one of a plan.
        let given = if name == "registration.trial_days" {
            given.flag("registration.default_plan", "a")
        } else {
            given
        };
        let given = match name.strip_prefix("providers.<name>.") {
            Some(key) => with_the_rest_of_a_provider(given, key),
            None => given,
        };
        let shown = given.load().unwrap_or_else(|error| panic!("{example}: {error}")).show();
        let set = shown.iter().any(|key| key.origin.to_string().ends_with(":2"));
        assert!(set, "{example} sets nothing");
    }
}

/// What a provider needs beside one key.
fn with_the_rest_of_a_provider(given: Given, example: &str) -> Given {
    let kind = match example {
        "hosted_domain" => "google",
        "tenant" => "microsoft",
        "issuer" => "oidc",
        key if ["kind", "title", "client_id", "client_secret", "scopes"].contains(&key) => "google",
        _ => "oauth2",
    };
    let common = [("kind", kind), ("client_id", "us"), ("client_secret", "a secret")];
    let of_oauth2 = [
        ("authorization_endpoint", "https://id.example.com/authorize"),
        ("token_endpoint", "https://id.example.com/token"),
        ("userinfo_endpoint", "https://id.example.com/me"),
        ("profile.subject", "/id"),
        ("profile.email", "/email"),
    ];
    let of_kind = of_oauth2.iter().filter(|_| kind == "oauth2");
    let rest = common.iter().chain(of_kind).filter(|(key, _)| *key != example);
    rest.fold(given, |given, (key, value)| given.flag(&format!("providers.acme.{key}"), value))
}
