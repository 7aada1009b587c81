//! What the layers left: for each key one value and where it came from.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use toml::de::DeValue;

use super::claims::ClaimSource;
use super::database_url;
use super::error::{ConfigError, Problem, quoted};
use super::keys::{CLAIMS, KeySpec, Kind, Secrecy, Target};
use super::origin::Origin;
use super::rate::Rate;
use super::table::KEYS;
use super::value::{Value, with_article};
use super::{claims, duration};

pub(super) const MASK: &str = "********";

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
    values: BTreeMap<&'static str, Entry>,
    files: BTreeMap<&'static str, (&'static KeySpec, SecretFile)>,
    pub(super) claims: BTreeMap<String, (ClaimSource, Origin)>,
}

impl Entries {
    /// Puts what the environment or a flag holds over what earlier layers left.
    pub(super) fn put_text(&mut self, target: Target, text: &str, origin: Origin) -> Result<(), ConfigError> {
        match target {
            Target::Key(spec) => match Value::from_text(spec, text) {
                Ok(value) => self.put(spec, Entry { value, origin, file: None }),
                Err(problem) => {
                    return Err(ConfigError::about(origin, spec.name, shown(spec, text), problem));
                }
            },
            Target::SecretFile(spec) => self.put_file(spec, text, origin)?,
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
            (Target::Key(spec), _) => match Value::from_toml(spec, toml) {
                Ok(value) => self.put(spec, Entry { value, origin, file: None }),
                Err(problem) => {
                    return Err(ConfigError::about(origin, spec.name, shown_toml(spec, toml), problem));
                }
            },
            (Target::SecretFile(spec), DeValue::String(path)) => self.put_file(spec, path, origin)?,
            (Target::SecretFile(spec), other) => {
                let problem =
                    Problem::new(format!("is {}, not a path", with_article(other)), "write it in quotes");
                return Err(ConfigError::about(
                    origin,
                    &format!("{}_file", spec.name),
                    plain_toml(other),
                    problem,
                ));
            }
            (Target::Claim(name), _) => {
                let source = claims::check_name(&name).and_then(|()| ClaimSource::from_toml(toml));
                self.put_claim(name, source, plain_toml(toml), origin)?;
            }
        }
        Ok(())
    }

    pub(super) fn put(&mut self, spec: &'static KeySpec, entry: Entry) {
        self.values.insert(spec.name, entry);
    }

    fn put_file(&mut self, spec: &'static KeySpec, path: &str, origin: Origin) -> Result<(), ConfigError> {
        if path.is_empty() {
            let problem = Problem::new("is empty", "name a file or leave the key out");
            return Err(ConfigError::about(origin, &format!("{}_file", spec.name), quoted(path), problem));
        }
        self.files.insert(spec.name, (spec, SecretFile { path: path.to_owned(), origin }));
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

    pub(super) fn take_files(&mut self) -> Vec<(&'static KeySpec, SecretFile)> {
        std::mem::take(&mut self.files).into_values().collect()
    }

    /// Gives every key that no layer set its default from the table.
    pub(super) fn fill_defaults(&mut self) {
        for spec in KEYS {
            let default = spec.default.filter(|_| !self.values.contains_key(spec.name));
            if let Some(text) = default {
                let value = Value::from_text(spec, text).expect("defaults of the table are read in a test");
                self.put(spec, Entry { value, origin: Origin::Default, file: None });
            }
        }
    }

    /// Gives a key that no layer set a default worked out from other keys.
    pub(super) fn fill_derived(&mut self, name: &'static str, value: Value) {
        self.values.entry(name).or_insert(Entry { value, origin: Origin::Default, file: None });
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.values.get(name)
    }

    /// An error about a key that has a value, told where it was set.
    pub(super) fn fault(&self, name: &str, problem: Problem) -> ConfigError {
        let Some(entry) = self.get(name) else { return ConfigError::at(name, problem) };
        self.fault_showing(entry, name, shown_value(name, &entry.value), problem)
    }

    fn fault_showing(&self, entry: &Entry, name: &str, shown: String, problem: Problem) -> ConfigError {
        match &entry.file {
            Some(path) => ConfigError::about(&entry.origin, &format!("{name}_file"), quoted(path), problem),
            None => ConfigError::about(&entry.origin, name, shown, problem),
        }
    }
}

/// The typed view that the sections are built from. A key asked for with the wrong type or without
/// its default is a fault of the table, which the first test finds.
impl Entries {
    fn value(&self, name: &str) -> &Value {
        &self.get(name).unwrap_or_else(|| panic!("{name} has no default")).value
    }

