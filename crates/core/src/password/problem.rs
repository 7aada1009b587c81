//! Why a password was refused.

use thiserror::Error;

/// Why a password may not be chosen. The text is for people and tells how to mend it; it never holds the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordProblem {
    /// Fewer than `min` code points.
    #[error("Use at least {min} characters. A few unrelated words in a row are easy to remember.")]
    TooShort {
        /// Fewest code points allowed.
        min: usize,
    },
    /// More than `max` code points.
    #[error("Use at most {max} characters.")]
    TooLong {
        /// Most code points allowed.
        max: usize,
    },
    /// Holds U+0000.
    #[error("Leave out the NUL character (U+0000).")]
    ContainsNul,
    /// Known from leaks, or such a one with little around it.
    #[error(
        "This password is among the first that attackers try. Choose one that nobody else would think of."
    )]
    Common,
    /// Mostly a word that stands beside the account: its e-mail address, name, user name or the service's name.
    #[error(
        "This password is mostly your e-mail address, your name or the name of this service. Leave those out."
    )]
    ContainsContext,
    /// One character, pattern or keyboard row over and over.
    #[error("This password repeats itself or follows a simple sequence. Mix in unrelated words.")]
    Repetitive,
}

impl PasswordProblem {
    /// Stable code for programs, as in `errors[].code` of a 422 answer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password_too_short",
            Self::TooLong { .. } => "password_too_long",
            Self::ContainsNul => "password_contains_nul",
            Self::Common => "password_common",
            Self::ContainsContext => "password_context",
            Self::Repetitive => "password_repetitive",
        }
    }
}
