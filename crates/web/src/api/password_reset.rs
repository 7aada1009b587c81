//! `POST /auth/password/forgot`, `/verify-reset-token` and `/reset`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use portcullis_app::reset_password::{LinkError, PasswordReset};
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::private_json;
use crate::extract::{ClientInfo, JsonBody};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// Whose password is lost.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ForgotRequest {
    email: String,
}

/// The same for every address.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// `accepted`: if the address is known, a mail is on its way.
    status: &'static str,
}

/// The token of a mailed link.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TokenRequest {
    pub(crate) token: String,
}

/// Whether a link is good.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkValidity {
    valid: bool,
}

/// The token of a mailed link, and the new password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ResetRequest {
    token: String,
    new_password: String,
    /// API tokens end too, unless this is false.
    #[serde(default = "yes")]
    revoke_api_tokens: bool,
}

const fn yes() -> bool {
    true
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::InvalidLink => Self::new(Code::InvalidLink),
            LinkError::Invalid(errors) => Self::fields(errors),
            LinkError::EmailTaken => Self::new(Code::EmailTaken),
            LinkError::Limited(limited) => limited.into(),
            LinkError::Fault(fault) => fault.into(),
        }
    }
}

/// 202, which tells nobody whether there is such an address.
pub(super) fn accepted() -> Response {
    private_json(StatusCode::ACCEPTED, &Accepted { status: "accepted" })
}

/// Ask for a mail with a link to set a new password. The answer is the same for every address, and as fast.
#[utoipa::path(post, path = paths::PASSWORD_FORGOT, tag = "auth", request_body = ForgotRequest,
    responses((status = 202, description = "If the address is known, a mail is on its way", body = Accepted)))]
pub(crate) async fn forgot(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    JsonBody(request): JsonBody<ForgotRequest>,
) -> Answer {
    web.cx.forgot_password(&request.email, &client).await?;
    Ok(accepted())
}

/// Whether a link to set a new password is good. Spends nothing.
#[utoipa::path(post, path = paths::PASSWORD_VERIFY_RESET, tag = "auth", request_body = TokenRequest,
    responses((status = 200, description = "Whether it is", body = LinkValidity)))]
pub(crate) async fn verify_reset_token(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    JsonBody(request): JsonBody<TokenRequest>,
) -> Answer {
    let valid = web.cx.reset_link_is_good(&request.token, &client).await?;
    Ok(private_json(StatusCode::OK, &LinkValidity { valid }))
}

/// Set a new password by a mailed link. Every session ends, and every API token unless told otherwise.
#[utoipa::path(post, path = paths::PASSWORD_RESET, tag = "auth", request_body = ResetRequest,
    responses((status = 204, description = "Set")))]
pub(crate) async fn reset(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    JsonBody(request): JsonBody<ResetRequest>,
) -> Answer {
    let ResetRequest { token, new_password: new, revoke_api_tokens } = request;
    web.cx.reset_password(PasswordReset { token, new, revoke_api_tokens }, &client).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
