//! From the errors of the use case to answers.

use portcullis_app::forward_auth::ForwardError;
use portcullis_core::access::{BadTarget, Lack};
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;

use crate::failure::Failure;

pub(super) fn bad_target(error: BadTarget) -> Failure {
    Failure::told(
        Code::MalformedRequest,
        match error {
            BadTarget::Host => "The host cannot be read.",
            BadTarget::Method => "The method cannot be read.",
            BadTarget::Path => {
                "This path can be read in more than one way. Send it without dot segments, backslashes, control \
                 characters and escapes of escapes."
            }
        },
    )
}

pub(super) fn failure(error: ForwardError) -> Failure {
    match error {
        ForwardError::Missing => Failure::new(Code::MissingToken),
        ForwardError::Invalid(why) => Failure::logged(Code::InvalidToken, why),
        ForwardError::PasswordChange => Failure::new(Code::PasswordChangeRequired),
        ForwardError::FactorSetup => Failure::new(Code::FactorSetupRequired),
        ForwardError::ReadOnly => Failure::new(Code::ReadOnlySession),
        ForwardError::WrongAudience => Failure::told(
            Code::WrongAudience,
            "This token is for another service. Sign in or refresh without `audience`.",
        ),
        ForwardError::Lacks(Lack::Role) => Failure::new(Code::Forbidden),
        ForwardError::Lacks(Lack::Scope(scope)) => Problem::insufficient_scope(&scope).into(),
        ForwardError::NoScope => Failure::told(
            Code::InsufficientScope,
            "This token was narrowed to no scope at all. Use one that has what it needs.",
        ),
        ForwardError::Stale { max_age, methods } => {
            let problem = Problem::new(Code::FreshLoginRequired);
            problem.extra("max_age", max_age.as_secs()).extra("methods", methods).into()
        }
        ForwardError::Fault(fault) => fault.into(),
    }
}
