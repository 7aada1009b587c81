//! `gateway.upstream`: one URL, or several by host and path, in tables that only the file can hold.

use portcullis_core::access::{HostPattern, Prefix};
use serde_json::{Map, Value as Json, json};
use toml::de::{DeTable, DeValue};
use url::Url;

use super::error::{Problem, quoted};
use super::rules::{host, not_a_table, one, path};
use super::suggest;

const KEYS: [&str; 3] = ["host", "path", "url"];
const EXAMPLE: &str =
    r#"write scheme, host and port, such as "http://127.0.0.1:3000"; h2c:// is HTTP/2 without TLS"#;

/// An app, and its keys as they were written.
#[derive(Debug, Clone)]
pub(super) struct WrittenUpstream {
    pub(super) upstream: Upstream,
    pub(super) written: Json,
}

/// An app behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// For which hosts; none: all.
    pub host: Option<HostPattern>,
    /// For which paths.
    pub path: Prefix,
    /// `http`, `https` or `h2c`; scheme, host and port alone.
    pub url: Url,
}

/// One URL for everything.
pub(super) fn from_text(text: &str) -> Result<Vec<WrittenUpstream>, Problem> {
    let upstream = Upstream { host: None, path: Prefix::ROOT, url: url(text)? };
    Ok(vec![WrittenUpstream { upstream, written: json!(text) }])
}

/// Reads the whole array. A fault names the table by its number and the key in it.
pub(super) fn from_toml(items: &[toml::Spanned<DeValue<'_>>]) -> Result<Vec<WrittenUpstream>, Problem> {
    let one = |(at, item): (usize, &toml::Spanned<DeValue<'_>>)| {
        let read = match item.get_ref() {
            DeValue::Table(table) => read(table),
            other => Err(not_a_table("gateway.upstream", other)),
        };
        read.map_err(|problem| {
            Problem::new(format!("upstream {}: {}", at + 1, problem.problem), problem.remedy)
        })
    };
    let all: Vec<WrittenUpstream> = items.iter().enumerate().map(one).collect::<Result<_, _>>()?;
    for (at, later) in all.iter().enumerate() {
        let same = |other: &WrittenUpstream| {
            (&other.upstream.host, &other.upstream.path) == (&later.upstream.host, &later.upstream.path)
        };
        if let Some(first) = all[..at].iter().position(same) {
            let problem = format!("upstream {} is for the same host and path as {}", at + 1, first + 1);
            return Err(Problem::new(problem, "take one of them away"));
        }
    }
    Ok(all)
}

fn read(table: &DeTable<'_>) -> Result<WrittenUpstream, Problem> {
    let (mut to, mut for_host, mut under, mut written) = (None, None, Prefix::ROOT, Map::new());
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        let text = one(key, value.get_ref())?;
        match key {
            "host" => for_host = Some(host(text)?),
            "path" => under = path(text)?,
            "url" => to = Some(url(text)?),
            other => return Err(unknown(other)),
        }
        written.insert(key.to_owned(), json!(text));
    }
    let Some(url) = to else { return Err(Problem::new("has no url", EXAMPLE)) };
    let upstream = Upstream { host: for_host, path: under, url };
    Ok(WrittenUpstream { upstream, written: Json::Object(written) })
}

fn unknown(key: &str) -> Problem {
    let meant = suggest::nearest(key, KEYS.into_iter().map(str::to_owned));
    let remedy = meant
        .map_or(format!("an upstream has {}", KEYS.join(", ")), |meant| format!("did you mean {meant}?"));
    Problem::new(format!("unknown key {key}"), remedy)
}

fn url(text: &str) -> Result<Url, Problem> {
    let problem = |what: &str| Problem::new(format!("{} {what}", quoted(text)), EXAMPLE);
    let url = Url::parse(text).map_err(|_| problem("is not a URL"))?;
    let fault = match () {
        () if !matches!(url.scheme(), "http" | "https" | "h2c") => "is not http, https or h2c",
        () if url.host_str().is_none_or(str::is_empty) || !text.contains("://") => "has no host",
        () if !url.username().is_empty() || url.password().is_some() => "holds credentials",
        () if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() => {
            "has a path, which requests bring along"
        }
        () => return Ok(url),
    };
    Err(problem(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_url() {
        for text in ["http://127.0.0.1:3000", "https://app.internal/", "h2c://[::1]:50051"] {
            let all = from_text(text).expect(text);
            assert_eq!((all.len(), &all[0].upstream.path), (1, &Prefix::ROOT));
        }
        for text in [
            "",
            "app:3000",
            "ftp://app",
            "http://",
            "http://u:p@app",
            "http://app/base",
            "http://app?x",
            "h2c://app/x",
        ] {
            assert!(from_text(text).is_err(), "{text}");
        }
    }
}
