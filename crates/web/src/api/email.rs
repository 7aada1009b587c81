//! `/auth/email/…`: showing that an address is one's own, and undoing a change of it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use portcullis_app::pending::Confirmation;
use portcullis_app::verify_email::SendVerificationError;
use portcullis_core::password::Password;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::password_reset::{Accepted, TokenRequest, accepted};
use super::public_json;
use crate::extract::{Browser, ClientInfo, JsonBody, OptionalJson, Own};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// Whether addresses are verified here.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerificationStatus {
    enabled: bool,
}

/// Whose address: the caller's own if none is given.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SendVerificationRequest {
    email: Option<String>,
}

impl From<SendVerificationError> for Failure {
    fn from(error: SendVerificationError) -> Self {
        match error {
            SendVerificationError::Disabled => Self::new(Code::VerificationDisabled),
            SendVerificationError::AlreadyVerified => Self::new(Code::AlreadyVerified),
            SendVerificationError::Link(error) => error.into(),
        }
    }
}

/// Whether this server verifies addresses.
#[utoipa::path(get, path = paths::VERIFICATION_STATUS, tag = "auth",
    responses((status = 200, description = "Whether it does", body = VerificationStatus)))]
pub(crate) async fn verification_status(State(web): State<Web>) -> Response {
    public_json(&VerificationStatus { enabled: web.cx.runtime().verifies_email() }, 0)
}

/// Ask for a mail with a link that verifies the address: the caller's own, or the one that is given, signed in or not.
/// With an address, the answer is the same for every one, and as fast.
#[utoipa::path(post, path = paths::SEND_VERIFICATION, tag = "auth", request_body = Option<SendVerificationRequest>,
    security((), ("bearer" = [])),
    responses((status = 202, description = "If there is anything to verify, a mail is on its way", body = Accepted)))]
pub(crate) async fn send_verification(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    caller: Result<Own, Failure>,
    OptionalJson(body): OptionalJson<SendVerificationRequest>,
) -> Answer {
    match body.and_then(|body| body.email) {
        Some(email) => web.cx.send_verification(&email, &client).await?,
        None => web.cx.send_own_verification(&caller?.0, &client).await?,
    }
    Ok(accepted())
}

/// The token of a mailed link; of a registration, in another browser, with what shows who registered.
#[derive(Deserialize, ToSchema)]
pub(crate) struct VerifyRequest {
    token: String,
    /// The registration's.
    password: Option<String>,
    /// In its place.
    new_password: Option<String>,
}

/// Show by a mailed link that an address is one's own: the user's, the new one that they want, or that of a registration,
/// which makes the user.
#[utoipa::path(post, path = paths::EMAIL_VERIFY, tag = "auth", request_body = VerifyRequest,
    responses((status = 204, description = "Verified")))]
pub(crate) async fn verify(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    JsonBody(request): JsonBody<VerifyRequest>,
) -> Answer {
    let VerifyRequest { token, password, new_password } = request;
    let confirmation = Confirmation {
        browser: Browser::new(&web, &headers).registration()?,
        password: password.as_deref().map(Password::presented),
        new_password,
    };
    web.cx.verify_email(&token, confirmation, &client).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Say by a mailed link that it was somebody else who gave this address: the registration goes away; of a user whose
/// address was not shown to be theirs, everything does by which somebody signs in.
#[utoipa::path(post, path = paths::EMAIL_NOT_ME, tag = "auth", request_body = TokenRequest,
    responses((status = 204, description = "Gone")))]
pub(crate) async fn not_me(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    JsonBody(request): JsonBody<TokenRequest>,
) -> Answer {
    web.cx.disown_address(&request.token, &client).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Undo a change of address by the link that the old one got. Every session and API token ends, and the password, for
/// which a new one can be set by another mail.
#[utoipa::path(post, path = paths::EMAIL_UNDO, tag = "auth", request_body = TokenRequest,
    responses((status = 204, description = "The old address is back")))]
pub(crate) async fn undo(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    JsonBody(request): JsonBody<TokenRequest>,
) -> Answer {
    web.cx.undo_email_change(&request.token, &client).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
