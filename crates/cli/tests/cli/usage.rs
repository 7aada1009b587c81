//! The command line itself.

use crate::support::Place;

#[test]
fn wrong_usage_ends_with_2() {
    let place = Place::new();
    for args in [
        &["sevre"][..],
        &["serve", "--lisen", "127.0.0.1:0"],
        &["serve", "--listen", "8400"],
        &["--listen", "127.0.0.1:0", "migrate"],
        &["user", "create"],
        &["user", "create", "--email", "a@b.c", "--role", "x", "--admin"],
        &["session", "revoke"],
        &["session", "revoke", "no-id"],
        &["session", "revoke", "--user", "a"],
        &["key", "import"],
        &["token", "create", "--user", "a"],
        &["token", "revoke", "no-id"],
        &["client", "create"],
        &["client", "revoke", "no-id"],
        &["settings", "set", "registration_mode"],
        &["completions", "tcsh"],
    ] {
        let ran = place.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stderr.starts_with("error: ") && ran.stderr.contains("--help"),
            "{args:?}: {}",
            ran.stderr
        );
    }
    assert!(!place.path("data").exists());
}

#[test]
fn help_and_version_end_with_0() {
    let place = Place::new();
    let help = place.run(&["--help"]).ok().stdout;
    for command in [
        "serve",
        "gateway",
        "migrate",
        "user",
        "session",
        "token",
        "client",
        "settings",
        "key",
        "email",
        "purge",
        "backup",
        "doctor",
        "config",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing: {help}");
    }
    assert_eq!(place.run(&["--version"]).ok().stdout, format!("portcullis {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_name_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(place.run(&["completions", shell]).ok().stdout.contains("set-password"), "{shell}");
    }
}

#[test]
fn the_page_describes_every_command() {
    const PAGE: &str = include_str!("../../../../docs/cli.md");
    for command in [
        "serve",
        "migrate",
        "user create",
        "user list",
        "user disable",
        "user enable",
        "user delete",
        "user set-role",
        "user set-password",
        "session list",
        "session revoke",
        "token create",
        "token list",
        "token revoke",
        "client create",
        "client list",
        "client revoke",
        "settings list",
        "settings set",
        "settings unset",
        "key list",
        "key rotate",
        "key import",
        "key retire",
        "email test",
        "email preview",
        "email list",
        "email retry",
        "purge",
        "backup",
        "doctor",
        "config check",
        "config show",
        "completions",
    ] {
        assert!(PAGE.contains(&format!("portcullis {command}")), "{command}");
        // What stands there is a command.
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        Place::new().run(&args).ok();
    }
}
