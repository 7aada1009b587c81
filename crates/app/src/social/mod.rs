//! Signing in by way of another provider, and being known there from a session of ours.
//!
//! 1. [`Cx::start_sign_in`] or [`Cx::start_link`] keeps a flow: what the browser goes for, bound to provider, redirect URI,
//!    purpose and to a secret that only the browser or app holds which began it (RFC 9700 section 4.7). Nonce and PKCE
//!    verifier are derived, not stored.
//! 2. The provider sends the browser back. [`Cx::take_flow`] takes the flow away, if all that it is bound to fits: a state
//!    is good once, for whoever began, for ten minutes.
//! 3. [`Cx::finish`] has the provider say who it is ([`crate::providers`]), and then
//!    - links: the identity is the user's who began, if their session lives and nothing that proves them has changed;
//!    - or signs in: who they are here is decided by [`portcullis_core::external::join`], and every write that makes
//!      them known is guarded by what was read for the decision. Whoever loses a race decides again. In the end the
//!      identity is known, and its user comes in through the one door, like everybody.

mod claim;
mod finish;
mod join;
mod link;
mod start;

use portcullis_store::StoreError;
use thiserror::Error;

use crate::admission::{AdmissionError, NotAdmitted};
use crate::fault::Fault;
use crate::limits::{LimitError, Limited};
use crate::owed::Owed;
use crate::providers::ProviderFault;
use crate::sign_in::SignInError;
use crate::tokens::UnknownAudience;

pub use finish::{Arriving, Finished, ProviderAnswer, Returned, Taken};
pub use link::{LinkError, UnlinkError};
pub use start::{Holder, StartRequest, Started};

/// Why nobody is signed in, or linked.
#[derive(Debug, Error)]
pub enum SocialError {
    /// There is no such provider.
    #[error("no such provider")]
    UnknownProvider,
    /// What came back is wrong, or not for whoever brings it: told apart in the log only.
    #[error("{0}")]
    Refused(&'static str),
    /// The person, or the provider, did not want to.
    #[error("the provider says no")]
    Denied,
    /// The provider is down or slow.
    #[error("{0}")]
    ProviderUnavailable(String),
    /// The provider tells no address, without which nobody can register.
    #[error("the provider tells no address")]
    NoAddress,
    /// Somebody has the address.
    #[error("the address may not be joined")]
    LinkRequired,
    /// Somebody else is that person at the provider.
    #[error("the identity is somebody else's")]
    IdentityTaken,
    /// They may not register.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The operator's service cannot be asked: why, for the log.
    #[error("registration.hook_url: {0}")]
    HookUnavailable(String),
    /// The user may not sign in: why is told in the log only.
    #[error("{0}")]
    NotSignedIn(&'static str),
    /// The address must be proved first.
    #[error("the address is not verified")]
    EmailNotVerified,
    /// A second factor first.
    #[error("a second factor is owed")]
    FactorOwed(Owed),
    /// Not an audience of ours.
    #[error("unknown audience")]
    UnknownAudience,
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<ProviderFault> for SocialError {
    fn from(fault: ProviderFault) -> Self {
        match fault {
            ProviderFault::Refused(why) => Self::Refused(why),
            ProviderFault::Misconfigured(why) => Self::ProviderUnavailable(why.into()),
            ProviderFault::Unavailable(why) => Self::ProviderUnavailable(why),
        }
    }
}

impl From<SignInError> for SocialError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::NotSignedIn("disabled, or changed in between"),
            SignInError::Unverified => Self::EmailNotVerified,
            SignInError::FactorOwed(owed) => Self::FactorOwed(owed),
            SignInError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<AdmissionError> for SocialError {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Not(not) => Self::NotAdmitted(not),
            AdmissionError::HookUnavailable(why) => Self::HookUnavailable(why),
            AdmissionError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<LimitError> for SocialError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<UnknownAudience> for SocialError {
    fn from(_: UnknownAudience) -> Self {
        Self::UnknownAudience
    }
}

impl From<StoreError> for SocialError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}
