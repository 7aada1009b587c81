//! What `portcullis config show` shows: every key, its value with secrets masked, its origin.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::claims::ClaimSource;
use super::entries::Entries;
use super::keys::{CLAIMS, KeySpec, Kind, NAME, PROVIDERS, Secrecy};
use super::masked::MASK;
use super::origin::Origin;
use super::sections::Config;
use super::table::KEYS;
use super::value::Value;
use super::{database_url, duration, size};

/// The first key of each provider.
const FIRST_OF_PROVIDER: &str = "providers.<name>.kind";

/// A configuration, and where each of its values came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The checked configuration.
    pub config: Config,
    /// By dotted key. Keys that nobody set and that have no default are missing.
    pub origins: BTreeMap<String, Origin>,
    shown: Vec<ShownKey>,
}

/// One key as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownKey {
    /// `server.listen`
    pub key: String,
    /// Masked if secret, null if unset; durations and rates in their written form.
    pub value: Json,
    /// Where it came from; in JSON as text.
    pub origin: Origin,
}

impl fmt::Display for ShownKey {
    /// A line as it could stand in the file, then its origin: `server.listen = "[::]:8400"  # default`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Json::Null => write!(f, "# {} is unset", self.key),
            value => write!(f, "{} = {}  # {}", self.key, toml_of(value), self.origin),
        }
    }
}

/// JSON as TOML writes it in one line: only objects differ.
fn toml_of(value: &Json) -> String {
    let joined = |parts: Vec<String>| parts.join(",");
    match value {
        Json::Array(items) => format!("[{}]", joined(items.iter().map(toml_of).collect())),
        Json::Object(members) => {
            let member = |(name, value): (&String, &Json)| format!("{name} = {}", toml_of(value));
            format!("{{{}}}", joined(members.iter().map(member).collect()))
        }
        plain => plain.to_string(),
    }
}

impl Loaded {
    pub(super) fn new(config: Config, entries: &Entries) -> Self {
        let mut shown = Vec::with_capacity(KEYS.len());
        let mut origins = BTreeMap::new();
        for spec in KEYS {
            if spec.kind == Kind::Claim {
                shown.extend(
                    entries.claims.iter().map(|(name, (source, origin))| claim(name, source, origin)),
                );
                continue;
            }
            if spec.name.starts_with(PROVIDERS) {
                // All keys of one, then of the next, where the table begins with them.
                if spec.name == FIRST_OF_PROVIDER {
                    shown.extend(entries.providers().iter().flat_map(|name| provider(name, entries)));
                }
                continue;
            }
            shown.push(key(spec, spec.name.to_owned(), entries));
        }
        let set = shown.iter().filter(|key| !key.value.is_null());
        origins.extend(set.map(|key| (key.key.clone(), key.origin.clone())));
        Self { config, origins, shown }
    }

    /// Every key in the order of the table; no secret is in it.
    pub fn show(&self) -> Vec<ShownKey> {
        self.shown.clone()
    }
}

fn key(spec: &KeySpec, name: String, entries: &Entries) -> ShownKey {
    let entry = entries.get(&name);
    ShownKey {
        value: entry.map_or(Json::Null, |entry| json_of(spec, &entry.value)),
        origin: entry.map_or(Origin::Default, |entry| entry.origin.clone()),
        key: name,
    }
}

/// What was set of a provider: most keys are for other kinds.
fn provider(name: &str, entries: &Entries) -> Vec<ShownKey> {
    let rows = KEYS.iter().filter(|spec| spec.name.starts_with(PROVIDERS));
    let keys = rows.map(|spec| key(spec, spec.name.replace(NAME, name), entries));
    keys.filter(|key| !key.value.is_null()).collect()
}

fn claim(name: &str, source: &ClaimSource, origin: &Origin) -> ShownKey {
    let value = match source {
        ClaimSource::Integer(number) => json!(number),
        ClaimSource::Boolean(value) => json!(value),
        text => json!(text.to_string()),
    };
    ShownKey { key: format!("{CLAIMS}{name}"), value, origin: origin.clone() }
}

fn json_of(spec: &KeySpec, value: &Value) -> Json {
    match value {
        Value::Off => json!("off"),
        Value::Text(text) => json!(text),
        Value::Secret(text) if spec.secrecy == Secrecy::UrlPassword => {
            json!(database_url::mask(text.expose_secret()))
        }
        Value::Secret(_) => json!(MASK),
        Value::List(items) => json!(items),
        Value::Secrets(items) => items.iter().map(|_| json!(MASK)).collect(),
        Value::Integer(number) => json!(number),
        Value::Boolean(value) => json!(value),
        Value::Duration(value) => json!(duration::format(*value)),
        Value::Rate(rate) => json!(rate.to_string()),
        Value::Size(size) => json!(size::format(*size)),
        Value::Upstreams(all) => match &**all {
            [one] if one.written.is_string() => one.written.clone(),
            all => all.iter().map(|one| one.written.clone()).collect(),
        },
        Value::Webhooks(all) => all.iter().map(|webhook| webhook.written.clone()).collect(),
        Value::Rules(rules) => rules.iter().map(|rule| rule.written.clone()).collect(),
    }
}
