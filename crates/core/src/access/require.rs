//! What a rule asks for, and whether somebody has it.

use std::sync::Arc;
use std::time::Duration;

use super::Decision;

/// What a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Require {
    /// Nothing.
    Public,
    /// A user, and all of these.
    SignedIn(Vec<Requirement>),
}

/// What a user must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// One of these roles.
    Role(Vec<String>),
    /// This scope. A token without scopes is unrestricted and has all.
    Scope(Arc<str>),
    /// A sign-in that is at most this old.
    Fresh(Duration),
}

/// Who asks, as far as rules care.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Role in the installation.
    pub role: &'a str,
    /// The scopes of the token, separated by spaces (RFC 6749 section 3.3); `None`: unrestricted.
    pub scopes: Option<&'a str>,
    /// How long ago the user proved who they are; `None`: this token does not stand for a sign-in.
    pub signed_in_ago: Option<Duration>,
}

/// What somebody lacks for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The role.
    Role,
    /// This scope.
    Scope(Arc<str>),
}

impl Require {
    pub(super) const SIGNED_IN: Self = Self::SignedIn(Vec::new());

    /// Why `who` may not pass, if so.
    pub(super) fn refuses(&self, who: Option<&Identity<'_>>) -> Option<Decision> {
        match (self, who) {
            (Self::Public, _) => None,
            (Self::SignedIn(_), None) => Some(Decision::SignIn),
            (Self::SignedIn(all), Some(who)) => {
                all.iter().fold(None, |refusal, one| worse(refusal, one.refuses(who)))
            }
        }
    }
}

impl Requirement {
    fn refuses(&self, who: &Identity<'_>) -> Option<Decision> {
        match self {
            Self::Role(roles) => {
                (!roles.iter().any(|role| role == who.role)).then_some(Decision::Forbidden(Lack::Role))
            }
            Self::Scope(scope) => {
                let has = who.scopes.is_none_or(|scopes| scopes.split(' ').any(|known| *known == **scope));
                (!has).then(|| Decision::Forbidden(Lack::Scope(scope.clone())))
            }
            Self::Fresh(max_age) => {
                let fresh = who.signed_in_ago.is_some_and(|age| age <= *max_age);
                (!fresh).then_some(Decision::Fresh { max_age: *max_age })
            }
        }
    }
}

/// Of two refusals the one that is told. Nobody is sent to sign in again for what they may not have anyway.
pub(super) fn worse(one: Option<Decision>, other: Option<Decision>) -> Option<Decision> {
    const fn rank(refusal: &Decision) -> u8 {
        match refusal {
            Decision::Allow(_) => 0,
            Decision::Fresh { .. } => 1,
            Decision::Forbidden(_) => 2,
            Decision::SignIn => 3,
        }
    }
    match (one, other) {
        (Some(Decision::Fresh { max_age: a }), Some(Decision::Fresh { max_age: b })) => {
            Some(Decision::Fresh { max_age: a.min(b) })
        }
        (Some(a), Some(b)) => Some(if rank(&b) > rank(&a) { b } else { a }),
        (one, other) => one.or(other),
    }
}
