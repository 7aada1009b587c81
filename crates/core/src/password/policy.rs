//! The rules for choosing a password.

use thiserror::Error;

use super::fold::fold;
use super::problem::PasswordProblem;
use super::secret::Password;
use super::{common, context, shape};

/// What a new password must satisfy: `password.min_length`, `password.max_length`, `password.blocklist_file`.
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    min_length: usize,
    max_length: usize,
    extra: Vec<String>,
}

/// A policy that may not be configured. The text names value and remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// `password.min_length` out of bounds.
    #[error("password.min_length is {0}: use {floor} to {ceiling}", floor = PasswordPolicy::MIN_LENGTH_FLOOR,
        ceiling = PasswordPolicy::MAX_LENGTH_FLOOR)]
    MinLength(usize),
    /// `password.max_length` out of bounds.
    #[error("password.max_length is {0}: use {floor} to {ceiling}", floor = PasswordPolicy::MAX_LENGTH_FLOOR,
        ceiling = PasswordPolicy::MAX_LENGTH_CEILING)]
    MaxLength(usize),
}

impl PasswordPolicy {
    /// Lowest `min_length`: NIST SP 800-63B-4 allows 8 where a second factor is used, and 15 else.
    pub const MIN_LENGTH_FLOOR: usize = 8;
    /// Lowest `max_length`: NIST SP 800-63B-4 wants at least 64 to be accepted.
    pub const MAX_LENGTH_FLOOR: usize = 64;
    /// Highest `max_length`.
    pub const MAX_LENGTH_CEILING: usize = 256;

    /// A policy with these bounds, in code points, and our own blocklist.
    pub fn new(min_length: usize, max_length: usize) -> Result<Self, PolicyError> {
        if !(Self::MIN_LENGTH_FLOOR..=Self::MAX_LENGTH_FLOOR).contains(&min_length) {
            return Err(PolicyError::MinLength(min_length));
        }
        if !(Self::MAX_LENGTH_FLOOR..=Self::MAX_LENGTH_CEILING).contains(&max_length) {
            return Err(PolicyError::MaxLength(max_length));
        }
        Ok(Self { min_length, max_length, extra: Vec::new() })
    }

    /// The same with the lines of the operator's blocklist on top of ours. Case and blank lines do not matter.
    #[must_use]
    pub fn with_extra(mut self, lines: Vec<String>) -> Self {
        self.extra.extend(lines.into_iter().map(|line| fold(line.trim()).to_string()));
        self.extra.retain(|line| !line.is_empty());
        self.extra.sort_unstable();
        self.extra.dedup();
        self
    }

    /// Fewest code points.
    pub const fn min_length(&self) -> usize {
        self.min_length
    }

    /// Most code points.
    pub const fn max_length(&self) -> usize {
        self.max_length
    }

    /// Whether `password` may be chosen by someone with this `context`: e-mail address, user name, name, name of the
    /// account, whatever a guesser would know. Each may hold several words. The first problem found is told.
    pub fn check(&self, password: &Password, context: &[&str]) -> Result<(), PasswordProblem> {
        let length = password.as_str().chars().count();
        if length < self.min_length {
            return Err(PasswordProblem::TooShort { min: self.min_length });
        }
        if length > self.max_length {
            return Err(PasswordProblem::TooLong { max: self.max_length });
        }
        let folded = fold(password.as_str());
        if common::is_common(&folded, &self.extra) {
            return Err(PasswordProblem::Common);
        }
        if context::is_mostly_context(&folded, context) {
            return Err(PasswordProblem::ContainsContext);
        }
        if shape::is_repetitive(&folded) {
            return Err(PasswordProblem::Repetitive);
        }
        Ok(())
    }
}

impl Default for PasswordPolicy {
    /// 15 to 128 code points.
    fn default() -> Self {
        Self { min_length: 15, max_length: 128, extra: Vec::new() }
    }
}
