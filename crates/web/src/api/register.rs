//! `POST /auth/register`

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use portcullis_app::register::{RegisterError, Registration};
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::private_json;
use super::token_response::{TokenBody, delivery};
use super::user::UserBody;
use crate::extract::{ClientInfo, JsonBody};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// Who signs up.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RegisterRequest {
    email: String,
    password: String,
    name: Option<String>,
    username: Option<String>,
    /// Signs in at once, with this delivery.
    delivery: Option<String>,
}

/// Who signed up.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegisterResponse {
    /// With `delivery`, a token response.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    tokens: Option<TokenBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserBody>,
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Invalid(errors) => Self::fields(errors),
            RegisterError::EmailTaken => Self::new(Code::EmailTaken),
            RegisterError::UsernameTaken => Self::new(Code::UsernameTaken),
            RegisterError::Closed => {
                Self::told(Code::Forbidden, "Nobody can sign up here. Ask the operator.")
            }
            RegisterError::InvalidLink => Self::new(Code::InvalidLink),
            RegisterError::Limited(limited) => limited.into(),
            RegisterError::Fault(fault) => fault.into(),
        }
    }
}

/// 201 with the user, and the tokens if they were asked for.
pub(crate) fn created(user: &portcullis_core::user::User, tokens: Option<TokenBody>) -> Response {
    // A token response has the user in it.
    let user = tokens.is_none().then(|| UserBody::from(user));
    private_json(StatusCode::CREATED, &RegisterResponse { tokens, user })
}

/// Sign up.
#[utoipa::path(post, path = paths::REGISTER, tag = "auth", request_body = RegisterRequest,
    responses((status = 201, description = "Signed up", body = RegisterResponse)))]
pub(crate) async fn register(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    JsonBody(request): JsonBody<RegisterRequest>,
) -> Answer {
    let wanted = request.delivery.as_deref().map(|wanted| delivery(Some(wanted))).transpose()?;
    let RegisterRequest { email, password, name, username, .. } = request;
    let user = web.cx.register(Registration { email, password, name, username }, &client).await?;
    let tokens = match wanted {
        Some(delivery) => Some(web.cx.sign_in_new(user.clone(), delivery, &client).await?.into()),
        None => None,
    };
    Ok(created(&user, tokens))
}
