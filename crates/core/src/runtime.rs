//! Runtime settings: what administrators change without a restart. The list is short on purpose: only what may change
//! between two requests, on nodes that hear of it a second apart, stands in it. All else is configuration.
//!
//! Each has the name of its configuration key in snake case. What the configuration says is the default; a value that
//! was set at run time overrides it on every node, until it is unset.

use serde_json::Value;

use crate::registration::Mode;
use crate::user::Role;
use crate::validation::FieldError;

/// What is in force. A new setting is a field here and a row in [`SETTINGS`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, and none says anything of another"
)]
pub struct Runtime {
    /// Who may register.
    pub registration_mode: Mode,
    /// Whether addresses can be verified.
    pub email_verification_enabled: bool,
    /// Nobody signs in before their address is verified.
    pub require_email_verification: bool,
    /// Role of who registers; never the administrator's.
    pub default_role: Role,
    /// Most live API tokens of one user.
    pub max_api_tokens_per_user: u32,
    /// Most bots of one user.
    pub max_bots_per_user: u32,
    /// Users are told by mail when an administrator acts in their name.
    pub impersonation_notify: bool,
    /// Users are told by mail of a sign-in from a device that was not seen before.
    pub notify_new_device: bool,
}

impl Runtime {
    /// Whether addresses can be verified: always where they must be.
    pub const fn verifies_email(&self) -> bool {
        self.email_verification_enabled || self.require_email_verification
    }
}

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number in these bounds.
    Integer {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The name of a role, but not the administrator's.
    Role,
}

impl Kind {
    /// Its name in the API: `boolean`, `integer`, `choice`, `role`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer { .. } => "integer",
            Self::Choice(_) => "choice",
            Self::Role => "role",
        }
    }
}

/// One setting: everything there is to know of it.
pub struct Setting {
    /// Snake case, stable.
    pub name: &'static str,
    /// The configuration key that its default comes from; `None`: it has none, and the default is built in.
    pub key: Option<&'static str>,
    /// What values it takes.
    pub kind: Kind,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    read: fn(&Runtime) -> Value,
    write: fn(&mut Runtime, &Value) -> Option<()>,
}

const MODES: [(&str, Mode); 3] = [("open", Mode::Open), ("invite", Mode::Invite), ("closed", Mode::Closed)];
const MODE_NAMES: &[&str] = &[MODES[0].0, MODES[1].0, MODES[2].0];
/// As `api_tokens.max_per_user` of the configuration.
const MOST_TOKENS: u32 = 1_000;
/// As `bots.max_per_user` of the configuration.
const MOST_BOTS: u32 = 1_000;

fn mode_name(mode: Mode) -> &'static str {
    MODES.iter().find(|(_, one)| *one == mode).map_or("closed", |(name, _)| name)
}

fn mode(value: &Value) -> Option<Mode> {
    let text = value.as_str()?;
    MODES.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode)
}

fn number(value: &Value, from: u32, to: u32) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok().filter(|number| (from..=to).contains(number))
}

fn role(value: &Value) -> Option<Role> {
    let text = value.as_str()?;
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    Role::parse("value", text).ok().filter(|role| begins && role.as_str() == text && !role.is_admin())
}

/// Every setting, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "registration_mode",
        key: Some("registration.mode"),
        kind: Kind::Choice(MODE_NAMES),
        meaning: "Who may register: everybody, who has an invite, or nobody.",
        read: |now| mode_name(now.registration_mode).into(),
        write: |now, value| mode(value).map(|mode| now.registration_mode = mode),
    },
    Setting {
        name: "email_verification_enabled",
        key: Some("registration.email_verification"),
        kind: Kind::Boolean,
        meaning: "Whether users can verify their e-mail address. They always can where they must.",
        read: |now| now.email_verification_enabled.into(),
        write: |now, value| value.as_bool().map(|on| now.email_verification_enabled = on),
    },
    Setting {
        name: "require_email_verification",
        key: Some("registration.require_email_verification"),
        kind: Kind::Boolean,
        meaning: "Whether an e-mail address must be verified before its user signs in.",
        read: |now| now.require_email_verification.into(),
        write: |now, value| value.as_bool().map(|on| now.require_email_verification = on),
    },
    Setting {
        name: "default_role",
        key: Some("registration.default_role"),
        kind: Kind::Role,
        meaning: "The role of whoever registers.",
        read: |now| now.default_role.as_str().into(),
        write: |now, value| role(value).map(|role| now.default_role = role),
    },
    Setting {
        name: "max_api_tokens_per_user",
        key: Some("api_tokens.max_per_user"),
        kind: Kind::Integer { min: 1, max: MOST_TOKENS },
        meaning: "How many live API tokens a user may have. Who has more keeps them.",
        read: |now| now.max_api_tokens_per_user.into(),
        write: |now, value| number(value, 1, MOST_TOKENS).map(|most| now.max_api_tokens_per_user = most),
    },
    Setting {
        name: "max_bots_per_user",
        key: Some("bots.max_per_user"),
        kind: Kind::Integer { min: 0, max: MOST_BOTS },
        meaning: "How many bots a user may have. Who has more keeps them.",
        read: |now| now.max_bots_per_user.into(),
        write: |now, value| number(value, 0, MOST_BOTS).map(|most| now.max_bots_per_user = most),
    },
    Setting {
        name: "impersonation_notify",
        key: Some("impersonation.notify"),
        kind: Kind::Boolean,
        meaning: "Whether users are told by mail when an administrator acts in their name.",
        read: |now| now.impersonation_notify.into(),
        write: |now, value| value.as_bool().map(|on| now.impersonation_notify = on),
    },
    Setting {
        name: "notify_new_device",
        key: Some("login.notify_new_device"),
        kind: Kind::Boolean,
        meaning: "Whether users are told by mail of a sign-in from a device that was not seen before.",
        read: |now| now.notify_new_device.into(),
        write: |now, value| value.as_bool().map(|on| now.notify_new_device = on),
    },
];

