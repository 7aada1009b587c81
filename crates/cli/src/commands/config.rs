//! `portcullis config check` and `portcullis config show`

use portcullis_app::mail::Templates;
use serde_json::json;

use crate::args::ConfigCommand;
use crate::config::{DatabaseKind, Loaded};
use crate::failure::Failure;
use crate::random::SystemRandom;
use crate::{output, server_keys, settings};

pub(super) fn run(loaded: &Loaded, command: &ConfigCommand) -> Result<(), Failure> {
    match *command {
        ConfigCommand::Check { json } => check(loaded, json),
        ConfigCommand::Show { json: true } => output::json(&loaded.show()),
        ConfigCommand::Show { json: false } => loaded.show().iter().try_for_each(output::line),
    }
}

/// Loading has found most of what can be wrong; the rest is found by putting the values to use.
fn check(loaded: &Loaded, json: bool) -> Result<(), Failure> {
    settings::settings(loaded)?;
    let config = &loaded.config;
    if config.database.url.kind() == DatabaseKind::Postgres || config.server.secret_key.is_some() {
        server_keys::ring(config, false, &SystemRandom)?;
    }
    let (_, faults) = Templates::with(config.email.templates.clone());
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    if faults.is_empty() {
        return output::either(json, &json!({ "ok": true }), "The configuration is good.");
    }
    if json {
        output::json(&json!({ "ok": false, "templates": faults }))?;
    } else {
        faults.iter().try_for_each(output::line)?;
    }
    Err(Failure::mend(
        "email.templates holds templates with errors; the built-in ones are used in their place",
        "correct them, or remove the files",
    ))
}
