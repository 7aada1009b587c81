//! `POST /auth/password/change`

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::change_password::{ChangePasswordError, PasswordChange};
use portcullis_core::password::Password;
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::token_response::{TokenBody, answer};
use crate::extract::{ClientInfo, JsonBody, OwnMustChangeToo};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// The password as it is and as it shall be.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasswordChangeBody {
    current_password: String,
    new_password: String,
    /// Also end all API tokens.
    #[serde(default)]
    revoke_api_tokens: bool,
}

impl From<ChangePasswordError> for Failure {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::WrongPassword(why) => Self::logged(Code::WrongPassword, why),
            ChangePasswordError::NoPassword => Self::new(Code::NoPassword),
            ChangePasswordError::Unchanged => Self::new(Code::PasswordUnchanged),
            ChangePasswordError::Invalid(errors) => Self::fields(errors),
            ChangePasswordError::SessionEnded => Self::logged(Code::InvalidToken, "the session has ended"),
            ChangePasswordError::Limited(limited) => limited.into(),
            ChangePasswordError::Fault(fault) => fault.into(),
        }
    }
}

/// Change the password. This session goes on with new tokens, every other one ends.
#[utoipa::path(post, path = paths::PASSWORD_CHANGE, tag = "auth", request_body = PasswordChangeBody,
    security(("bearer" = [])), responses((status = 200, description = "New tokens", body = TokenBody)))]
pub(crate) async fn change(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnMustChangeToo(caller): OwnMustChangeToo,
    headers: HeaderMap,
    JsonBody(body): JsonBody<PasswordChangeBody>,
) -> Answer {
    let current = Password::presented(&body.current_password);
    let PasswordChangeBody { new_password: new, revoke_api_tokens, .. } = body;
    let change = PasswordChange { current, new, revoke_api_tokens };
    let admitted = caller.admitted(&web, &headers).await;
    let tokens = web.cx.change_password(&caller, change, &client).await?;
    Ok(answer(StatusCode::OK, tokens, admitted.as_ref().map(|admitted| (&web, admitted))))
}
