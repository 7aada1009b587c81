//! `portcullis migrate`

use serde_json::json;

use crate::config::Loaded;
use crate::failure::Failure;
use crate::random::SystemRandom;
use crate::{boot, output, server_keys};

pub(super) async fn run(loaded: &Loaded, dry_run: bool, json: bool) -> Result<(), Failure> {
    let config = &loaded.config;
    // An embedded database is made together with its key. PostgreSQL's schema needs none, so that whoever may
    // change the schema need not hold it.
    if config.database.url.sqlite_path().is_some() && !dry_run {
        server_keys::ring(config, true, &SystemRandom)?;
    }
    let store = boot::open(config, !dry_run).await?;
    let names = store.migrate(dry_run).await?;
    if json {
        return output::json(&json!({ "dry_run": dry_run, "migrations": names }));
    }
    if names.is_empty() {
        return output::line("The schema is current.");
    }
    let verb = if dry_run { "missing" } else { "applied" };
    names.iter().try_for_each(|name| output::line(format_args!("{verb} {name}")))
}
