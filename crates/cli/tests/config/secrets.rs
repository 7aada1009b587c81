//! Secrets: their written forms, their files, and that nothing shows them.

use portcullis::config::KEYS;
use secrecy::ExposeSecret;

use crate::support::{Given, printed};

const KEY: &str = "sesame sesame sesame sesame sesame";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nsesame\n-----END PRIVATE KEY-----\n";

fn key_of(given: &Given) -> Vec<u8> {
    given.good().server.secret_key.expect("a key was given").expose_secret().to_vec()
}

#[test]
fn a_key_in_each_layer_and_in_a_file() {
    let toml = format!("[server]\nsecret_key = \"{KEY}\"");
    assert_eq!(key_of(&Given::toml(&toml)), KEY.as_bytes());
    assert_eq!(key_of(&Given::nothing().env("PORTCULLIS_SERVER__SECRET_KEY", KEY)), KEY.as_bytes());
    assert_eq!(key_of(&Given::toml("[server]\nsecret_key_file = \"key\"").with("key", KEY)), KEY.as_bytes());
    let variable = "PORTCULLIS_SERVER__SECRET_KEY_FILE";
    assert_eq!(key_of(&Given::nothing().with("key", KEY).env(variable, "key")), KEY.as_bytes());
    assert_eq!(
        key_of(&Given::nothing().with("key", KEY).flag("server.secret_key_file", "key")),
        KEY.as_bytes()
    );
}

#[test]
fn one_line_end_of_a_file_is_cut_and_no_more() {
    for (content, key) in [
        (format!("{KEY}\n"), KEY.to_owned()),
        (format!("{KEY}\r\n"), KEY.to_owned()),
        (format!("{KEY}\n\n"), format!("{KEY}\n")),
        (format!(" {KEY} "), format!(" {KEY} ")),
    ] {
        let given = Given::nothing().with("key", content).flag("server.secret_key_file", "key");
        assert_eq!(key_of(&given), key.into_bytes());
    }
}

#[test]
fn accepted_keys_as_list_and_as_lines_of_a_file() {
    let hex = format!("hex:{}", "e0".repeat(32));
    let keys = |given: Given| -> Vec<Vec<u8>> {
        given.good().server.secret_keys_accepted.iter().map(|key| key.expose_secret().to_vec()).collect()
    };
    let expected = [KEY.as_bytes().to_vec(), vec![0xe0; 32]];
    let variable = "PORTCULLIS_SERVER__SECRET_KEYS_ACCEPTED";
    assert_eq!(
        keys(Given::toml(&format!("[server]\nsecret_keys_accepted = [\"{KEY}\", \"{hex}\"]"))),
        expected
    );
    assert_eq!(keys(Given::nothing().env(variable, format!("{KEY},{hex}"))), expected);
    let file = Given::nothing().with("keys", format!("{KEY}\n{hex}\n"));
    assert_eq!(keys(file.env(&format!("{variable}_FILE"), "keys")), expected);
}

