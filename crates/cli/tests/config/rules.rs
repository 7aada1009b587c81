//! `[[forward_auth.rules]]`: what is refused, and how it is shown.

use crate::support::{Given, printed};

fn error(rule: &str) -> String {
    let line =
        Given::toml(&format!("[[forward_auth.rules]]\nrequire = \"public\"\n[[forward_auth.rules]]\n{rule}"));
    let error = line.error();
    let rest = error.strip_prefix("portcullis.toml:1: forward_auth.rules = […]: rule 2: ");
    rest.unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn each_fault_names_its_rule_and_key() {
    for (rule, line) in [
        (
            "path = \"/a\"",
            "has no require; write \"public\", \"signed-in\", \"role:admin\", \"scope:read\", \"fresh:10m\", or a list of these",
        ),
        ("paths = \"/a\"", "unknown key paths; did you mean path?"),
        ("colour = \"red\"", "unknown key colour; a rule has host, path, methods, require, audience"),
        ("path = \"admin\"", "path = \"admin\" does not begin with /; write it as \"/admin\""),
        (
            "path = \"/a/../b\"",
            "path = \"/a/../b\" holds an empty segment, or one that begins or ends with dots; write plain segments between single slashes",
        ),
        ("path = 1", "path is an integer, not a string; write it in quotes"),
        ("methods = [\"get\"]", "method \"get\" is none; write it in capitals, such as \"GET\""),
        ("methods = []", "methods is empty; give a value or leave the key out"),
        (
            "audience = \"\"",
            "audience = \"\" is no audience; use 1 to 256 visible ASCII characters, such as a URL or a service's name",
        ),
        (
            "require = [\"public\", \"role:admin\"]",
            "require asks for nobody and somebody; let \"public\" stand alone",
        ),
        (
            "require = \"fresh:soon\"",
            "require = \"fresh:soon\": \"soon\" is not a duration; write a whole number with a unit, such as \"500ms\", \"60s\", \"15m\", \"12h\" or \"30d\"",
        ),
    ] {
        assert_eq!(error(rule), line);
    }
    for text in [
        "",
        "Public",
        "role",
        "role:",
        "role:a|",
        "role:a b",
        "scope:",
        "admin",
        "signed-in:x",
        "public:x",
        "fresh",
    ] {
        assert!(error(&format!("require = {text:?}")).starts_with("require = "), "{text}");
    }
    for host in ["", "https://a", "a:80", "a/b", "*", "a.*"] {
        assert!(error(&format!("host = {host:?}")).contains("is no host"), "{host}");
    }
    for path in ["/a b", "/a%20b", "/a;b", "/a?b", "/a#b", "/ü"] {
        let line = error(&format!("path = {path:?}"));
        assert!(line.contains("holds a character that services read differently"), "{line}");
    }
}

#[test]
fn only_the_file_holds_tables() {
    let refused = "forward_auth.rules = \"/a\": cannot be given as text; \
                   write [[forward_auth.rules]] in the configuration file";
    let env = Given::nothing().env("PORTCULLIS_FORWARD_AUTH__RULES", "/a");
    assert_eq!(env.error(), format!("environment PORTCULLIS_FORWARD_AUTH__RULES: {refused}"));
    let flag = Given::nothing().flag("forward_auth.rules", "/a");
    assert_eq!(flag.error(), format!("flag --forward_auth.rules: {refused}"));
    for (text, problem) in [
        ("rules = \"/a\"", "is a string, not a list of tables; write [[forward_auth.rules]] above each"),
        ("rules = [1]", "rule 1: is an integer, not a table; write [[forward_auth.rules]] above its keys"),
    ] {
        let line = Given::toml(&format!("[forward_auth]\n{text}")).error();
        assert!(line.ends_with(problem), "{line}");
    }
}

#[test]
fn no_service_is_given_a_token_that_we_take() {
    let rule = "[[forward_auth.rules]]\nrequire = \"public\"\naudience = \"https://auth.example\"";
    let given = Given::toml(rule).flag("tokens.issuer", "https://auth.example");
    assert_eq!(
        given.error(),
        "portcullis.toml:1: forward_auth.rules = […]: rule 1: audience is the issuer; \
         name the service behind the proxy"
    );
}

#[test]
fn what_is_shown_loads_again() {
    let rule = "[[forward_auth.rules]]\nhost = \"a.example\"\npath = \"/a\"\nmethods = [\"GET\"]\nrequire = [\"role:x\", \"fresh:1m\"]\n";
    let first = Given::toml(&format!("{rule}{rule}")).loaded();
    let text = printed(&first);
    let line = r#"forward_auth.rules = [{host = "a.example","#;
    assert!(text.lines().any(|shown| shown.starts_with(line)), "{text}");
    assert_eq!(Given::toml(&text).good().forward_auth.rules, first.config.forward_auth.rules);
}

#[test]
fn the_other_keys_of_forward_auth() {
    for (key, value, line) in [
        ("forward_auth.style", "apache", "is not known here; allowed: nginx, traefik, caddy, envoy"),
        ("revocations.stale", "maybe", "is not known here; allowed: serve, refuse"),
        (
            "cookies.domain",
            ".example.com",
            "is no domain; write one such as \"example.com\", without a dot in front",
        ),
        ("cookies.domain", "com", "is no domain; write one such as \"example.com\", without a dot in front"),
        (
            "cookies.domain",
            "other.example",
            "is not a domain of server.public_url; name one that its host is in",
        ),
        ("cookies.domain", "ample.com", "is not a domain of server.public_url; name one that its host is in"),
        (
            "csrf.trusted_origins",
            "https://a/b",
            "has a path; write scheme and host, such as \"https://app.example.com\"",
        ),
        (
            "csrf.trusted_origins",
            "*",
            "is not a URL; write scheme and host, such as \"https://app.example.com\"",
        ),
        (
            "server.cors_origins",
            "*",
            "is not a URL; write scheme and host, such as \"https://app.example.com\"",
        ),
        ("cookies.same_site", "off", "is not known here; allowed: lax, strict, none"),
        (
            "cookies.same_site",
            "none",
            "sends our cookies along from every site, and none is listed that may use them; list the origins of \
             your pages in csrf.trusted_origins, or use lax",
        ),
        (
            "cookies.path",
            "auth",
            "is no path; begin it with \"/\", without `;` and spaces, such as \"/auth\"",
        ),
        (
            "cookies.path",
            "/a;Domain=evil",
            "is no path; begin it with \"/\", without `;` and spaces, such as \"/auth\"",
        ),
        (
            "server.return_urls",
            "/path",
            "is not a URL; write an origin such as \"https://app.example.com\", or the whole URL of one page",
        ),
        (
            "server.return_urls",
            "https://a/b#c",
            "has a fragment; write an origin such as \"https://app.example.com\", or the whole URL of one page",
        ),
        (
            "forward_auth.listen",
            "8401",
            "is not an address and port; write one such as \"127.0.0.1:8400\", \"0.0.0.0:8400\" or \"[::]:8400\"",
        ),
    ] {
        let given = Given::nothing().flag("server.public_url", "https://auth.example.com").flag(key, value);
        assert_eq!(given.error(), format!("flag --{key}: {key} = {value:?}: {line}"));
    }
}

#[test]
fn cookies_for_every_site_need_https() {
    let given = Given::nothing()
        .flag("csrf.trusted_origins", "https://app.example.com")
        .flag("cookies.same_site", "none");
    assert_eq!(
        given.error(),
        "flag --cookies.same_site: cookies.same_site = \"none\": needs https: browsers drop such cookies otherwise; \
         give server.public_url an https URL, or use lax"
    );
}
