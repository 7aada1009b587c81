//! `[[forward_auth.rules]]`, `[[gateway.rules]]`: access rules, tables that only the file can hold.

use portcullis_core::access::{BadPrefix, HostPattern, Prefix, Require, Requirement, Rule, is_method};
use serde_json::{Map, Value as Json};
use toml::de::{DeTable, DeValue};

use super::error::{Problem, quoted};
use super::value::with_article;
use super::{duration, suggest, text};

const KEYS: [&str; 5] = ["host", "path", "methods", "require", "audience"];
const REQUIRE: &str =
    r#"write "public", "signed-in", "role:admin", "scope:read", "fresh:10m", or a list of these"#;

/// A rule, and its keys as they were written.
#[derive(Debug, Clone)]
pub(super) struct WrittenRule {
    pub(super) rule: Rule,
    pub(super) written: Json,
}

/// Reads the whole array. A fault names the rule by its number and the key in it.
pub(super) fn from_toml(
    name: &str,
    items: &[toml::Spanned<DeValue<'_>>],
) -> Result<Vec<WrittenRule>, Problem> {
    let one = |(at, item): (usize, &toml::Spanned<DeValue<'_>>)| {
        let read = match item.get_ref() {
            DeValue::Table(table) => read(table),
            other => Err(not_a_table(name, other)),
        };
        read.map_err(|problem| Problem::new(format!("rule {}: {}", at + 1, problem.problem), problem.remedy))
    };
    items.iter().enumerate().map(one).collect()
}

pub(super) fn not_a_table(name: &str, found: &DeValue<'_>) -> Problem {
    Problem::new(
        format!("is {}, not a table", with_article(found)),
        format!("write [[{name}]] above its keys"),
    )
}

/// The environment and flags hold no tables.
pub(super) fn not_as_text(name: &str) -> Problem {
    Problem::new("cannot be given as text", format!("write [[{name}]] in the configuration file"))
}

fn read(table: &DeTable<'_>) -> Result<WrittenRule, Problem> {
    let mut rule =
        Rule { host: None, path: Prefix::ROOT, methods: vec![], require: Require::Public, audience: None };
    let (mut written, mut has_require) = (Map::new(), false);
    for (key, value) in table {
        let (key, value) = (key.get_ref().as_ref(), value.get_ref());
        match key {
            "host" => rule.host = Some(host(one(key, value)?)?),
            "path" => rule.path = path(one(key, value)?)?,
            "methods" => rule.methods = methods(&several(key, value)?)?,
            "require" => {
                rule.require = require(&several(key, value)?)?;
                has_require = true;
            }
            "audience" => rule.audience = Some(audience(one(key, value)?)?),
            other => return Err(unknown(other)),
        }
        written.insert(key.to_owned(), json(value));
    }
    if !has_require {
        return Err(Problem::new("has no require", REQUIRE));
    }
    Ok(WrittenRule { rule, written: Json::Object(written) })
}

fn unknown(key: &str) -> Problem {
    let meant = suggest::nearest(key, KEYS.into_iter().map(str::to_owned));
    let remedy =
        meant.map_or(format!("a rule has {}", KEYS.join(", ")), |meant| format!("did you mean {meant}?"));
    Problem::new(format!("unknown key {key}"), remedy)
}

fn json(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        other => other.as_str().into(),
    }
}

pub(super) fn one<'a>(key: &str, value: &'a DeValue<'_>) -> Result<&'a str, Problem> {
    value.as_str().ok_or_else(|| {
        Problem::new(format!("{key} is {}, not a string", with_article(value)), "write it in quotes")
    })
}

/// One string or a list of them; empty lists say nothing that could be meant.
pub(super) fn several<'a>(key: &str, value: &'a DeValue<'_>) -> Result<Vec<&'a str>, Problem> {
    let DeValue::Array(items) = value else { return one(key, value).map(|text| vec![text]) };
    if items.is_empty() {
        return Err(Problem::new(format!("{key} is empty"), "give a value or leave the key out"));
    }
    items.iter().map(|item| one(key, item.get_ref())).collect()
}

pub(super) fn host(text: &str) -> Result<HostPattern, Problem> {
    HostPattern::parse(text).map_err(|_| {
        Problem::new(
            format!("host = {} is no host", quoted(text)),
            r#"write a name or address without scheme, port and path, such as "app.example.com" or "*.example.com""#,
        )
    })
}

pub(super) fn path(text: &str) -> Result<Prefix, Problem> {
    Prefix::parse(text).map_err(|error| {
        let remedy = match error {
            BadPrefix::NoSlash => r#"write it as "/admin""#,
            BadPrefix::Character => "name only the part before that: letters, digits and /-_.~!$&'()+,=:@*",
            BadPrefix::Segment => "write plain segments between single slashes",
        };
        Problem::new(format!("path = {} {error}", quoted(text)), remedy)
    })
}

fn methods(all: &[&str]) -> Result<Vec<String>, Problem> {
    let one = |text: &&str| {
        let problem = || {
            Problem::new(format!("method {} is none", quoted(text)), r#"write it in capitals, such as "GET""#)
        };
        is_method(text).then(|| (*text).to_owned()).ok_or_else(problem)
    };
    all.iter().map(one).collect()
}

fn audience(value: &str) -> Result<String, Problem> {
    text::audience(value).map_err(|problem| {
        Problem::new(format!("audience = {} {}", quoted(value), problem.problem), problem.remedy)
    })
}

fn require(all: &[&str]) -> Result<Require, Problem> {
    if all == ["public"] {
        return Ok(Require::Public);
    }
    let mut requirements = Vec::new();
    for text in all {
        let (kind, argument) = text.split_once(':').unwrap_or((text, ""));
        match (kind, argument) {
            ("public", "") => {
                return Err(Problem::new(
                    "require asks for nobody and somebody",
                    r#"let "public" stand alone"#,
                ));
            }
            ("signed-in", "") => {}
            ("role", roles) if roles.split('|').all(is_word) => {
                requirements.push(Requirement::Role(roles.split('|').map(str::to_owned).collect()));
            }
            ("scope", scope) if is_word(scope) => requirements.push(Requirement::Scope(scope.into())),
            ("fresh", age) => {
                let age = duration::parse(age).map_err(|problem| {
                    Problem::new(
                        format!("require = {}: {} {}", quoted(text), quoted(age), problem.problem),
                        problem.remedy,
                    )
                })?;
                requirements.push(Requirement::Fresh(age));
            }
            _ => return Err(Problem::new(format!("require = {} is not known", quoted(text)), REQUIRE)),
        }
    }
    Ok(Require::SignedIn(requirements))
}

/// A role, or a scope (RFC 6749 section 3.3).
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'|'))
}
