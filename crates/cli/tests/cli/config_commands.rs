//! `portcullis config …`, and what a wrong configuration does to every command.

use crate::support::Place;

#[test]
fn a_wrong_configuration_stops_every_command_with_one_line() {
    let place = Place::new();
    place.write("portcullis.toml", "[server]\nlisen = \"127.0.0.1:0\"\n");
    let line = "portcullis.toml:2: unknown key server.lisen; did you mean server.listen?";
    for args in
        [&["serve"][..], &[], &["user", "list"], &["doctor"], &["config", "check"], &["config", "show"]]
    {
        assert_eq!(place.run(args).failed(1), line, "{args:?}");
    }
    place.write("other.toml", "[tokens]\naccess_ttl = \"soon\"\n");
    let line = place.run(&["migrate", "--config", "other.toml"]).failed(1);
    assert!(
        line.starts_with("other.toml:2: tokens.access_ttl = \"soon\": is not a duration; write "),
        "{line}"
    );
    let line = place.run(&["--config", "absent.toml", "migrate"]).failed(1);
    assert!(line.starts_with("flag --config: config = \"absent.toml\": cannot be read: "), "{line}");
}

#[test]
fn check_finds_what_only_use_would_show() {
    let place = Place::new();
    assert_eq!(place.run(&["config", "check"]).ok().stdout, "The configuration is good.\n");
    for (name, value, line) in [
        (
            "PORTCULLIS_TOKENS__PRIVATE_KEY",
            "-----BEGIN PRIVATE KEY-----\\nc2VzYW1l\\n-----END PRIVATE KEY-----",
            "environment PORTCULLIS_TOKENS__PRIVATE_KEY: tokens.private_key = \"********\": \
             the key's content is damaged or does not fit its label; export it again from where it was made",
        ),
        (
            "PORTCULLIS_TOKENS__CLAIMS__USER_ID",
            "user.legacy_id:number",
            "environment PORTCULLIS_TOKENS__CLAIMS__USER_ID: tokens.claims.user_id = \"user.legacy_id:number\": \
             is a source that comes in a later version; leave it out, or give a static value",
        ),
    ] {
        let place = Place::new().env(name, value);
        for args in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            assert_eq!(place.run(args).failed(1), line);
        }
        assert!(!place.path("data").exists(), "a start that was refused made something");
    }
}

#[test]
fn show_masks_secrets_and_says_where_values_came_from() {
    let place = Place::new()
        .env("PORTCULLIS_SERVER__SECRET_KEY", "sesame sesame sesame sesame sesame")
        .env("PORTCULLIS_DATABASE__URL", "postgres://u:sesame@h/db");
    place.write("portcullis.toml", "[server]\nlisten = \"127.0.0.1:9000\"\n");
    let text = place.run(&["config", "show"]).ok().stdout;
    for line in [
        "server.listen = \"127.0.0.1:9000\"  # portcullis.toml:2\n",
        "server.secret_key = \"********\"  # environment PORTCULLIS_SERVER__SECRET_KEY\n",
        "database.url = \"postgres://u:********@h/db\"  # environment PORTCULLIS_DATABASE__URL\n",
        "tokens.access_ttl = \"15m\"  # default\n",
    ] {
        assert!(text.contains(line), "{line} is missing: {text}");
    }
    let json = place.run(&["config", "show", "--json"]).ok();
    assert!(!text.contains("sesame") && !json.stdout.contains("sesame"));
    assert_eq!(json.json()[0]["key"], "server.listen");
}

#[test]
fn static_claims_are_in_every_token() {
    let place = Place::new();
    place.write("portcullis.toml", "[tokens.claims]\ntenant = \"north\"\nlevel = 3\n");
    place.user("ada@example.org", &[]);
    let server = place.serve();
    let login = serde_json::json!({ "email": "ada@example.org", "password": crate::support::PASSWORD });
    let tokens = server.post("/auth/login", &login).json();
    let token = tokens["access_token"].as_str().expect("a token").to_owned();
    // The answer of a claim that Portcullis sets itself stands beside them.
    let payload = token.split('.').nth(1).expect("three parts");
    let payload = base64url(payload);
    for member in ["\"tenant\":\"north\"", "\"level\":3", "\"iss\":\"http://localhost:8400\""] {
        assert!(payload.contains(member), "{member} is missing: {payload}");
    }
}

/// RFC 4648 section 5, of text.
fn base64url(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.bytes() {
        let six = DIGITS.iter().position(|known| *known == digit).expect("a digit");
        bits = bits << 6 | six as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
