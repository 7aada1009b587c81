//! The one line that stops the start.

use std::fmt::{self, Write as _};

/// What is wrong with a value and what to do about it. Neither part holds the value itself, so that
/// a secret cannot get out this way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, to be read after the key and its value: `is not a duration`.
    pub problem: String,
    /// What to do: `write one such as "15m"`.
    pub remedy: String,
}

impl Problem {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// Why the configuration was refused; [`fmt::Display`] is one line whatever the input held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it was written: `portcullis.toml:3`, `environment PORTCULLIS_…`, `flag --…`.
    pub origin: String,
    /// The dotted key, where there is one.
    pub key: Option<String>,
    /// The value as it may be shown: quoted, cut, masked if secret.
    pub value: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl ConfigError {
    /// An error about no single value: an unknown key, an unreadable file.
    pub(super) fn at(origin: impl fmt::Display, problem: Problem) -> Self {
        Self {
            origin: origin.to_string(),
            key: None,
            value: None,
            problem: problem.problem,
            remedy: problem.remedy,
        }
    }

    /// An error about the value of `key`; `shown` is already fit to be seen.
    pub(super) fn about(origin: impl fmt::Display, key: &str, shown: String, problem: Problem) -> Self {
        Self { key: Some(key.to_owned()), value: Some(shown), ..Self::at(origin, problem) }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = format!("{}: ", self.origin);
        if let (Some(key), Some(value)) = (&self.key, &self.value) {
            write!(line, "{key} = {value}: ")?;
        }
        write!(line, "{}; {}", self.problem, self.remedy)?;
        // Keys and paths come from the operator and may hold anything; the promise is one line.
        for c in line.chars() {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// A value as an error shows it: quoted, escaped, at most 80 characters.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}