    pub(super) fn duration(&self, name: &str) -> Duration {
        self.optional_duration(name).unwrap_or_else(|| panic!("{name} is no duration"))
    }

    pub(super) fn optional_duration(&self, name: &str) -> Option<Duration> {
        match self.value(name) {
            Value::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    pub(super) fn rate(&self, name: &str) -> Rate {
        match self.value(name) {
            Value::Rate(rate) => *rate,
            _ => panic!("{name} is no rate"),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Boolean(value) => *value,
            _ => panic!("{name} is no boolean"),
        }
    }

    pub(super) fn integer(&self, name: &str) -> u32 {
        self.optional_integer(name).unwrap_or_else(|| panic!("{name} is no integer"))
    }

    pub(super) fn optional_integer(&self, name: &str) -> Option<u32> {
        match self.get(name)?.value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// Text, open or secret, through the section's own parser.
    pub(super) fn parse<T>(
        &self,
        name: &str,
        parser: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<T, ConfigError> {
        self.parse_optional(name, parser)?.ok_or_else(|| panic!("{name} is no text"))
    }

    /// The same for a key that may be unset.
    pub(super) fn parse_optional<T>(
        &self,
        name: &str,
        parser: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Option<T>, ConfigError> {
        let text = match self.get(name).map(|entry| &entry.value) {
            Some(Value::Text(text)) => text,
            Some(Value::Secret(secret)) => secret.expose_secret(),
            _ => return Ok(None),
        };
        parser(text).map(Some).map_err(|problem| self.fault(name, problem))
    }

    /// Each item of a list through the section's own parser; an error shows the one item.
    pub(super) fn parse_list<T>(
        &self,
        name: &str,
        parser: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, ConfigError> {
        let Some(entry) = self.get(name) else { return Ok(Vec::new()) };
        let one = |text: &str, shown: String| {
            parser(text).map_err(|problem| self.fault_showing(entry, name, shown, problem))
        };
        match &entry.value {
            Value::List(items) => items.iter().map(|item| one(item, quoted(item))).collect(),
            Value::Secrets(items) => {
                items.iter().map(|item| one(item.expose_secret(), MASK.to_owned())).collect()
            }
            _ => panic!("{name} is no list"),
        }
    }
}

/// Text of a layer as an error may show it.
fn shown(spec: &KeySpec, text: &str) -> String {
    match spec.secrecy {
        Secrecy::Open => quoted(text),
        Secrecy::Secret => MASK.to_owned(),
        Secrecy::UrlPassword => quoted(&database_url::mask(text)),
    }
}

fn shown_toml(spec: &KeySpec, toml: &DeValue<'_>) -> String {
    match toml {
        DeValue::String(text) => shown(spec, text),
        _ if spec.secrecy != Secrecy::Open => MASK.to_owned(),
        _ if spec.kind == Kind::List => plain_toml(toml),
        _ => plain_toml(toml),
    }
}

fn plain_toml(toml: &DeValue<'_>) -> String {
    match toml {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) => "[…]".to_owned(),
        DeValue::Table(_) => "{…}".to_owned(),
    }
}

fn shown_value(name: &str, value: &Value) -> String {
    let spec = KEYS.iter().find(|spec| spec.name == name);
    let secret =
        |secret: &SecretString| spec.map_or(MASK.to_owned(), |spec| shown(spec, secret.expose_secret()));
    match value {
        Value::Off => "off".to_owned(),
        Value::Text(text) => quoted(text),
        Value::Secret(text) => secret(text),
        Value::List(items) => format!("{items:?}"),
        Value::Secrets(_) => MASK.to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Duration(value) => quoted(&duration::format(*value)),
        Value::Rate(rate) => quoted(&rate.to_string()),
    }
}
