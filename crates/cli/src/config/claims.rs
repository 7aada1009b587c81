//! `tokens.claims.<name>`: claims of the operator's own.

use std::fmt;

use portcullis_jose::AccessClaims;
use toml::de::DeValue;

use super::error::Problem;

/// Where the value of an operator's claim comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimSource {
    /// This text.
    Text(String),
    /// This number.
    Integer(i64),
    /// This boolean.
    Boolean(bool),
    /// The user's imported id as a string (`user.legacy_id`).
    LegacyId,
    /// The user's imported id as a number (`user.legacy_id:number`).
    LegacyIdNumber,
    /// The plan of the account in use, while it has not expired (`account.plan`).
    AccountPlan,
    /// How far the subscription of the account in use is (`account.plan_status`).
    AccountPlanStatus,
}

const SOURCES: [(&str, ClaimSource); 4] = [
    ("user.legacy_id", ClaimSource::LegacyId),
    ("user.legacy_id:number", ClaimSource::LegacyIdNumber),
    ("account.plan", ClaimSource::AccountPlan),
    ("account.plan_status", ClaimSource::AccountPlanStatus),
];

/// Registered claims (RFC 7800, 8693, 9068 and others) that mean something to who reads them, beside those that
/// every access token has fields for.
const MEANT_ELSEWHERE: [&str; 5] = ["may_act", "acr", "cnf", "status", "nonce"];

impl ClaimSource {
    pub(super) fn from_text(text: &str) -> Result<Self, Problem> {
        if let Some((_, source)) = SOURCES.iter().find(|(name, _)| *name == text) {
            return Ok(source.clone());
        }
        // A name that looks like a source but is none would be sent out as text, unnoticed.
        if text.starts_with("user.") || text.starts_with("account.") {
            let names: Vec<&str> = SOURCES.iter().map(|(name, _)| *name).collect();
            return Err(Problem::new("is no source of a claim", format!("allowed: {}", names.join(", "))));
        }
        Ok(Self::Text(text.to_owned()))
    }

    pub(super) fn from_toml(value: &DeValue<'_>) -> Result<Self, Problem> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            DeValue::Boolean(value) => Ok(Self::Boolean(*value)),
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
                .map(Self::Integer)
                .map_err(|_| Problem::new("is out of range", "a number in a claim has at most 63 bits")),
            _ => Err(Problem::new(
                format!("is {}", super::value::with_article(value)),
                "write a string, a whole number, true or false",
            )),
        }
    }
}

/// Whether a claim may have this name.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    if AccessClaims::is_reserved(name) || MEANT_ELSEWHERE.contains(&name) {
        return Err(Problem::new("is a claim that Portcullis sets itself", "choose another name"));
    }
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    if name.is_empty() || name.len() > 128 || !name.chars().all(plain) {
        return Err(Problem::new(
            "is no name for a claim",
            "use 1 to 128 visible ASCII characters, without quotes and backslashes",
        ));
    }
    Ok(())
}

impl fmt::Display for ClaimSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            source => {
                let name = SOURCES.iter().find(|(_, known)| known == source).map(|(name, _)| *name);
                f.write_str(name.unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_static_text() {
        for (name, source) in SOURCES {
            assert_eq!(ClaimSource::from_text(name), Ok(source.clone()));
            assert_eq!(source.to_string(), name);
        }
        assert_eq!(ClaimSource::from_text("gold"), Ok(ClaimSource::Text("gold".to_owned())));
        assert!(ClaimSource::from_text("user.email").is_err());
        assert!(ClaimSource::from_text("account.plan:number").is_err());
    }

    #[test]
    fn names() {
        assert!(check_name("user_id").is_ok());
        assert!(check_name("https://hasura.io/jwt/claims").is_ok());
        for name in ["sub", "exp", "cnf", "", "a b", "a\"b", "naïve", &"x".repeat(129)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
