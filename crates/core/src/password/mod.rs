//! Passwords: the secret itself and the rules for choosing one, after NIST SP 800-63B-4 §3.1.1.2.
//!
//! Length counts, composition does not: no rule asks for digits or symbols. What everyone tries first is refused:
//! common passwords, words that stand beside the account, repetitions and runs. Hashing lives in the crate `app`.

mod common;
mod context;
mod fold;
mod policy;
mod problem;
mod secret;
mod shape;
#[cfg(test)]
mod tests;

pub use policy::{PasswordPolicy, PolicyError};
pub use problem::PasswordProblem;
pub use secret::Password;

/// What must remain of a password beside a word that an attacker tries anyway, counted by [`shape::weight`].
const OWN_PART: usize = 8;
