//! `[[webhooks.endpoints]]`: who is told of audit events, tables that only the file can hold.

use portcullis_core::audit::KindFilter;
use portcullis_core::standard_webhook::WebhookSecret;
use secrecy::SecretString;
use serde_json::{Map, Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::error::{Problem, quoted};
use super::masked::MASK;
use super::rules::{not_a_table, one, several};
use super::{network, suggest};

const KEYS: [&str; 5] = ["name", "url", "secret", "secret_file", "kinds"];
const SECRET: &str = "make one with: echo whsec_$(openssl rand -base64 32)";

/// An endpoint, and its keys as they may be shown.
#[derive(Debug, Clone)]
pub(super) struct WrittenWebhook {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) secrets: WrittenSecrets,
    pub(super) kinds: Vec<KindFilter>,
    pub(super) written: Json,
}

/// Where its secrets are.
#[derive(Debug, Clone)]
pub(super) enum WrittenSecrets {
    Here(Vec<SecretString>),
    File(String),
}

/// Reads the whole array. A fault names the endpoint by its number and the key in it, and shows no secret.
pub(super) fn from_toml(
    name: &str,
    items: &[toml::Spanned<DeValue<'_>>],
) -> Result<Vec<WrittenWebhook>, Problem> {
    let one = |(at, item): (usize, &toml::Spanned<DeValue<'_>>)| {
        let read = match item.get_ref() {
            DeValue::Table(table) => read(table),
            other => Err(not_a_table(name, other)),
        };
        read.map_err(|problem| numbered(at, problem))
    };
    let all: Vec<WrittenWebhook> = items.iter().enumerate().map(one).collect::<Result<_, _>>()?;
    for (at, later) in all.iter().enumerate() {
        if let Some(first) = all[..at].iter().position(|other| other.name == later.name) {
            let problem = format!("has the name of endpoint {}", first + 1);
            return Err(numbered(at, Problem::new(problem, "give it one of its own")));
        }
    }
    Ok(all)
}

/// A fault of one endpoint.
pub(super) fn numbered(at: usize, problem: Problem) -> Problem {
    Problem::new(format!("endpoint {}: {}", at + 1, problem.problem), problem.remedy)
}

/// Reads one secret; no message shows any of it.
pub(super) fn secret(text: &str) -> Result<WebhookSecret, Problem> {
    WebhookSecret::parse(text)
        .map_err(|_| Problem::new("secret is not whsec_ and base64 of 24 to 64 bytes", SECRET))
}

fn read(table: &DeTable<'_>) -> Result<WrittenWebhook, Problem> {
    let (mut named, mut to, mut secrets, mut wanted) = (None, None, None, Vec::new());
    let mut written = Map::new();
    for (key, value) in table {
        let (key, value) = (key.get_ref().as_ref(), value.get_ref());
        let shown = match key {
            "name" => {
                let text = one(key, value)?;
                named = Some(name(text)?);
                json!(text)
            }
            "url" => {
                let text = one(key, value)?;
                to = Some(url(text)?);
                json!(text)
            }
            "secret" | "secret_file" if secrets.is_some() => {
                return Err(Problem::new("has both secret and secret_file", "keep one of the two"));
            }
            "secret" => {
                let all = several(key, value)?;
                for text in &all {
                    secret(text)?;
                }
                secrets = Some(WrittenSecrets::Here(all.into_iter().map(SecretString::from).collect()));
                json!(MASK)
            }
            "secret_file" => {
                let path = one(key, value)?;
                secrets = Some(WrittenSecrets::File(path.to_owned()));
                json!(path)
            }
            "kinds" => {
                let all = several(key, value)?;
                wanted = all.iter().map(|text| kind(text)).collect::<Result<_, _>>()?;
                json!(all)
            }
            other => return Err(unknown(other)),
        };
        written.insert(key.to_owned(), shown);
    }
    let wanting = |what: &str, remedy: &str| Problem::new(format!("has no {what}"), remedy);
    Ok(WrittenWebhook {
        name: named.ok_or_else(|| wanting("name", "name it, such as name = \"crm\""))?,
        url: to.ok_or_else(|| wanting("url", URL))?,
        secrets: secrets.ok_or_else(|| wanting("secret", SECRET))?,
        kinds: wanted,
        written: Json::Object(written),
    })
}

fn unknown(key: &str) -> Problem {
    let meant = suggest::nearest(key, KEYS.into_iter().map(str::to_owned));
    let remedy = meant
        .map_or(format!("an endpoint has {}", KEYS.join(", ")), |meant| format!("did you mean {meant}?"));
    Problem::new(format!("unknown key {key}"), remedy)
}

fn name(text: &str) -> Result<String, Problem> {
    let fits = (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    if fits {
        return Ok(text.to_owned());
    }
    let problem = format!("name = {} is no name", quoted(text));
    Err(Problem::new(problem, "use 1 to 40 small letters, digits, - and _"))
}

const URL: &str = r#"write one such as "https://crm.example.com/hooks""#;

/// A path may hold what only the two of us know: it is not shown.
fn url(text: &str) -> Result<String, Problem> {
    network::fetched_url(text).map_err(|_| Problem::new("url is no URL to send to", URL))
}

fn kind(text: &str) -> Result<KindFilter, Problem> {
    KindFilter::parse(text).ok_or_else(|| {
        let problem = format!("kinds: {} is no kind of event", quoted(text));
        Problem::new(problem, r#"write one such as "session.started", or "session.*" for all that begin so"#)
    })
}
