//! `[[webhooks.endpoints]]`, with the files of their secrets read.

use std::path::Path;

use portcullis_core::standard_webhook::WebhookSecret;
use secrecy::ExposeSecret as _;

use crate::config::entries::Entries;
use crate::config::error::{ConfigError, Problem, quoted};
use crate::config::read_file;
use crate::config::sections::WebhookConfig;
use crate::config::webhooks::{WrittenSecrets, numbered, secret};

const NAME: &str = "webhooks.endpoints";

pub(super) fn webhooks(entries: &Entries, cwd: &Path) -> Result<Vec<WebhookConfig>, ConfigError> {
    let mut all = Vec::new();
    for (at, written) in entries.webhooks(NAME).iter().enumerate() {
        let secrets = secrets(&written.secrets, cwd);
        all.push(WebhookConfig {
            name: written.name.clone(),
            url: written.url.clone(),
            secrets: secrets.map_err(|problem| entries.fault(NAME, numbered(at, problem)))?,
            kinds: written.kinds.clone(),
        });
    }
    Ok(all)
}

fn secrets(written: &WrittenSecrets, cwd: &Path) -> Result<Vec<WebhookSecret>, Problem> {
    match written {
        WrittenSecrets::Here(all) => all.iter().map(|one| secret(one.expose_secret())).collect(),
        WrittenSecrets::File(path) => {
            let in_file = |problem: Problem| {
                Problem::new(format!("secret_file = {}: {}", quoted(path), problem.problem), problem.remedy)
            };
            let text = read_file::read(&cwd.join(path), read_file::SECRET).map_err(in_file)?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let all =
                lines.map(|line| secret(line.trim())).collect::<Result<Vec<_>, _>>().map_err(in_file)?;
            if all.is_empty() {
                return Err(in_file(Problem::new(
                    "is a file with nothing in it",
                    "write the secret into it",
                )));
            }
            Ok(all)
        }
    }
}
