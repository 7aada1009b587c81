//! `email.url`: where mails are handed over, and how its URL may be shown. And who they are from.

use std::fmt;
use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::database_url;
use super::error::Problem;

/// How the connection to a mail server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// Begun in clear, and never used without TLS (RFC 3207).
    StartTls,
    /// Not at all: only on this machine, or where the operator says so.
    None,
}

/// A mail server. Debug shows no password.
#[derive(Clone)]
pub struct MailServer {
    /// As its certificate names it.
    pub host: String,
    /// 465, 587 or the one that was given.
    pub port: u16,
    /// How it is spoken to.
    pub tls: MailTls,
    /// User and password.
    pub credentials: Option<(String, SecretString)>,
    masked: String,
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MailServer").field(&self.masked).finish()
    }
}

fn not_one() -> Problem {
    Problem::new(
        "is no URL of a mail server",
        "write smtps://user:password@host or smtp://user:password@host:587, special characters percent-encoded",
    )
}

impl MailServer {
    /// Takes `smtps://…` and `smtp://…`. The problems hold nothing of the URL, which may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let url = Url::parse(text).map_err(|_| not_one())?;
        let implicit = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(not_one()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(not_one)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(Problem::new("has a path", "end it after host and port"));
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        let here = is_here(&host);
        let tls = match (implicit, url.query()) {
            (true, None) => MailTls::Implicit,
            (false, None) if here => MailTls::None,
            (false, None | Some("tls=required")) => MailTls::StartTls,
            (false, Some("tls=none")) => MailTls::None,
            _ => {
                let remedy = "the one there is: ?tls=none or ?tls=required, behind smtp://";
                return Err(Problem::new("has a parameter that is not known", remedy));
            }
        };
        let credentials = credentials(&url)?;
        if credentials.is_some() && tls == MailTls::None && !here {
            return Err(Problem::new(
                "would send the password in clear",
                "leave out ?tls=none, or the password",
            ));
        }
        let port = url.port().unwrap_or(if implicit { 465 } else { 587 });
        Ok(Self { host, port, tls, credentials, masked: database_url::mask(text) })
    }

    /// The URL with its password replaced.
    pub fn masked(&self) -> &str {
        &self.masked
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn credentials(url: &Url) -> Result<Option<(String, SecretString)>, Problem> {
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", _) | (_, None) => {
            Err(Problem::new("has a user or a password, but not both", "write smtps://user:password@host"))
        }
        (user, Some(password)) => {
            let decoded = |text| decode(text).ok_or_else(not_one);
            Ok(Some((decoded(user)?, decoded(password)?.into())))
        }
    }
}

/// Percent-decoding (RFC 3986 section 2.1) of what the URL's parser has taken.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

/// Whom mails are from, or answers go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// What is shown.
    pub name: Option<String>,
    /// The address.
    pub address: String,
}

impl Mailbox {
    /// Takes `no-reply@example.org` and `Example <no-reply@example.org>`.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::new(
                "is no address",
                r#"write "no-reply@example.org" or "Example <no-reply@example.org>""#,
            )
        };
        if text.chars().any(char::is_control) {
            return Err(wrong());
        }
        let (name, address) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"').trim(), address),
            None => ("", text),
        };
        let email = portcullis_core::user::Email::parse("from", address).map_err(|_| wrong())?;
        if name.contains(['<', '>']) {
            return Err(wrong());
        }
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self { name, address: email.as_str().to_owned() })
    }
}

