//! Small written forms: one of several words, a role's name, a log level.

use portcullis_core::registration::Domain;
use portcullis_core::standard_webhook::WebhookSecret;
use portcullis_core::subscription::Plan;
use portcullis_core::user::Role;

use super::error::Problem;
use super::suggest;

/// One of a few words.
pub(super) fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Problem> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let allowed = format!("allowed: {}", names.join(", "));
    let remedy = match suggest::nearest(text, names.iter().map(|&name| name.to_owned())) {
        Some(meant) => format!("did you mean {meant}? {allowed}"),
        None => allowed,
    };
    Err(Problem::new("is not known here", remedy))
}

/// A domain of e-mail addresses.
pub(super) fn email_domain(text: &str) -> Result<Domain, Problem> {
    let problem =
        || Problem::new("is no domain", r#"write it as "example.org", or "*.example.org" for all below it"#);
    Domain::parse(text).ok_or_else(problem)
}

/// A user's role.
pub(super) fn role(text: &str) -> Result<Role, Problem> {
    let problem = |_| Problem::new("is no role", "a role has 1 to 32 of a-z, 0-9, _ and -");
    Role::parse("role", text).map_err(problem)
}

/// A secret of messages that we sign.
pub(super) fn webhook_secret(text: &str) -> Result<WebhookSecret, Problem> {
    let remedy = "make one with: echo whsec_$(head -c 32 /dev/urandom | base64)";
    WebhookSecret::parse(text).map_err(|_| Problem::new("is not whsec_ and base64 of 24 to 64 bytes", remedy))
}

/// The name of a plan.
pub(super) fn plan(text: &str) -> Result<Plan, Problem> {
    let problem = |_| Problem::new("is no name of a plan", "use up to 64 of A-Z, a-z, 0-9, dot, _ and -");
    Plan::parse("plan", text).map_err(problem)
}

/// The role that everyone who registers gets.
pub(super) fn default_role(text: &str) -> Result<String, Problem> {
    if text == "admin" {
        return Err(Problem::new(
            "would make everyone who registers an administrator",
            "choose another role; name administrators with: portcullis user create --admin",
        ));
    }
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if text.len() <= 32 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(inner) {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no name of a role", "use up to 32 of a-z, 0-9, _ and -, a letter first"))
}

/// A value of `aud` (RFC 7519 section 4.1.3).
pub(super) fn audience(text: &str) -> Result<String, Problem> {
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(
        "is no audience",
        "use 1 to 256 visible ASCII characters, such as a URL or a service's name",
    ))
}

/// The domain of cookies, in small letters (RFC 6265 section 5.2.3).
pub(super) fn domain(text: &str) -> Result<String, Problem> {
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let address = text.parse::<std::net::IpAddr>().is_ok();
    if text.len() <= 253 && text.contains('.') && text.split('.').all(label) && !address {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Problem::new("is no domain", r#"write one such as "example.com", without a dot in front"#))
}

/// The path of cookies (RFC 6265 section 4.1.1).
pub(super) fn cookie_path(text: &str) -> Result<String, Problem> {
    if text.starts_with('/') && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic() && b != b';') {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no path", r#"begin it with "/", without `;` and spaces, such as "/auth""#))
}

/// A level, or `target=level` pairs with commas; `inof` would else be taken for a target.
pub(super) fn log_level(text: &str) -> Result<String, Problem> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let target = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-' | b'.'))
    };
    let good = text.split(',').all(|part| match part.split_once('=') {
        Some((name, level)) => target(name) && LEVELS.contains(&level),
        None => LEVELS.contains(&part),
    });
    if good {
        return Ok(text.to_owned());
    }
    Err(Problem::new(
        "is no log level",
        r#"allowed: off, error, warn, info, debug, trace, or pairs such as "info,portcullis_store=debug""#,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        let choices = [("open", 1), ("closed", 2)];
        assert_eq!(one_of("closed", &choices), Ok(2));
        assert_eq!(
            one_of("Open", &choices).expect_err("case").remedy,
            "did you mean open? allowed: open, closed"
        );
        assert_eq!(one_of("sesame", &choices).expect_err("far").remedy, "allowed: open, closed");
    }

    #[test]
    fn roles() {
        for text in ["user", "team_lead-2"] {
            assert_eq!(default_role(text).as_deref(), Ok(text));
        }
        for text in ["admin", "", "2nd", "User", "a b", &"x".repeat(33)] {
            assert!(default_role(text).is_err(), "{text}");
        }
    }

    #[test]
    fn levels() {
        for text in ["info", "off", "info,portcullis_store=debug", "tower_http::trace=warn"] {
            assert!(log_level(text).is_ok(), "{text}");
        }
        for text in ["", "inof", "INFO", "info,", "=debug", "a=b", "a b=info"] {
            assert!(log_level(text).is_err(), "{text}");
        }
    }

    #[test]
    fn audiences() {
        assert!(audience("https://api.example.com").is_ok());
        for text in ["", "a b", "ä", &"x".repeat(257)] {
            assert!(audience(text).is_err(), "{text}");
        }
    }
}
