//! Each refusal, word for word: where, key, value, what is wrong, what to do.

use crate::support::Given;

fn toml(text: &str) -> String {
    Given::toml(text).error()
}

fn env(name: &str, value: &str) -> String {
    Given::nothing().env(name, value).error()
}

fn flag(key: &str, value: &str) -> String {
    Given::nothing().flag(key, value).error()
}

#[test]
fn unknown_keys_of_the_file() {
    for (text, line) in [
        ("[server]\n\nlisen = 1", "portcullis.toml:3: unknown key server.lisen; did you mean server.listen?"),
        (
            "[server]\nsecret_key_fle = 1",
            "portcullis.toml:2: unknown key server.secret_key_fle; did you mean server.secret_key_file?",
        ),
        ("listen = 1", "portcullis.toml:1: unknown key listen; did you mean server.listen?"),
        (
            "[server]\nwidgets = []",
            "portcullis.toml:2: unknown key server.widgets; portcullis config show lists every key",
        ),
        ("[sever]\nlisten = 1", "portcullis.toml:1: unknown section [sever]; did you mean [server]?"),
        ("[widgets]", "portcullis.toml:1: unknown section [widgets]; portcullis config show lists every key"),
        ("server = 3", "portcullis.toml:1: server is a section, not a key; write [server] above its keys"),
        ("[[server]]", "portcullis.toml:1: server is a section, not a key; write [server] above its keys"),
        (
            "[tokens]\nclaims = 1",
            "portcullis.toml:2: tokens.claims is a table; write [tokens.claims] above its names",
        ),
        (
            "[server.listen]\na = 1",
            "portcullis.toml:1: server.listen = {…}: is a table, not a string; write it in quotes",
        ),
        ("\"a\\nb\" = 1", "portcullis.toml:1: unknown key a\\nb; portcullis config show lists every key"),
    ] {
        assert_eq!(toml(text), line);
    }
}

#[test]
fn of_several_faults_the_first_line_is_told() {
    let text = "[tokens]\naccess_ttl = 1\n[server]\nlisen = 1\n[a]";
    assert!(toml(text).starts_with("portcullis.toml:2: tokens.access_ttl = 1: "));
}

