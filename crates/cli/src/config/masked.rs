//! Values as errors and `config show` may show them.

use secrecy::{ExposeSecret, SecretString};
use toml::de::DeValue;

use super::error::quoted;
use super::keys::{self, KeySpec, Secrecy};
use super::value::Value;
use super::{database_url, duration, size};

/// What stands in a secret's place, whatever its length.
pub(super) const MASK: &str = "********";

/// Text of a layer as an error may show it.
pub(super) fn shown(spec: &KeySpec, text: &str) -> String {
    match spec.secrecy {
        Secrecy::Open => quoted(text),
        Secrecy::Secret => MASK.to_owned(),
        Secrecy::UrlPassword => quoted(&database_url::mask(text)),
    }
}

/// A value of the file as an error may show it.
pub(super) fn shown_toml(spec: &KeySpec, toml: &DeValue<'_>) -> String {
    match toml {
        DeValue::String(text) => shown(spec, text),
        _ if spec.secrecy != Secrecy::Open => MASK.to_owned(),
        _ => plain_toml(toml),
    }
}

/// A value of the file that is no secret.
pub(super) fn plain_toml(toml: &DeValue<'_>) -> String {
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

/// A value that was read as an error may show it.
pub(super) fn shown_value(name: &str, value: &Value) -> String {
    let spec = keys::spec(name);
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
        Value::Size(size) => quoted(&size::format(*size)),
        Value::Upstreams(all) => match &**all {
            [one] => one.written.to_string(),
            _ => "[…]".to_owned(),
        },
        Value::Rules(_) | Value::Webhooks(_) => "[…]".to_owned(),
    }
}