#[test]
fn a_private_key_and_a_database_url_in_files() {
    let config = Given::nothing()
        .with("pem", PEM)
        .with("url", "postgres://u:pw@db/p\n")
        .flag("tokens.private_key_file", "pem")
        .flag("database.url_file", "url")
        .good();
    let pem = config.tokens.private_key.expect("a key was given");
    assert!(pem.expose_secret().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(config.database.url.expose(), "postgres://u:pw@db/p");
}

#[test]
fn a_key_given_twice_is_refused_whatever_the_layers() {
    let given = Given::toml("[server]\nsecret_key_file = \"key\"").with("key", KEY);
    assert_eq!(
        given.env("PORTCULLIS_SERVER__SECRET_KEY", KEY).error(),
        "portcullis.toml:2: server.secret_key_file = \"key\": server.secret_key is given too \
         (environment PORTCULLIS_SERVER__SECRET_KEY); keep one of the two"
    );
    let given = Given::toml(&format!("[server]\nsecret_key = \"{KEY}\"\nsecret_key_file = \"key\""));
    assert_eq!(
        given.error(),
        "portcullis.toml:3: server.secret_key_file = \"key\": server.secret_key is given too \
         (portcullis.toml:2); keep one of the two"
    );
}

#[test]
fn a_file_that_cannot_be_used_is_told_in_one_line() {
    let file = |path: &str| Given::nothing().env("PORTCULLIS_SERVER__SECRET_KEY_FILE", path);
    let at = "environment PORTCULLIS_SERVER__SECRET_KEY_FILE: server.secret_key_file";
    assert_eq!(
        file("/absent/key").error(),
        format!(
            "{at} = \"/absent/key\": cannot be read: No such file or directory (os error 2); \
             name an existing file that the user running Portcullis may read"
        )
    );
    assert_eq!(
        file("key").with("key", "\n").error(),
        format!("{at} = \"key\": is a file with nothing in it; write the secret into it")
    );
    assert_eq!(
        file("key").with("key", [0xff; 32]).error(),
        format!("{at} = \"key\": is not UTF-8 text; write bytes as text: base64:… or hex:…")
    );
    assert_eq!(
        file("key").with("key", "sesame").error(),
        format!("{at} = \"key\": holds 6 bytes of at least 32; make one with: openssl rand -base64 32")
    );
    assert_eq!(file("").error(), format!("{at} = \"\": is empty; name a file or leave the key out"));
    assert_eq!(
        Given::toml("[server]\nsecret_key_file = 3").error(),
        "portcullis.toml:2: server.secret_key_file = 3: is an integer, not a path; write it in quotes"
    );
}

#[test]
fn no_error_repeats_a_secret() {
    let bad = [
        "sesame",
        "hex:sesame",
        "base64:sesame!",
        "-----BEGIN PUBLIC KEY----- sesame",
        "postgres://u:sesame@[h/",
    ];
    for spec in KEYS.iter().filter(|spec| spec.file_name().is_some()) {
        for value in bad {
            let given = [
                Given::nothing().env(&spec.env_name(), value),
                Given::nothing().flag(spec.name, value),
                Given::toml(&format!("{} = [\"{value}\"]", spec.name)),
                Given::toml(&format!("{} = \"{value}\"", spec.name)),
                Given::toml(&format!("{} = {{ sesame = \"{value}\" }}", spec.name)),
                Given::toml(&format!("{}_file = \"file\"", spec.name)).with("file", value),
                Given::toml(&format!("{}x = \"{value}\"", spec.name)),
                Given::nothing().env(&format!("{}X", spec.env_name()), value),
                Given::nothing().flag(&format!("{}x", spec.name), value),
                Given::toml(&format!("{} = \"{value}", spec.name)),
                Given::toml(&format!("{} = {value}", spec.name)),
            ];
            for given in given {
                match given.load() {
                    Err(error) => {
                        let line = format!("{error} {error:?}");
                        assert!(!line.contains("sesame"), "{line}");
                    }
                    // What is good for one key need not be bad for another.
                    Ok(loaded) => assert!(!format!("{loaded:?}").contains("sesame"), "{loaded:?}"),
                }
            }
        }
    }
}

#[test]
fn debug_and_show_hold_no_secret() {
    let loaded = Given::nothing()
        .with("pem", PEM)
        .flag("server.secret_key", KEY)
        .flag("server.secret_keys_accepted", &format!("{KEY},{KEY}"))
        .flag("tokens.private_key_file", "pem")
        .flag("forward_auth.secret", "sesame-sesame-sesame")
        .flag("database.url", "postgres://u:sesame@db/p?password=sesame")
        .loaded();
    let shown = format!("{}\n{:?}", printed(&loaded), loaded.show());
    let json = serde_json::to_string(&loaded.show()).expect("plain values");
    for text in [format!("{loaded:?}"), format!("{:#?}", loaded.config), shown, json] {
        assert!(!text.contains("sesame") && !text.contains("115, 101, 115, 97"), "{text}");
    }
}
