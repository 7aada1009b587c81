//! `portcullis backup`: a consistent copy of an embedded database, also while it is being served. It holds no key.

use std::io;
use std::path::Path;

use serde_json::json;
use url::Url;

use crate::boot;
use crate::config::{Config, DatabaseKind};
use crate::failure::Failure;
use crate::files::{self, Published};
use crate::{output, server_keys};

pub(super) async fn run(config: &Config, file: &Path, json: bool) -> Result<(), Failure> {
    if config.database.url.kind() == DatabaseKind::Postgres {
        return Err(Failure::mend(
            "backup copies an embedded database, and this is PostgreSQL",
            format_args!("run: {} (the password in PGPASSWORD or ~/.pgpass)", pg_dump(config, file)),
        ));
    }
    if file.symlink_metadata().is_ok() {
        return Err(taken(file));
    }
    let store = boot::open(config, false).await?;
    let draft = files::draft_of(file);
    let path = draft.to_str().ok_or_else(|| {
        Failure::mend(format_args!("{} is not UTF-8", file.display()), "choose another name")
    })?;
    let cannot = |error: io::Error| {
        Failure::mend(format_args!("{} cannot be written: {error}", file.display()), "choose another place")
    };
    // SQLite writes into an empty file and keeps its rights: nobody else ever gets to read it.
    files::create_private(&draft).map_err(cannot)?;
    let copied = match store.backup(path).await {
        Ok(_) => files::publish_file(&draft, file).map_err(cannot),
        Err(error) => Err(Failure::mend(
            format_args!("{} cannot be written: {error}", file.display()),
            "see that there is room on the disk, or choose another place",
        )),
    };
    files::remove(&draft).map_err(cannot)?;
    if copied? == Published::Theirs {
        return Err(taken(file));
    }
    told(config, file, json)
}

fn told(config: &Config, file: &Path, json: bool) -> Result<(), Failure> {
    let key = server_keys::key_file(config).filter(|_| config.server.secret_key.is_none());
    let key = key.map_or_else(|| "server.secret_key".to_owned(), |key| key.display().to_string());
    let text =
        format!("{} is a copy of the database. It holds no key: keep {key} elsewhere.", file.display());
    output::either(json, &json!({ "file": file, "key": key }), text)
}

fn taken(file: &Path) -> Failure {
    Failure::mend(format_args!("{} exists already", file.display()), "choose another name")
}

/// The command that does it for PostgreSQL, without the password.
fn pg_dump(config: &Config, file: &Path) -> String {
    let url = without_password(config.database.url.expose());
    format!("pg_dump --format=custom --file={} {}", quoted(&file.display().to_string()), quoted(&url))
}

fn without_password(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return "<database.url>".to_owned() };
    let _ = url.set_password(None);
    // What is left are names that libpq knows too.
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !name.to_ascii_lowercase().contains("password"))
        .filter(|(name, _)| name != "statement-cache-capacity")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    url.to_string()
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_holds_no_password() {
        for (url, shown) in [
            ("postgres://u:sesame@h:5432/db", "postgres://u@h:5432/db"),
            ("postgres://u@h/db?password=sesame&sslmode=require", "postgres://u@h/db?sslmode=require"),
            ("postgres:///db?host=/run/postgresql", "postgres:///db?host=%2Frun%2Fpostgresql"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        assert_eq!(quoted("it's; here"), r"'it'\''s; here'");
    }
}
