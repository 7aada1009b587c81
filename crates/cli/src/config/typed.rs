//! The typed view of the entries that the sections are built from.
//!
//! A key asked for with the wrong type or without its default is a fault of the key table, which
//! every test that loads a configuration finds: those are the panics here.

use std::time::Duration;

use portcullis_core::access::Rule;
use secrecy::ExposeSecret;

use super::entries::{Entries, fault_showing};
use super::error::{ConfigError, Problem, quoted};
use super::masked::MASK;
use super::rate::Rate;
use super::upstreams::Upstream;
use super::value::Value;
use super::webhooks::WrittenWebhook;

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

    /// None if unset.
    pub(super) fn optional_boolean(&self, name: &str) -> Option<bool> {
        match self.get(name)?.value {
            Value::Boolean(value) => Some(value),
            _ => None,
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

    /// Access rules; none if unset.
    pub(super) fn rules(&self, name: &str) -> Vec<Rule> {
        match self.get(name).map(|entry| &entry.value) {
            Some(Value::Rules(rules)) => rules.iter().map(|written| written.rule.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// A number of bytes; none if `off`.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Value::Size(size) => Some(*size),
            _ => None,
        }
    }

    /// Apps behind the gateway; none if unset.
    pub(super) fn upstreams(&self, name: &str) -> Vec<Upstream> {
        match self.get(name).map(|entry| &entry.value) {
            Some(Value::Upstreams(all)) => all.iter().map(|written| written.upstream.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Who is told of audit events; none if unset.
    pub(super) fn webhooks(&self, name: &str) -> &[WrittenWebhook] {
        match self.get(name).map(|entry| &entry.value) {
            Some(Value::Webhooks(all)) => all,
            _ => &[],
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
            parser(text).map_err(|problem| fault_showing(entry, name, shown, problem))
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
