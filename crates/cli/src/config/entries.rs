//! What the layers left: for each key one value and where it came from.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::claims::{self, ClaimSource};
use super::error::{ConfigError, Problem, quoted};
use super::keys::{CLAIMS, KeySpec, PROVIDERS, Target};
use super::masked::{plain_toml, shown, shown_toml, shown_value};
use super::origin::Origin;
use super::table::KEYS;
use super::value::{Value, with_article};

/// A key's value and where it came from.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// The file that held it, for a secret given as `<key>_file`.
    pub(super) file: Option<String>,
}

/// A secret's file that is still to be read.
#[derive(Debug)]
pub(super) struct SecretFile {
    pub(super) path: String,
    pub(super) origin: Origin,
}

/// All keys that have a value.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// By the whole name.
    values: BTreeMap<String, Entry>,
    files: BTreeMap<String, (&'static KeySpec, SecretFile)>,
    pub(super) claims: BTreeMap<String, (ClaimSource, Origin)>,
}

impl Entries {
    /// Puts what the environment or a flag holds over what earlier layers left.
    pub(super) fn put_text(&mut self, target: Target, text: &str, origin: Origin) -> Result<(), ConfigError> {
        match target {
            Target::Key(spec, name) => match Value::from_text(spec, text) {
                Ok(value) => self.put(name, Entry { value, origin, file: None }),
                Err(problem) => {
                    return Err(ConfigError::about(origin, &name, shown(spec, text), problem));
                }
            },
            Target::SecretFile(spec, name) => self.put_file(spec, name, text, origin)?,
            Target::Claim(name) => {
                let source = claims::check_name(&name).and_then(|()| ClaimSource::from_text(text));
                self.put_claim(name, source, quoted(text), origin)?;
            }
        }
        Ok(())
    }

    /// Puts what the configuration file holds.
    pub(super) fn put_toml(
        &mut self,
        target: Target,
        toml: &DeValue<'_>,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        match (target, toml) {
            (Target::Key(spec, name), _) => match Value::from_toml(spec, toml) {
                Ok(value) => self.put(name, Entry { value, origin, file: None }),
                Err(problem) => {
                    return Err(ConfigError::about(origin, &name, shown_toml(spec, toml), problem));
                }
            },
            (Target::SecretFile(spec, name), DeValue::String(path)) => {
                self.put_file(spec, name, path, origin)?;
            }
            (Target::SecretFile(_, name), other) => {
                let problem =
                    Problem::new(format!("is {}, not a path", with_article(other)), "write it in quotes");
                return Err(ConfigError::about(origin, &format!("{name}_file"), plain_toml(other), problem));
            }
            (Target::Claim(name), _) => {
                let source = claims::check_name(&name).and_then(|()| ClaimSource::from_toml(toml));
                self.put_claim(name, source, plain_toml(toml), origin)?;
            }
        }
        Ok(())
    }

    pub(super) fn put(&mut self, name: String, entry: Entry) {
        self.values.insert(name, entry);
    }

    fn put_file(
        &mut self,
        spec: &'static KeySpec,
        name: String,
        path: &str,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        if path.is_empty() {
            let problem = Problem::new("is empty", "name a file or leave the key out");
            return Err(ConfigError::about(origin, &format!("{name}_file"), quoted(path), problem));
        }
        self.files.insert(name, (spec, SecretFile { path: path.to_owned(), origin }));
        Ok(())
    }

    fn put_claim(
        &mut self,
        name: String,
        source: Result<ClaimSource, Problem>,
        shown: String,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        match source {
            Ok(source) => self.claims.insert(name, (source, origin)),
            Err(problem) => {
                return Err(ConfigError::about(origin, &format!("{CLAIMS}{name}"), shown, problem));
            }
        };
        Ok(())
    }

    /// The names of secrets, and the files that they are in.
    pub(super) fn take_files(&mut self) -> Vec<(String, &'static KeySpec, SecretFile)> {
        let files = std::mem::take(&mut self.files).into_iter();
        files.map(|(name, (spec, file))| (name, spec, file)).collect()
    }

    /// The names of all providers of which something was set.
    pub(super) fn providers(&self) -> Vec<String> {
        let set = self.values.range(PROVIDERS.to_owned()..).map(|(name, _)| name);
        let mut names: Vec<String> = set
            .map_while(|name| name.strip_prefix(PROVIDERS)?.split('.').next())
            .map(str::to_owned)
            .collect();
        // Next to each other they are not always: `a-b.kind` comes before `a.kind`, `a.title` after both.
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Gives every key that no layer set its default from the table.
    pub(super) fn fill_defaults(&mut self) {
        for spec in KEYS {
            let default = spec.default.filter(|_| !self.values.contains_key(spec.name));
            if let Some(text) = default {
                let value = Value::from_text(spec, text).expect("defaults of the table are read in a test");
                self.put(spec.name.to_owned(), Entry { value, origin: Origin::Default, file: None });
            }
        }
    }

    /// Gives a key that no layer set a default worked out from other keys.
    pub(super) fn fill_derived(&mut self, name: &'static str, value: Value) {
        self.values.entry(name.to_owned()).or_insert(Entry { value, origin: Origin::Default, file: None });
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.values.get(name)
    }

    /// An error about a key that has a value, told where it was set.
    pub(super) fn fault(&self, name: &str, problem: Problem) -> ConfigError {
        match self.get(name) {
            Some(entry) => fault_showing(entry, name, shown_value(name, &entry.value), problem),
            None => ConfigError::at(name, problem),
        }
    }
}

/// An error about an entry: a secret that came from a file is told by the file's path.
pub(super) fn fault_showing(entry: &Entry, name: &str, shown: String, problem: Problem) -> ConfigError {
    match &entry.file {
        Some(path) => ConfigError::about(&entry.origin, &format!("{name}_file"), quoted(path), problem),
        None => ConfigError::about(&entry.origin, name, shown, problem),
    }
}
