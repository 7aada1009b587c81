//! The file layer: `portcullis.toml`.

use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use toml::de::{DeTable, DeValue};

use super::entries::Entries;
use super::environment::CONFIG;
use super::error::{ConfigError, Problem, quoted};
use super::keys::{NAME, PROVIDERS, Target};
use super::origin::Origin;
use super::read_file;
use super::suggest;
use super::table::KEYS;

const DEFAULT_NAME: &str = "portcullis.toml";

/// A configuration file that has been read.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// As it is named in messages.
    path: PathBuf,
    text: Zeroizing<String>,
}

/// Finds and reads the file: the one that was named must exist, the one in `cwd` need not.
pub(super) fn find(
    named: Option<PathBuf>,
    variables: &[(String, String)],
    cwd: &Path,
) -> Result<Option<ConfigFile>, ConfigError> {
    let variable =
        || variables.iter().find(|(name, _)| name == CONFIG).map(|(_, value)| PathBuf::from(value));
    let (origin, path) = match named {
        Some(path) => ("flag --config".to_owned(), path),
        None => match variable() {
            Some(path) => (format!("environment {CONFIG}"), path),
            // `symlink_metadata`: a link that leads nowhere was meant to be a file and is an error.
            None if cwd.join(DEFAULT_NAME).symlink_metadata().is_err() => return Ok(None),
            None => ("current directory".to_owned(), PathBuf::from(DEFAULT_NAME)),
        },
    };
    match read_file::read(&cwd.join(&path), read_file::CONFIG) {
        Ok(text) => Ok(Some(ConfigFile { path, text })),
        Err(problem) => {
            Err(ConfigError::about(origin, "config", quoted(&path.display().to_string()), problem))
        }
    }
}

/// One leaf of the file.
struct Found<'a, 'i> {
    name: String,
    value: &'a DeValue<'i>,
    /// Byte offset of the value.
    at: usize,
}

/// Puts the file's values over the defaults. Faults are told in the order of the file's lines.
pub(super) fn apply(file: &ConfigFile, entries: &mut Entries) -> Result<(), ConfigError> {
    let document = DeTable::parse(&file.text).map_err(|error| file.syntax(&error))?;
    let mut found = Vec::new();
    for (name, section) in document.get_ref() {
        let at = name.span().start;
        match section.get_ref() {
            DeValue::Table(table) if is_section(name.get_ref()) => leaves(name.get_ref(), table, &mut found),
            value => found.push(Found { name: name.get_ref().to_string(), value, at }),
        }
    }
    found.sort_by_key(|leaf| leaf.at);
    for leaf in found {
        match Target::dotted(&leaf.name) {
            Some(target) => entries.put_toml(target, leaf.value, file.line(leaf.at))?,
            None => return Err(file.unknown(&leaf)),
        }
    }
    Ok(())
}

/// Whether the table has keys below this name.
fn is_table(name: &str) -> bool {
    KEYS.iter().any(|spec| {
        let mut row = spec.name.split('.');
        let begins =
            name.split('.').all(|part| row.next().is_some_and(|known| known == part || known == NAME));
        begins && row.next().is_some()
    })
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|spec| spec.section() == name)
}

/// Collects a section's values. `tokens.claims` is a table inside a section, and what else has a dot in its name.
fn leaves<'a, 'i>(section: &str, table: &'a DeTable<'i>, found: &mut Vec<Found<'a, 'i>>) {
    for (key, value) in table {
        let name = format!("{section}.{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if is_table(&name) => leaves(&name, inner, found),
            value => found.push(Found { name, value, at: key.span().start }),
        }
    }
}

impl ConfigFile {
    fn line(&self, at: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(at);
        Origin::File { path: self.path.clone(), line: 1 + before.filter(|byte| **byte == b'\n').count() }
    }

    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let at = error.span().map_or(0, |span| span.start);
        // The message alone: the error's Display would quote the line, which may hold a secret.
        let problem = Problem::new(format!("not valid TOML: {}", error.message()), "correct this line");
        ConfigError::at(self.line(at), problem)
    }

    /// The value is not shown: it may be a secret under a mistyped name.
    fn unknown(&self, leaf: &Found<'_, '_>) -> ConfigError {
        let name = leaf.name.as_str();
        let all = || suggest::SEE_ALL.to_owned();
        let (problem, remedy) = match leaf.value {
            DeValue::Table(_) if !name.contains('.') => {
                let meant = suggest::section(name).map(|meant| format!("did you mean [{meant}]?"));
                (format!("unknown section [{name}]"), meant.unwrap_or_else(all))
            }
            _ if is_section(name) => {
                (format!("{name} is a section, not a key"), format!("write [{name}] above its keys"))
            }
            _ if name == "tokens.claims" => {
                ("tokens.claims is a table".to_owned(), "write [tokens.claims] above its names".to_owned())
            }
            _ if name.strip_prefix(PROVIDERS).is_some_and(|rest| !rest.contains('.')) => {
                let problem = format!("{name} is no table of a provider");
                (
                    problem,
                    r"write [providers.<name>] above a provider's keys, such as [providers.google]"
                        .to_owned(),
                )
            }
            _ => {
                let meant = suggest::key(name).map(|meant| format!("did you mean {meant}?"));
                (format!("unknown key {name}"), meant.unwrap_or_else(all))
            }
        };
        ConfigError::at(self.line(leaf.at), Problem::new(problem, remedy))
    }
}
