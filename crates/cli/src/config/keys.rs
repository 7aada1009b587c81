//! What a key is, and how a written name finds its key.

use std::borrow::Cow;
use std::time::Duration;

use super::table::KEYS;

/// The type of a key's value, with the range where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text; the section's own parser says more.
    Text,
    /// A TOML array of strings, comma-separated in the environment and in flags.
    List,
    /// A whole number from the first to the second, both included.
    Integer(u32, u32),
    /// `true` or `false`.
    Boolean,
    /// A duration from the first to the second, both included.
    Duration(Duration, Duration),
    /// A rate such as `10/min`.
    Rate,
    /// A number of bytes such as `64 KiB`, from the first to the second, both included.
    Size(u64, u64),
    /// Tables of access rules, in the file alone.
    Rules,
    /// One URL, or, in the file alone, tables of them by host and path.
    Upstreams,
    /// Tables of those who are told of audit events, in the file alone.
    Webhooks,
    /// The entry of a map whose names are the operator's (`tokens.claims.<name>`).
    Claim,
}

/// How much of a value may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// All of it.
    Open,
    /// Nothing. May be given as `<key>_file`.
    Secret,
    /// All but the password of the URL. May be given as `<key>_file`.
    UrlPassword,
}

/// One row of the key table; errors, environment names, `config show` and the reference page
/// follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// `section.key`.
    pub name: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// As it would be written in the environment; none if unset or worked out from other keys.
    pub default: Option<&'static str>,
    /// What may be seen of it.
    pub secrecy: Secrecy,
    /// Whether the word `off` unsets it.
    pub off: bool,
    /// One line for people.
    pub doc: &'static str,
}

/// What `tokens.claims.<name>` starts with.
pub(super) const CLAIMS: &str = "tokens.claims.";
/// What `providers.<name>.…` starts with.
pub(super) const PROVIDERS: &str = "providers.";
/// Where the operator's name stands in a row of the table.
pub(super) const NAME: &str = "<name>";
const CLAIMS_ENV: &str = "PORTCULLIS_TOKENS__CLAIMS__";

impl KeySpec {
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, kind, default: Some(default), secrecy: Secrecy::Open, off: false, doc }
    }

    pub(super) const fn unset(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, default: None, secrecy: Secrecy::Open, off: false, doc }
    }

    pub(super) const fn secrecy(self, secrecy: Secrecy) -> Self {
        Self { secrecy, ..self }
    }

    pub(super) const fn or_off(self) -> Self {
        Self { off: true, ..self }
    }

    /// The environment variable: `PORTCULLIS_SERVER__LISTEN`.
    pub fn env_name(&self) -> String {
        format!("PORTCULLIS_{}", self.name.replace('.', "__").to_ascii_uppercase())
    }

    /// The key that names a file with this key's value, for secrets: `server.secret_key_file`.
    pub fn file_name(&self) -> Option<String> {
        (self.secrecy != Secrecy::Open).then(|| format!("{}_file", self.name))
    }

    /// The part before the first dot.
    pub fn section(&self) -> &'static str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// What a written name stands for: the row of the table, and the whole name, which differs where the row has
/// `<name>` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// The key itself.
    Key(&'static KeySpec, String),
    /// `<key>_file` of a secret; the name is the key's.
    SecretFile(&'static KeySpec, String),
    /// `tokens.claims.<name>`.
    Claim(String),
}

impl Target {
    /// Finds a dotted name.
    pub(super) fn dotted(name: &str) -> Option<Self> {
        if let Some(claim) = name.strip_prefix(CLAIMS) {
            return Some(Self::Claim(claim.to_owned()));
        }
        if let Some(spec) = spec(name) {
            return Some(Self::Key(spec, name.to_owned()));
        }
        let key = name.strip_suffix("_file")?;
        let secret = spec(key).filter(|spec| spec.secrecy != Secrecy::Open)?;
        Some(Self::SecretFile(secret, key.to_owned()))
    }

    /// Finds an environment variable. A claim's name in capitals is taken in small letters, since
    /// that is how environments are written; one with any small letter is taken as it stands.
    pub(super) fn variable(name: &str) -> Option<Self> {
        if let Some(claim) = name.strip_prefix(CLAIMS_ENV) {
            let shouted = !claim.chars().any(char::is_lowercase);
            return Some(Self::Claim(if shouted { claim.to_lowercase() } else { claim.to_owned() }));
        }
        if name.chars().any(char::is_lowercase) {
            return None;
        }
        Self::dotted(&dotted_of(name))
    }
}

/// The row of a key that is written so; claims are not found this way.
pub(super) fn spec(name: &str) -> Option<&'static KeySpec> {
    let row = in_the_table(name);
    KEYS.iter().find(|spec| spec.name == row && spec.kind != Kind::Claim)
}

/// `providers.google.kind` → `providers.<name>.kind`.
fn in_the_table(name: &str) -> Cow<'_, str> {
    match name.strip_prefix(PROVIDERS).and_then(|rest| rest.split_once('.')) {
        Some((_, key)) => format!("{PROVIDERS}{NAME}.{key}").into(),
        None => name.into(),
    }
}

/// `PORTCULLIS_SERVER__LISTEN` → `server.listen`.
pub(super) fn dotted_of(variable: &str) -> String {
    variable.strip_prefix("PORTCULLIS_").unwrap_or(variable).to_lowercase().replace("__", ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_under_each_of_its_names() {
        for spec in KEYS.iter().filter(|spec| spec.kind != Kind::Claim) {
            let (name, variable) =
                (spec.name.replace(NAME, "acme"), spec.env_name().replace("<NAME>", "ACME"));
            let key = Some(Target::Key(spec, name.clone()));
            assert_eq!((Target::dotted(&name), Target::variable(&variable)), (key.clone(), key), "{name}");
            let file = spec.file_name().map(|_| Target::SecretFile(spec, name.clone()));
            assert_eq!(Target::dotted(&format!("{name}_file")), file);
            assert_eq!(Target::variable(&format!("{variable}_FILE")), file);
        }
    }

    #[test]
    fn names_are_unique_and_have_a_section() {
        for (at, spec) in KEYS.iter().enumerate() {
            assert!(spec.name.contains('.') && !spec.doc.is_empty(), "{}", spec.name);
            assert!(KEYS[at + 1..].iter().all(|other| other.name != spec.name), "{} stands twice", spec.name);
        }
    }

    #[test]
    fn claims_take_the_case_of_the_environment_only_if_it_is_mixed() {
        let name = |variable| match Target::variable(variable) {
            Some(Target::Claim(name)) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(name("PORTCULLIS_TOKENS__CLAIMS__USER_ID"), "user_id");
        assert_eq!(name("PORTCULLIS_TOKENS__CLAIMS__userId"), "userId");
    }

    #[test]
    fn an_open_key_has_no_file_form_and_small_letters_are_no_variable() {
        assert_eq!(Target::dotted("server.listen_file"), None);
        assert_eq!(Target::variable("PORTCULLIS_server__listen"), None);
        assert_eq!(Target::dotted("tokens.claims"), None);
        for none in
            ["providers", "providers.acme", "providers.kind", "providers.acme.x", "providers.a.b.kind"]
        {
            assert_eq!(Target::dotted(none), None, "{none}");
        }
    }
}
