//! `POST /auth/step-up`

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::show_factor::Showing;
use portcullis_app::step_up::{StepUpError, StepUpProof};
use portcullis_core::password::Password;
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use super::second_factor::method_names;
use super::token_response::{TokenBody, answer};
use crate::extract::{ClientInfo, JsonBody, OwnMustChangeToo};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// The password, or of whoever has a second factor, that.
#[derive(Deserialize, ToSchema)]
pub(crate) struct StepUpBody {
    password: Option<String>,
    /// `totp`, `recovery_code` or `passkey`.
    method: Option<String>,
    code: Option<String>,
}

impl From<StepUpError> for Failure {
    fn from(error: StepUpError) -> Self {
        match error {
            StepUpError::WrongPassword(why) => Self::logged(Code::WrongPassword, why),
            StepUpError::NoPassword => Self::new(Code::NoPassword),
            StepUpError::WrongCode(why) => Self::logged(Code::WrongCode, why),
            StepUpError::FactorOwed(methods) => Problem::new(Code::SecondFactorRequired)
                .detail("Show the second factor: send `method` and `code`.")
                .extra("methods", method_names(&methods))
                .into(),
            StepUpError::Invalid(error) => Self::fields(vec![error]),
            StepUpError::SessionEnded => Self::logged(Code::InvalidToken, "the session has ended"),
            StepUpError::Limited(limited) => limited.into(),
            StepUpError::Fault(fault) => fault.into(),
        }
    }
}

/// Show once more who one is, in the session that one has: its tokens are new, and say so.
#[utoipa::path(post, path = paths::STEP_UP, tag = "auth", request_body = StepUpBody, security(("bearer" = [])),
    responses((status = 200, description = "New tokens", body = TokenBody)))]
pub(crate) async fn step_up(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnMustChangeToo(caller): OwnMustChangeToo,
    headers: HeaderMap,
    JsonBody(body): JsonBody<StepUpBody>,
) -> Answer {
    let proof = match (body.password, body.method) {
        (Some(password), None) => StepUpProof::Password(Password::presented(&password)),
        (None, Some(method)) => StepUpProof::Factor(Showing { method, code: body.code }),
        _ => {
            let message = "Give either `password` or `method` with what it needs.";
            return Err(Failure::field("method", "required", message));
        }
    };
    let admitted = caller.admitted(&web, &headers).await;
    let tokens = web.cx.step_up(&caller, proof, &client).await?;
    Ok(answer(StatusCode::OK, tokens, admitted.as_ref().map(|admitted| (&web, admitted))))
}
