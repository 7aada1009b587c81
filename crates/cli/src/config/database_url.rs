//! `database.url`: which database, and how its URL may be shown.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::error::Problem;
use super::masked::MASK;

/// Which of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// Embedded, in a file.
    Sqlite,
    /// A server.
    Postgres,
}

/// A database URL that shows itself without its password.
#[derive(Clone)]
pub struct DatabaseUrl {
    kind: DatabaseKind,
    url: SecretString,
}

impl DatabaseUrl {
    /// Takes `sqlite://path`, `postgres://…` or `postgresql://…`.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let of_kind = |kind| Self { kind, url: text.into() };
        if let Some(path) = text.strip_prefix("sqlite://") {
            return check_path(path).map(|()| of_kind(DatabaseKind::Sqlite));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // The parser's own words could hold a piece of the URL.
            return Url::parse(text).map(|_| of_kind(DatabaseKind::Postgres)).map_err(|_| {
                Problem::new(
                    "is not a URL",
                    "write postgres://user:password@host:5432/name, special characters percent-encoded",
                )
            });
        }
        Err(Problem::new(
            "is no database that is known",
            "write sqlite://path/to/file.db or postgres://user:password@host:5432/name",
        ))
    }

    /// Which database it names.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The whole URL, password included, for whoever connects.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    /// The file of an embedded database, without the URL's query.
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        let path = self.expose().strip_prefix("sqlite://")?;
        Some(Path::new(path.split('?').next().unwrap_or(path)).to_owned())
    }

    /// The URL with its password replaced.
    pub fn masked(&self) -> String {
        mask(self.expose())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&self.masked()).finish()
    }
}

fn check_path(path: &str) -> Result<(), Problem> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if path.is_empty() || path.ends_with('/') {
        return Err(Problem::new("names no file", "write sqlite://path/to/file.db"));
    }
    // The driver would decode it, and then our files would lie somewhere else than its own.
    if path.contains('%') {
        return Err(Problem::new("has a % in its path", "name a path without one"));
    }
    if path == ":memory:" || query.contains("mode=memory") {
        return Err(Problem::new(
            "is a database that every connection has for itself",
            "name a file: sqlite://data/portcullis.db",
        ));
    }
    Ok(())
}

/// Replaces what may be a password in text that was given as a database URL. It need not be one:
/// where the text is broken, too much is masked and never too little.
pub(super) fn mask(text: &str) -> String {
    let Some(start) = text.find("://").map(|at| at + 3) else { return MASK.to_owned() };
    let mut masked = text.to_owned();
    // The last `@` of all: a password that should have been percent-encoded may hold any character.
    if let Some(at) = text[start..].rfind('@')
        && let Some(colon) = text[start..start + at].find(':')
    {
        masked.replace_range(start + colon + 1..start + at, MASK);
    }
    mask_parameter(&masked)
}

/// The password may also be a parameter of the query.
fn mask_parameter(text: &str) -> String {
    const NAME: &str = "password=";
    let Some(at) = text.to_ascii_lowercase().find(NAME) else { return text.to_owned() };
    let value = at + NAME.len();
    let end = text[value..].find('&').map_or(text.len(), |end| value + end);
    format!("{}{MASK}{}", &text[..value], mask_parameter(&text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        for (url, masked) in [
            ("postgres://u:pw@h/db", "postgres://u:********@h/db"),
            ("postgres://u:p@w/x?y@h:5432/db", "postgres://u:********@h:5432/db"),
            ("postgres://u@h:5432/db", "postgres://u@h:5432/db"),
            ("postgres://h/db?sslmode=require", "postgres://h/db?sslmode=require"),
            ("postgres://h/db?password=pw&a=b", "postgres://h/db?password=********&a=b"),
            (
                "postgres://h/db?PassWord=pw&sslpassword=x",
                "postgres://h/db?PassWord=********&sslpassword=********",
            ),
            ("host=h password=p w", "********"),
            ("u:pw@h", "********"),
            ("mysql://u:pä@h", "mysql://u:********@h"),
            ("sqlite://data/portcullis.db", "sqlite://data/portcullis.db"),
        ] {
            assert_eq!(mask(url), masked);
        }
    }

    #[test]
    fn kinds_and_paths() {
        let sqlite = DatabaseUrl::parse("sqlite:///var/lib/p.db?mode=rwc").expect("a path");
        assert_eq!(
            (sqlite.kind(), sqlite.sqlite_path()),
            (DatabaseKind::Sqlite, Some("/var/lib/p.db".into()))
        );
        for url in ["postgres://u:p@h/db", "postgresql:///db?host=/run/postgresql"] {
            let postgres = DatabaseUrl::parse(url).expect(url);
            assert_eq!((postgres.kind(), postgres.sqlite_path()), (DatabaseKind::Postgres, None));
            assert_eq!(postgres.expose(), url);
        }
    }

    #[test]
    fn refusals_do_not_repeat_the_url() {
        for url in [
            "mysql://u:sesame@h/db",
            "postgres://u:ses/ame@h:x/db",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://x?mode=memory",
            "sqlite://ses%20ame/x",
            "sesame",
        ] {
            let problem = DatabaseUrl::parse(url).expect_err(url);
            assert!(!format!("{problem:?}").contains("same"), "{problem:?}");
        }
    }

    #[test]
    fn debug_is_masked() {
        let url = DatabaseUrl::parse("postgres://u:sesame@h/db").expect("a URL");
        assert_eq!(format!("{url:?}"), r#"DatabaseUrl("postgres://u:********@h/db")"#);
    }
}
