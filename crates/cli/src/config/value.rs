//! A value of a known key, read by the key's kind from text or from TOML.

use std::time::Duration;

use secrecy::SecretString;
use toml::de::DeValue;

use super::duration;
use super::error::Problem;
use super::keys::{KeySpec, Kind, Secrecy};
use super::rate::{self, Rate};
use super::rules::{self, WrittenRule};
use super::size;
use super::upstreams::{self, WrittenUpstream};
use super::webhooks::{self, WrittenWebhook};

/// What a layer holds for a key, before its section's own parser has seen it.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// The word `off`, where the key has it.
    Off,
    Text(String),
    Secret(SecretString),
    List(Vec<String>),
    Secrets(Vec<SecretString>),
    Integer(u32),
    Boolean(bool),
    Duration(Duration),
    Rate(Rate),
    Size(u64),
    Rules(Vec<WrittenRule>),
    Upstreams(Vec<WrittenUpstream>),
    Webhooks(Vec<WrittenWebhook>),
}

impl Value {
    /// Reads the form of environment, flags, secret files and the table's own defaults.
    pub(super) fn from_text(spec: &KeySpec, text: &str) -> Result<Self, Problem> {
        if spec.off && text == "off" {
            return Ok(Self::Off);
        }
        match spec.kind {
            Kind::List => Ok(Self::list(spec, split(text))),
            Kind::Rules | Kind::Webhooks => Err(rules::not_as_text(spec.name)),
            _ if text.trim().is_empty() => Err(Problem::new("is empty", "give a value or leave the key out")),
            Kind::Text | Kind::Claim => Ok(Self::text(spec, text.to_owned())),
            Kind::Integer(min, max) => integer(text, 10, min, max),
            Kind::Boolean => match text {
                "true" => Ok(Self::Boolean(true)),
                "false" => Ok(Self::Boolean(false)),
                _ => Err(Problem::new("is not a boolean", "write true or false")),
            },
            Kind::Duration(min, max) => duration::parse_between(text, min, max).map(Self::Duration),
            Kind::Rate => Rate::parse(text).map(Self::Rate),
            Kind::Size(min, max) => size::parse_between(text, min, max).map(Self::Size),
            Kind::Upstreams => upstreams::from_text(text).map(Self::Upstreams),
        }
    }

    /// Reads the form of the configuration file, where types are TOML's.
    pub(super) fn from_toml(spec: &KeySpec, value: &DeValue<'_>) -> Result<Self, Problem> {
        match (spec.kind, value) {
            (
                Kind::Text | Kind::Duration(..) | Kind::Rate | Kind::Size(..) | Kind::Upstreams,
                DeValue::String(text),
            ) => Self::from_text(spec, text),
            // The contract writes `refresh_grace = 0`; no other bare number says its unit.
            (Kind::Duration(..), DeValue::Integer(zero)) if zero.as_str() == "0" => {
                Self::from_text(spec, "0")
            }
            (Kind::Boolean, DeValue::Boolean(value)) => Ok(Self::Boolean(*value)),
            (Kind::Integer(min, max), DeValue::Integer(n)) => integer(n.as_str(), n.radix(), min, max),
            (Kind::List, DeValue::Array(items)) => {
                let items: Option<Vec<String>> =
                    items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
                items.map(|items| Self::list(spec, items)).ok_or_else(|| wrong_type(spec, "a mixed array"))
            }
            (Kind::Rules, DeValue::Array(items)) => rules::from_toml(spec.name, items).map(Self::Rules),
            (Kind::Webhooks, DeValue::Array(items)) => {
                webhooks::from_toml(spec.name, items).map(Self::Webhooks)
            }
            (Kind::Upstreams, DeValue::Array(items)) => upstreams::from_toml(items).map(Self::Upstreams),
            _ => Err(wrong_type(spec, with_article(value))),
        }
    }

    fn text(spec: &KeySpec, text: String) -> Self {
        if spec.secrecy == Secrecy::Open { Self::Text(text) } else { Self::Secret(text.into()) }
    }

    fn list(spec: &KeySpec, items: Vec<String>) -> Self {
        if spec.secrecy == Secrecy::Open {
            Self::List(items)
        } else {
            Self::Secrets(items.into_iter().map(SecretString::from).collect())
        }
    }
}

/// A list as the environment writes it. Empty items are dropped, so that a trailing comma and an
/// empty variable mean what they look like.
fn split(text: &str) -> Vec<String> {
    text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn integer(text: &str, radix: u32, min: u32, max: u32) -> Result<Value, Problem> {
    let remedy = format!("choose a whole number from {min} to {max}");
    let digits = text.trim_start_matches('-');
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(Problem::new("is not a whole number", remedy));
    }
    match u32::from_str_radix(text, radix) {
        Ok(number) if (min..=max).contains(&number) => Ok(Value::Integer(number)),
        _ => Err(Problem::new("is out of range", remedy)),
    }
}

fn wrong_type(spec: &KeySpec, found: &str) -> Problem {
    match spec.kind {
        Kind::Text => Problem::new(format!("is {found}, not a string"), "write it in quotes"),
        Kind::List => Problem::new(format!("is {found}, not a list"), r#"write ["first", "second"]"#),
        Kind::Integer(min, max) => Problem::new(
            format!("is {found}, not a whole number"),
            format!("write a number from {min} to {max}, without quotes"),
        ),
        Kind::Boolean => {
            Problem::new(format!("is {found}, not a boolean"), "write true or false, without quotes")
        }
        Kind::Duration(..) => duration::not_one(),
        Kind::Rate => rate::not_one(),
        Kind::Rules | Kind::Webhooks => Problem::new(
            format!("is {found}, not a list of tables"),
            format!("write [[{}]] above each", spec.name),
        ),
        Kind::Size(..) => size::not_one(),
        Kind::Upstreams => Problem::new(
            format!("is {found}, not a URL and no list of tables"),
            "write one URL in quotes, or [[gateway.upstream]] above each of several",
        ),
        Kind::Claim => Problem::new(format!("is {found}"), "write a string, a whole number, true or false"),
    }
}

/// TOML's name of a value's type, to be read in a sentence.
pub(super) fn with_article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