/// The setting of this name.
pub fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

impl Setting {
    /// What `now` says of it.
    pub fn value(&self, now: &Runtime) -> Value {
        (self.read)(now)
    }

    /// Puts `value` into `now`, or says what is wrong with it and leaves `now` alone.
    pub fn apply(&self, now: &mut Runtime, value: &Value) -> Result<(), FieldError> {
        (self.write)(now, value).ok_or_else(|| {
            let (code, message) = match self.kind {
                Kind::Boolean => ("wrong_type", "Use `true` or `false`.".to_owned()),
                Kind::Integer { min, max } => {
                    ("out_of_range", format!("Use a whole number from {min} to {max}."))
                }
                Kind::Choice(words) => ("unknown", format!("Use one of `{}`.", words.join("`, `"))),
                Kind::Role => {
                    let form = "up to 32 of a-z, 0-9, _ and -, a letter first";
                    ("invalid", format!("Use the name of a role ({form}), and not `{}`.", Role::ADMIN))
                }
            };
            FieldError::new("value", code, message)
        })
    }

    /// A value from the command line, where everything is text.
    pub fn from_text(&self, text: &str) -> Value {
        match self.kind {
            Kind::Boolean | Kind::Integer { .. } => {
                serde_json::from_str(text).unwrap_or_else(|_| text.into())
            }
            Kind::Choice(_) | Kind::Role => text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn defaults() -> Runtime {
        Runtime {
            registration_mode: Mode::Open,
            email_verification_enabled: true,
            require_email_verification: false,
            default_role: Role::from_stored(Role::USER),
            max_api_tokens_per_user: 20,
            max_bots_per_user: 5,
            impersonation_notify: true,
            notify_new_device: true,
        }
    }

    #[test]
    fn what_each_takes_and_refuses() {
        let no_text = [json!(""), json!("true"), json!(null), json!([]), json!(1)];
        let table = [
            ("registration_mode", vec![json!("invite"), json!("closed"), json!("open")], no_text.to_vec()),
            ("email_verification_enabled", vec![json!(false)], no_text.to_vec()),
            ("require_email_verification", vec![json!(true)], no_text.to_vec()),
            (
                "default_role",
                vec![json!("guest"), json!("a-2_b")],
                vec![
                    json!("admin"),
                    json!("2nd"),
                    json!(" a"),
                    json!("A"),
                    json!("x".repeat(33)),
                    json!(true),
                ],
            ),
            (
                "max_api_tokens_per_user",
                vec![json!(1), json!(1_000)],
                vec![json!(0), json!(1_001), json!(-1), json!(1.5), json!("5"), json!(4_294_967_297_u64)],
            ),
            ("max_bots_per_user", vec![json!(0), json!(1_000)], vec![json!(1_001), json!(null)]),
            ("impersonation_notify", vec![json!(false)], no_text.to_vec()),
            ("notify_new_device", vec![json!(false)], no_text.to_vec()),
        ];
        assert_eq!(table.len(), SETTINGS.len(), "every setting is here");
        for (name, good, bad) in table {
            let setting = setting(name).expect("there is one");
            for value in good {
                let mut now = defaults();
                setting.apply(&mut now, &value).expect(name);
                assert_eq!(setting.value(&now), value, "{name}");
                for other in SETTINGS.iter().filter(|other| other.name != name) {
                    assert_eq!(other.value(&now), other.value(&defaults()), "{name} changes {}", other.name);
                }
            }
            for value in bad {
                let mut now = defaults();
                let error = setting.apply(&mut now, &value).expect_err(name);
                assert_eq!((error.field, &now), ("value", &defaults()), "{name}: {value}");
            }
        }
    }

    #[test]
    fn names_are_unique_and_in_snake_case() {
        for (at, one) in SETTINGS.iter().enumerate() {
            assert!(one.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", one.name);
            assert!(one.meaning.ends_with('.'), "{}", one.name);
            assert!(SETTINGS[..at].iter().all(|other| other.name != one.name));
        }
        assert!(setting("access_ttl").is_none());
    }

    #[test]
    fn from_the_command_line() {
        for (name, text, value) in [
            ("registration_mode", "invite", json!("invite")),
            ("default_role", "true", json!("true")),
            ("max_bots_per_user", "7", json!(7)),
            ("impersonation_notify", "false", json!(false)),
            ("impersonation_notify", "no", json!("no")),
        ] {
            assert_eq!(setting(name).expect("there is one").from_text(text), value);
        }
    }

    #[test]
    fn addresses_can_be_verified_where_they_must_be() {
        let off = Runtime { email_verification_enabled: false, ..defaults() };
        assert!(!off.verifies_email() && defaults().verifies_email());
        assert!(Runtime { require_email_verification: true, ..off }.verifies_email());
    }
}