#[test]
fn unknown_variables_and_flags() {
    assert_eq!(
        env("PORTCULLIS_SERVER__LISEN", "x"),
        "environment PORTCULLIS_SERVER__LISEN: unknown key server.lisen; did you mean PORTCULLIS_SERVER__LISTEN?"
    );
    assert_eq!(
        env("PORTCULLIS_SEVER__SECRET_KEY_FILE", "x"),
        "environment PORTCULLIS_SEVER__SECRET_KEY_FILE: unknown key sever.secret_key_file; \
         did you mean PORTCULLIS_SERVER__SECRET_KEY_FILE?"
    );
    assert_eq!(
        env("PORTCULLIS_WIDGETS__COLOUR", "x"),
        "environment PORTCULLIS_WIDGETS__COLOUR: unknown key widgets.colour; portcullis config show lists every key"
    );
    assert_eq!(
        env("PORTCULLIS_server__listen", "x"),
        "environment PORTCULLIS_server__listen: unknown key server.listen; did you mean PORTCULLIS_SERVER__LISTEN?"
    );
    assert_eq!(
        env("PORTCULLIS_SERVER_LISTEN", "x"),
        "environment PORTCULLIS_SERVER_LISTEN: has one underscore after the section; \
         did you mean PORTCULLIS_SERVER__LISTEN?"
    );
    assert_eq!(
        flag("server.lisen", "x"),
        "flag --server.lisen: unknown key server.lisen; did you mean server.listen?"
    );
    assert_eq!(
        flag("widgets", "x"),
        "flag --widgets: unknown key widgets; portcullis config show lists every key"
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = std::ffi::OsString::from_vec(vec![0xff]);
    let given =
        Given::nothing().env("PORTCULLIS_SERVER__LISTEN", bytes.clone()).env("PORTCULLIS_PORT", bytes);
    assert_eq!(
        given.error(),
        "environment PORTCULLIS_SERVER__LISTEN: is not UTF-8 text; set it to UTF-8 text"
    );
}

#[test]
fn broken_toml_is_told_without_the_line_itself() {
    let line = toml("[server]\nsecret_key = \"sesame\nlisten = 1");
    assert!(line.starts_with("portcullis.toml:2: not valid TOML: "), "{line}");
    assert!(line.ends_with("; correct this line") && !line.contains("sesame"), "{line}");
    let line = toml("[server]\nlisten = \"a\"\nlisten = \"b\"");
    assert!(line.starts_with("portcullis.toml:3: not valid TOML: duplicate key"), "{line}");
}

#[test]
fn wrong_types() {
    for (text, line) in [
        ("server.listen = 8400", "server.listen = 8400: is an integer, not a string; write it in quotes"),
        (
            "server.hosts = \"a\"",
            "server.hosts = \"a\": is a string, not a list; write [\"first\", \"second\"]",
        ),
        (
            "server.hosts = [\"a\", 1]",
            "server.hosts = […]: is a mixed array, not a list; write [\"first\", \"second\"]",
        ),
        (
            "password.min_length = \"15\"",
            "password.min_length = \"15\": is a string, not a whole number; write a number from 8 to 64, without quotes",
        ),
        (
            "password.min_length = 15.0",
            "password.min_length = 15.0: is a float, not a whole number; write a number from 8 to 64, without quotes",
        ),
        (
            "rate_limit.enabled = \"true\"",
            "rate_limit.enabled = \"true\": is a string, not a boolean; write true or false, without quotes",
        ),
        (
            "tokens.access_ttl = 900",
            "tokens.access_ttl = 900: is not a duration; \
             write a whole number with a unit, such as \"500ms\", \"60s\", \"15m\", \"12h\" or \"30d\"",
        ),
        (
            "rate_limit.login = 10",
            "rate_limit.login = 10: is not a rate; write a count per s, min, h or d, such as \"10/min\"",
        ),
        (
            "server.secret_key = 1979-05-27",
            "server.secret_key = ********: is a date, not a string; write it in quotes",
        ),
        (
            "tokens.claims.a = 1.5",
            "tokens.claims.a = 1.5: is a float; write a string, a whole number, true or false",
        ),
    ] {
        assert_eq!(toml(text), format!("portcullis.toml:1: {line}"));
    }
}

#[test]
fn bad_values() {
    for (key, value, rest) in [
        (
            "password.min_length",
            "seven",
            "\"seven\": is not a whole number; choose a whole number from 8 to 64",
        ),
        ("password.min_length", "7", "\"7\": is out of range; choose a whole number from 8 to 64"),
        ("password.min_length", "-9", "\"-9\": is out of range; choose a whole number from 8 to 64"),
        ("rate_limit.enabled", "yes", "\"yes\": is not a boolean; write true or false"),
        ("tokens.access_ttl", "25h", "\"25h\": is out of range; choose from 1s to 24h"),
        ("server.listen", "", "\"\": is empty; give a value or leave the key out"),
        (
            "server.listen",
            "8400",
            "\"8400\": is not an address and port; write one such as \"127.0.0.1:8400\", \"0.0.0.0:8400\" or \"[::]:8400\"",
        ),
        (
            "server.public_url",
            "https://a.example/auth",
            "\"https://a.example/auth\": has a path; give Portcullis a host name of its own and leave the path out",
        ),
        (
            "server.hosts",
            "a.example,https://b.example",
            "\"https://b.example\": is no host; write a host name without scheme and path, \
             such as \"auth.example.com\" or \"10.0.0.7:8400\"",
        ),
        (
            "server.trusted_proxies",
            "10.0.0.1/8",
            "\"10.0.0.1/8\": has bits after its prefix; write \"10.0.0.0/8\" for the range or \"10.0.0.1\" for the one address",
        ),
        (
            "tokens.algorithm",
            "ES265",
            "\"ES265\": is not known here; did you mean ES256? allowed: ES256, EdDSA, RS256, HS256",
        ),
        ("tokens.algorithm", "none", "\"none\": is not known here; allowed: ES256, EdDSA, RS256, HS256"),
        ("tokens.audience", "", "[]: names no one; name at least one service or leave the key out"),
        ("tokens.claims.sub", "x", "\"x\": is a claim that Portcullis sets itself; choose another name"),
        (
            "tokens.claims.id",
            "user.id",
            "\"user.id\": is no source of a claim; allowed: user.legacy_id, user.legacy_id:number, account.plan, account.plan_status",
        ),
    ] {
        assert_eq!(flag(key, value), format!("flag --{key}: {key} = {rest}"));
    }
}

#[test]
fn bad_values_that_contradict_others_or_are_secret() {
    for (key, value, rest) in [
        (
            "registration.allowed_domains",
            "example.org",
            "[\"example.org\"]: holds nobody off who may claim any address; \
             set registration.require_email_verification to true, too",
        ),
        (
            "registration.refused_domains",
            "*.",
            "\"*.\": is no domain; write it as \"example.org\", or \"*.example.org\" for all below it",
        ),
        (
            "registration.default_plan",
            "a b",
            "\"a b\": is no name of a plan; use up to 64 of A-Z, a-z, 0-9, dot, _ and -",
        ),
        (
            "registration.hook_url",
            "https://hook.example/",
            "\"https://hook.example/\": would not know who asks it; set registration.hook_secret, too",
        ),
        (
            "registration.trial_days",
            "14",
            "14: is a trial of nothing; name the plan in registration.default_plan",
        ),
        (
            "registration.mode",
            "opne",
            "\"opne\": is not known here; did you mean open? allowed: open, invite, closed",
        ),
        (
            "registration.default_role",
            "admin",
            "\"admin\": would make everyone who registers an administrator; \
             choose another role; name administrators with: portcullis user create --admin",
        ),
        ("telemetry.log", "jsn", "\"jsn\": is not known here; did you mean json? allowed: auto, text, json"),
        (
            "server.secret_key",
            "short",
            "********: holds 5 bytes of at least 32; make one with: openssl rand -base64 32",
        ),
        (
            "server.secret_keys_accepted",
            "short",
            "********: holds 5 bytes of at least 32; make one with: openssl rand -base64 32",
        ),
        (
            "forward_auth.secret",
            "short",
            "********: is not at least 16 visible ASCII characters; make one with: openssl rand -base64 32",
        ),
        (
            "database.url",
            "mysql://u:sesame@h/db",
            "\"mysql://u:********@h/db\": is no database that is known; \
             write sqlite://path/to/file.db or postgres://user:password@host:5432/name",
        ),
        (
            "tokens.private_key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            "********: is encrypted; write it with: openssl pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem",
        ),
    ] {
        assert_eq!(flag(key, value), format!("flag --{key}: {key} = {rest}"));
    }
}

#[test]
fn rules_between_keys_name_the_one_that_was_set() {
    assert_eq!(
        flag("tokens.refresh_ttl", "10s"),
        "flag --tokens.refresh_ttl: tokens.refresh_ttl = \"10s\": is shorter than tokens.access_ttl (15m); \
         lengthen it or shorten tokens.access_ttl"
    );
    assert_eq!(
        flag("tokens.session_max_age", "1s"),
        "flag --tokens.session_max_age: tokens.session_max_age = \"1s\": is shorter than tokens.access_ttl (15m); \
         lengthen it or shorten tokens.access_ttl"
    );
    assert_eq!(
        Given::nothing().flag("password.parallelism", "4").flag("password.memory_kib", "31").error(),
        "flag --password.memory_kib: password.memory_kib = 31: is less than 8 KiB for each of 4 lanes; \
         set at least 32"
    );
}

#[test]
fn a_long_or_many_lined_value_stays_one_short_line() {
    let line = flag("server.listen", &"a\n".repeat(500));
    assert!(line.len() < 400 && !line.contains('\n') && line.contains('…'), "{line}");
    let line = flag("server.li\u{2028}sten\r\n", "x");
    assert_eq!(
        line,
        "flag --server.li\\u{2028}sten\\r\\n: unknown key server.li\\u{2028}sten\\r\\n; did you mean server.listen?"
    );
}
