//! Which configuration file is read, and what happens when it cannot be.

use crate::support::Given;

const PORT_1: &str = "[server]\nlisten = \"127.0.0.1:1\"";
const PORT_2: &str = "[server]\nlisten = \"127.0.0.1:2\"";

#[test]
fn the_named_file_is_read_instead_of_the_one_that_lies_here() {
    let given = || Given::toml(PORT_1).with("other.toml", PORT_2);
    assert_eq!(given().good().server.listen.port(), 1);
    assert_eq!(given().config("other.toml").good().server.listen.port(), 2);
    assert_eq!(given().env("PORTCULLIS_CONFIG", "other.toml").good().server.listen.port(), 2);
    let both = given().env("PORTCULLIS_CONFIG", "absent.toml").config("other.toml");
    assert_eq!(both.good().server.listen.port(), 2);
}

#[test]
fn messages_name_the_file_as_it_was_named() {
    let error = Given::nothing().with("other.toml", "\n\nserver.lisen = 1").config("./other.toml").error();
    assert_eq!(error, "./other.toml:3: unknown key server.lisen; did you mean server.listen?");
}

#[test]
fn a_named_file_must_exist() {
    let reason = "cannot be read: No such file or directory (os error 2); \
                  name an existing file that the user running Portcullis may read";
    assert_eq!(
        Given::toml(PORT_1).config("absent.toml").error(),
        format!("flag --config: config = \"absent.toml\": {reason}")
    );
    assert_eq!(
        Given::toml(PORT_1).env("PORTCULLIS_CONFIG", "absent.toml").error(),
        format!("environment PORTCULLIS_CONFIG: config = \"absent.toml\": {reason}")
    );
}

#[test]
fn a_directory_and_bytes_are_no_file_of_text() {
    assert_eq!(
        Given::nothing().config(".").error(),
        "flag --config: config = \".\": cannot be read: Is a directory (os error 21); \
         name an existing file that the user running Portcullis may read"
    );
    let error = Given::nothing().with("portcullis.toml", [0xff, 0xfe]).error();
    assert!(
        error.starts_with(
            "current directory: config = \"portcullis.toml\": is not UTF-8 text; save it as UTF-8"
        ),
        "{error}"
    );
}

#[test]
fn a_file_without_end_is_given_up() {
    let error = Given::nothing().config("/dev/zero").error();
    assert_eq!(error, "flag --config: config = \"/dev/zero\": holds more than 1 MiB; name the right file");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_not_taken_for_no_file() {
    let given = Given::nothing();
    std::os::unix::fs::symlink("absent", given.dir.join("portcullis.toml")).expect("a link of our own");
    assert!(given.error().starts_with("current directory: config = \"portcullis.toml\": cannot be read: "));
}
