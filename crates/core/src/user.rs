//! A user: a person (or later a bot) who signs in.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::factor::Factors;
use crate::ids::{AccountId, UserId};
use crate::time::Timestamp;
use crate::validation::{self, FieldError};

/// Longest e-mail address (RFC 5321 §4.5.3.1.3, less the angle brackets).
const MAX_EMAIL: usize = 254;
const MAX_LOCAL_PART: usize = 64;

/// What a name is compared by: NFC, lower case.
fn fold(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase().nfc().collect()
}

/// An e-mail address, kept as written and compared case-folded.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    shown: String,
    key: String,
}

impl Email {
    /// Checks the form: what HTML's `type=email` takes, and addresses in other scripts.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, FieldError> {
        let wrong = |message: &str| FieldError::new(field, "invalid_email", message);
        let shown: String = text.trim().nfc().collect();
        if shown.len() > MAX_EMAIL {
            return Err(wrong("An e-mail address has at most 254 bytes."));
        }
        let (local, domain) =
            shown.rsplit_once('@').ok_or_else(|| wrong("Give an e-mail address such as ada@example.org."))?;
        let local_ok = !local.is_empty()
            && local.len() <= MAX_LOCAL_PART
            && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c))
            && !(local.starts_with('.') || local.ends_with('.') || local.contains(".."));
        let domain_ok = domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
        if !local_ok || !domain_ok {
            return Err(wrong("Give an e-mail address such as ada@example.org."));
        }
        Ok(Self { key: fold(&shown), shown })
    }

    /// From a stored row, without checks.
    pub const fn from_stored(shown: String, key: String) -> Self {
        Self { shown, key }
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// What stands in the place of a bot's address, which it has none of: nobody can own it (RFC 2606 §2), and
    /// it is never shown.
    pub fn of_bot(id: UserId) -> Self {
        let text = format!("{id}@bot.invalid");
        Self { shown: text.clone(), key: text }
    }

    /// What it is compared by.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// For logs: the first two characters of the local part, no more.
    pub fn masked(&self) -> String {
        self.shown.split('@').next().unwrap_or_default().chars().take(2).chain("***".chars()).collect()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.masked())
    }
}

/// A user name: no `@`, compared case-folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    shown: String,
    key: String,
}

impl Username {
    /// 1 to 150 letters, digits and `. + - _`, not starting or ending with `. + -`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, FieldError> {
        let text: String = text.nfc().collect();
        let shown = validation::line(field, &text, 150)?;
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        let ok = shown.chars().all(|c| plain(c) || ".+-".contains(c))
            && shown.starts_with(plain)
            && shown.ends_with(plain);
        if !ok {
            return Err(FieldError::new(
                field,
                "invalid",
                "A user name has letters, digits and . + - _ and starts and ends with a letter, digit or _.",
            ));
        }
        Ok(Self { key: fold(&shown), shown })
    }

    /// From a stored row, without checks.
    pub const fn from_stored(shown: String, key: String) -> Self {
        Self { shown, key }
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// What it is compared by.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// How somebody who signs in names themselves: looked up as an address first if it has an `@`.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    key: String,
}

impl Login {
    /// Any text: what names nobody finds nobody.
    pub fn new(text: &str) -> Self {
        Self { key: fold(text.trim()) }
    }

    /// Compared with the keys of addresses (with an `@`) and user names.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// A role, of a user or of a membership: the operator's own words, and ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(String);

impl Role {
    /// Runs the installation.
    pub const ADMIN: &'static str = "admin";
    /// What a user has by default.
    pub const USER: &'static str = "user";
    /// Owns an account.
    pub const OWNER: &'static str = "owner";
    /// Belongs to an account, and may change nothing about it.
    pub const MEMBER: &'static str = "member";

    /// 1 to 32 of `a-z 0-9 _ -`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, FieldError> {
        validation::word(field, text, 32, |c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')).map(Self)
    }

    /// From a stored row or one of our own words, without checks.
    pub fn from_stored(word: impl Into<String>) -> Self {
        Self(word.into())
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it runs the installation.
    pub fn is_admin(&self) -> bool {
        self.0 == Self::ADMIN
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a user may say about themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Full name.
    pub name: Option<String>,
    /// Phone number, as written.
    pub phone: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// BCP 47 language tag.
    pub locale: Option<String>,
}

/// A user, as stored. Who may sign in is decided by [`crate::sign_in`].
#[derive(Clone, Debug)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Address.
    pub email: Email,
    /// When the address was proved, if it was.
    pub email_verified_at: Option<Timestamp>,
    /// User name.
    pub username: Option<Username>,
    /// What they say about themselves.
    pub profile: Profile,
    /// Role in the installation.
    pub role: Role,
    /// The account new sessions start in, with the user's role in it.
    pub account: Option<(AccountId, Role)>,
    /// The password must be changed before anything else.
    pub must_change_password: bool,
    /// Counter that goes up whenever what proves the user changes.
    pub credential_epoch: i64,
    /// Counter that goes up whenever the row changes.
    pub version: i64,
    /// When the user was disabled, if they are.
    pub disabled_at: Option<Timestamp>,
    /// When the user was made.
    pub created_at: Timestamp,
    /// Last sign-in.
    pub last_login_at: Option<Timestamp>,
    /// Of a bot: who it belongs to.
    pub owner: Option<UserId>,
    /// The second factors that they have.
    pub factors: Factors,
}

impl User {
    /// Whether this is a bot, a user owned by another.
    pub const fn is_bot(&self) -> bool {
        self.owner.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_compared_folded_and_shown_as_written() {
        let email = Email::parse("email", " Ada.Löve@Example.ORG ").expect("valid");
        assert_eq!(email.as_str(), "Ada.Löve@Example.ORG");
        assert_eq!(email.key(), "ada.löve@example.org");
        assert_eq!(email.masked(), "Ad***");
        assert_eq!(Login::new("ADA.LÖVE@example.org").key(), email.key());
    }

    #[test]
    fn wrong_addresses() {
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "a b@c.d",
            "a@b..c",
            "a@-b.c",
            ".a@b.c",
            "a..b@c.d",
            "a@b c",
            "a\u{0}@b.c",
            "a@b@c",
        ] {
            assert!(Email::parse("email", text).is_err(), "{text:?}");
        }
        assert!(Email::parse("email", &format!("{}@example.org", "a".repeat(65))).is_err());
    }

    #[test]
    fn user_names_hold_no_at_sign() {
        assert_eq!(Username::parse("username", "Ada_L").expect("valid").key(), "ada_l");
        for text in ["", "a@b", "-a", "a.", "a b", "a\u{202e}b"] {
            assert!(Username::parse("username", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn roles() {
        assert!(Role::parse("role", "admin").expect("valid").is_admin());
        assert!(Role::parse("role", "Admin").is_err());
    }

    proptest! {
        #[test]
        fn an_address_survives_its_own_reading(text in "\\PC{0,40}@\\PC{0,20}") {
            if let Ok(email) = Email::parse("email", &text) {
                let again = Email::parse("email", email.as_str()).expect("own text");
                prop_assert_eq!(again.key(), email.key());
            }
        }
    }
}
