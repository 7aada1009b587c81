//! Whether mails arrive, and say what the operator wants them to.

use portcullis_app::doctor::Check;
use portcullis_app::mail::Templates;

use crate::boot;
use crate::config::{Config, MailServer};

const SERVER: &str = "mail server";
const TEMPLATES: &str = "mail templates";

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let mut checks = vec![match &config.email.server {
        Some(server) => reachable(config, server).await,
        None if config.server.public_url.is_loopback() => Check::ok(
            SERVER,
            format!("none; mails are kept and shown at {}/dev/mail", config.server.public_url),
        ),
        None => Check::warning(
            SERVER,
            "none is set: mails are kept in the outbox, and nobody gets them",
            "Set email.url and email.from.",
        ),
    }];
    let files = &config.email.templates;
    let (_, faults) = Templates::with(files.clone());
    checks.extend(faults.iter().map(|fault| {
        let seen = format!("{fault}; the built-in one is used");
        Check::warning(TEMPLATES, seen, "Correct it, or remove the file.")
    }));
    if faults.is_empty() && !files.is_empty() {
        checks.push(Check::ok(TEMPLATES, format!("{} of your own", files.len())));
    }
    checks
}

async fn reachable(config: &Config, server: &MailServer) -> Check {
    let remedy =
        "Correct email.url, or ask who runs the mail server; `portcullis email test ADDRESS` tells more.";
    let smtp = match boot::smtp(config) {
        Ok(Some(smtp)) => smtp,
        Ok(None) => return Check::ok(SERVER, "none"),
        Err(failure) => return Check::fault(SERVER, failure.line().unwrap_or_default(), remedy),
    };
    match smtp.test().await {
        Ok(()) => Check::ok(SERVER, format!("{} answers", server.masked())),
        Err(error) => Check::fault(SERVER, format!("{}: {error}", server.masked()), remedy),
    }
}