/// A page that mails lead to: absolute, and with a place for the token if it takes one.
pub(super) fn page(text: &str, takes_token: bool) -> Result<String, Problem> {
    let count = text.matches("{token}").count();
    if count != usize::from(takes_token) {
        return Err(if takes_token {
            Problem::new(
                "has no single place for the token",
                r#"write one such as "https://app.example.com/x?token={token}""#,
            )
        } else {
            Problem::new("has a place for a token", "it takes none: leave {token} out")
        });
    }
    let url = Url::parse(&text.replace("{token}", "token")).ok();
    let good = url.filter(|url| url.username().is_empty() && url.password().is_none());
    let here = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match good {
        Some(url) if url.scheme() == "https" || (url.scheme() == "http" && here(&url)) => Ok(text.to_owned()),
        Some(url) if url.scheme() == "http" => {
            Err(Problem::new("is not https: others could read the token", "write https://"))
        }
        _ => Err(Problem::new("is no URL", r#"write one such as "https://app.example.com/x""#)),
    }
}

/// A language tag (BCP 47), as far as it names files.
pub(super) fn locale(text: &str) -> Result<String, Problem> {
    let mut parts = text.split('-');
    let language = parts.next().is_some_and(|first| {
        (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic())
    });
    let rest =
        parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if language && rest {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no language tag", r#"write one such as "de" or "pt-BR""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        for (url, host, port, tls) in [
            ("smtps://mail.example.org", "mail.example.org", 465, MailTls::Implicit),
            ("smtp://mail.example.org", "mail.example.org", 587, MailTls::StartTls),
            ("smtp://mail.example.org:25/", "mail.example.org", 25, MailTls::StartTls),
            ("smtp://localhost:1025", "localhost", 1025, MailTls::None),
            ("smtp://[::1]:1025", "::1", 1025, MailTls::None),
            ("smtp://127.0.0.1?tls=required", "127.0.0.1", 587, MailTls::StartTls),
            ("smtp://mailpit:1025?tls=none", "mailpit", 1025, MailTls::None),
        ] {
            let server = MailServer::parse(url).expect(url);
            assert_eq!((server.host.as_str(), server.port, server.tls), (host, port, tls), "{url}");
        }
        let server = MailServer::parse("smtps://ada%40example.org:p%3Aw%C3%A9@h").expect("good");
        let (user, password) = server.credentials.as_ref().expect("both");
        assert_eq!((user.as_str(), password.expose_secret()), ("ada@example.org", "p:wé"));
        assert_eq!(format!("{server:?}"), r#"MailServer("smtps://ada%40example.org:********@h")"#);
    }

    #[test]
    fn refusals_say_what_and_never_the_password() {
        for (url, problem) in [
            ("https://mail.example.org", "is no URL of a mail server"),
            ("mail.example.org:587", "is no URL of a mail server"),
            ("smtp://", "is no URL of a mail server"),
            ("smtp://h/inbox", "has a path"),
            ("smtp://h?tls=maybe", "has a parameter that is not known"),
            ("smtps://h?tls=none", "has a parameter that is not known"),
            ("smtp://sesame@h", "has a user or a password, but not both"),
            ("smtp://u:sesame@h?tls=none", "would send the password in clear"),
            ("smtps://u:sesame%0Ax@h", "is no URL of a mail server"),
        ] {
            let refused = MailServer::parse(url).expect_err(url);
            assert_eq!(refused.problem, problem, "{url}");
            assert!(!format!("{refused:?}").contains("sesame"));
        }
    }

    #[test]
    fn mailboxes() {
        let of = |name: Option<&str>, address: &str| Mailbox {
            name: name.map(str::to_owned),
            address: address.into(),
        };
        for (text, expected) in [
            ("no-reply@example.org", of(None, "no-reply@example.org")),
            ("Große Welt <a@exämple.org>", of(Some("Große Welt"), "a@exämple.org")),
            ("\"Ada, Countess\" <ada@example.org>", of(Some("Ada, Countess"), "ada@example.org")),
            ("<a@b.c>", of(None, "a@b.c")),
        ] {
            assert_eq!(Mailbox::parse(text).expect(text), expected);
        }
        for text in ["", "Ada", "Ada <ada>", "a@b.c, d@e.f", "Ada\r\nBcc: x@y.z <a@b.c>", "<a@b.c> x <d@e.f>"]
        {
            assert!(Mailbox::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pages() {
        for (text, takes_token) in [
            ("https://app.example.com/#/reset/{token}", true),
            ("http://localhost:3000/reset?token={token}", true),
            ("https://app.example.com/sign-in", false),
        ] {
            assert_eq!(page(text, takes_token).expect(text), text);
        }
        for (text, takes_token) in [
            ("https://app.example.com/reset", true),
            ("https://app.example.com/{token}/{token}", true),
            ("https://app.example.com/{token}", false),
            ("http://app.example.com/{token}", true),
            ("/reset?token={token}", true),
            ("javascript:alert({token})", true),
            ("https://u:p@app.example.com/{token}", true),
        ] {
            assert!(page(text, takes_token).is_err(), "{text}");
        }
    }

    #[test]
    fn locales() {
        for (text, good) in [
            ("de", true),
            ("pt-BR", true),
            ("zh-Hant-TW", true),
            ("", false),
            ("d", false),
            ("de_AT", false),
            ("../en", false),
            ("en-", false),
        ] {
            assert_eq!(locale(text).is_ok(), good, "{text}");
        }
    }
}
