//! What a provider says of a person, and how far its word goes.
//!
//! An address is worth a join only if the provider vouches for it: that it has seen this person read mail sent there, and
//! that nobody else can have the provider say so. Who says "verified" and does not mean that is not believed:
//!
//! - Microsoft's `email` is whatever the administrator of some directory wrote there ("nOAuth"). Only `xms_edov`, which
//!   says that the domain is the directory's, vouches.
//! - Google speaks for its own addresses and those of its Workspaces (`hd`). For another it has once sent a mail, which
//!   says nothing of who reads that mailbox today.

use portcullis_core::user::Email;
use serde_json::{Map, Value};

use super::id_token::text;
use super::{ExternalIdentity, ProviderEmail, ProviderFault};

/// When an address in claims is vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Faith {
    /// As `email_verified` says (OpenID Connect Core §5.1).
    AsVerified,
    /// Always, unless `email_verified` says no.
    Always,
    /// Never.
    Never,
    /// As Google means it.
    Google {
        /// Nobody else is let in.
        hosted_domain: Option<String>,
    },
    /// As Microsoft means it.
    Entra,
}

impl Faith {
    /// Who these claims are of, with the subject that was checked.
    pub(super) fn person(
        &self,
        subject: String,
        claims: &Map<String, Value>,
    ) -> Result<ExternalIdentity, ProviderFault> {
        let email = text(claims, "email").and_then(address);
        let mut legacy_subjects = Vec::new();
        if let Self::Google { hosted_domain } = self {
            check_workspace(hosted_domain.as_deref(), claims)?;
            // python-social-auth knows people of Google by their address.
            legacy_subjects.extend(email.iter().map(|email| email.as_str().to_owned()));
        }
        Ok(ExternalIdentity {
            subject,
            email: email.map(|address| ProviderEmail { vouched: self.vouches(&address, claims), address }),
            legacy_subjects,
            name: shown(claims.get("name")),
            locale: shown(claims.get("locale")),
            auth_time: None,
        })
    }

    fn vouches(&self, address: &Email, claims: &Map<String, Value>) -> bool {
        let verified = says_yes(claims.get("email_verified"));
        match self {
            Self::AsVerified => verified,
            Self::Always => verified || claims.get("email_verified").is_none(),
            Self::Never => false,
            Self::Google { .. } => {
                let own =
                    ["@gmail.com", "@googlemail.com"].iter().any(|domain| address.key().ends_with(domain));
                verified && (own || text(claims, "hd").is_some_and(|domain| !domain.is_empty()))
            }
            Self::Entra => says_yes(claims.get("xms_edov")),
        }
    }
}

fn check_workspace(wanted: Option<&str>, claims: &Map<String, Value>) -> Result<(), ProviderFault> {
    let is = text(claims, "hd");
    match wanted {
        Some(wanted) if !is.is_some_and(|is| is.eq_ignore_ascii_case(wanted)) => {
            Err(ProviderFault::Refused("this account is not of the organisation that may sign in here"))
        }
        _ => Ok(()),
    }
}

/// Some providers write their booleans as text, or as a number.
pub(super) fn says_yes(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => text == "true" || text == "1",
        Some(Value::Number(number)) => number.as_u64() == Some(1),
        _ => false,
    }
}

/// An address that could be one of ours.
pub(super) fn address(text: &str) -> Option<Email> {
    Email::parse("email", text).ok()
}

/// A text for people, if it is one.
pub(super) fn shown(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?.trim();
    let fits = !text.is_empty() && text.len() <= 400 && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vouched(faith: &Faith, claims: &Value) -> Option<bool> {
        let claims = claims.as_object().expect("an object");
        let person = faith.person("7".into(), claims).expect("somebody");
        person.email.map(|email| email.vouched)
    }

    #[test]
    fn whose_word_goes_how_far() {
        let google = Faith::Google { hosted_domain: None };
        for (faith, claims, expected) in [
            (&Faith::AsVerified, json!({"email": "a@x.org", "email_verified": true}), Some(true)),
            (&Faith::AsVerified, json!({"email": "a@x.org", "email_verified": "true"}), Some(true)),
            (&Faith::AsVerified, json!({"email": "a@x.org", "email_verified": false}), Some(false)),
            (&Faith::AsVerified, json!({"email": "a@x.org", "email_verified": "false"}), Some(false)),
            (&Faith::AsVerified, json!({"email": "a@x.org", "email_verified": ["true"]}), Some(false)),
            (&Faith::AsVerified, json!({"email": "a@x.org"}), Some(false)),
            (&Faith::AsVerified, json!({"email_verified": true}), None),
            (&Faith::AsVerified, json!({"email": "no address", "email_verified": true}), None),
            (&Faith::AsVerified, json!({"email": ["a@x.org"], "email_verified": true}), None),
            (&Faith::Always, json!({"email": "a@x.org"}), Some(true)),
            (&Faith::Always, json!({"email": "a@x.org", "email_verified": false}), Some(false)),
            (&Faith::Never, json!({"email": "a@x.org", "email_verified": true}), Some(false)),
            (&google, json!({"email": "a@gmail.com", "email_verified": true}), Some(true)),
            (&google, json!({"email": "a@GoogleMail.com", "email_verified": true}), Some(true)),
            (&google, json!({"email": "a@gmail.com", "email_verified": false}), Some(false)),
            (&google, json!({"email": "a@notgmail.com", "email_verified": true}), Some(false)),
            (&google, json!({"email": "a@x.org", "email_verified": true, "hd": "x.org"}), Some(true)),
            (&google, json!({"email": "a@x.org", "email_verified": true}), Some(false)),
            (&google, json!({"email": "a@x.org", "hd": "x.org"}), Some(false)),
            (&Faith::Entra, json!({"email": "a@x.org"}), Some(false)),
            (&Faith::Entra, json!({"email": "a@x.org", "email_verified": true}), Some(false)),
            (&Faith::Entra, json!({"email": "a@x.org", "xms_edov": true}), Some(true)),
            (&Faith::Entra, json!({"email": "a@x.org", "xms_edov": "1"}), Some(true)),
            (&Faith::Entra, json!({"email": "a@x.org", "xms_edov": 1}), Some(true)),
            (&Faith::Entra, json!({"email": "a@x.org", "xms_edov": false}), Some(false)),
            (&Faith::Entra, json!({"email": "a@x.org", "xms_edov": "0"}), Some(false)),
        ] {
            assert_eq!(vouched(faith, &claims), expected, "{faith:?} {claims}");
        }
    }

    #[test]
    fn only_people_of_the_workspace() {
        let faith = Faith::Google { hosted_domain: Some("x.org".into()) };
        for (claims, good) in [
            (json!({"hd": "x.org"}), true),
            (json!({"hd": "X.org"}), true),
            (json!({"hd": "y.org"}), false),
            (json!({}), false),
            (json!({"email": "a@x.org", "email_verified": true}), false),
        ] {
            let claims = claims.as_object().expect("an object");
            assert_eq!(faith.person("7".into(), claims).is_ok(), good, "{claims:?}");
        }
    }
}
