//! What every endpoint answers where a second factor or a fresh sign-in is needed.

use http::header::SET_COOKIE;
use portcullis_app::fresh::FreshError;
use portcullis_app::me::FRESH;
use portcullis_app::owed::Owed;
use portcullis_core::factor::Method;
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;

use crate::failure::Failure;
use crate::state::Web;

/// 403: a second factor first. Where tokens travel in cookies the secret of the challenge does, too.
pub(crate) fn second_factor_required(web: &Web, owed: &Owed) -> Failure {
    let mut problem = Problem::new(Code::SecondFactorRequired)
        .extra("challenge", owed.challenge())
        .extra("methods", method_names(&owed.methods));
    if let Some(secret) = owed.cookie() {
        match web.cookies.keep_challenge(secret) {
            Ok(line) => problem = problem.header(SET_COOKIE, line),
            Err(_) => return Failure::logged(Code::InternalError, "a challenge that fits no cookie"),
        }
    }
    problem.into()
}

/// The words for `methods`.
pub(crate) fn method_names(methods: &[Method]) -> Vec<&'static str> {
    methods.iter().map(|method| method.as_str()).collect()
}

/// 403: whoever asks must show once more that it is them, by one of `methods`.
pub(crate) fn fresh_login_required(methods: &[&str]) -> Failure {
    let problem = Problem::new(Code::FreshLoginRequired).extra("max_age", FRESH.as_secs());
    problem.extra("methods", methods.to_vec()).into()
}

impl From<FreshError> for Failure {
    fn from(error: FreshError) -> Self {
        match error {
            FreshError::Required(methods) => fresh_login_required(&methods),
            FreshError::NoUser => Self::logged(Code::InvalidToken, "the user is gone"),
            FreshError::Fault(fault) => fault.into(),
        }
    }
}
