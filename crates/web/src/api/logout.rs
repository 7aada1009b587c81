//! `POST /auth/logout` and `/auth/logout/all`

use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use portcullis_app::bearer::BearerError;
use portcullis_app::client::Client;
use portcullis_core::secret_token::Kind;
use portcullis_edge::authorization::{Presented, is_of_another_scheme, presented};
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use super::forget::forget_all;
use super::no_content;
use crate::extract::{Browser, ClientInfo, OwnSessionMustChangeToo, optional_json};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// The refresh token of the session to end; without one, the session of the cookie, else of the bearer.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct LogoutBody {
    refresh_token: Option<String>,
}

/// Sign out: by the refresh token in the body, else by the one in the cookie (with the CSRF token), else the session of
/// the bearer, else that of the access token in the cookie (with the CSRF token). Also 204 for what is unknown, expired or ended already. Cookies of the session go.
#[utoipa::path(post, path = paths::LOGOUT, tag = "auth", request_body = Option<LogoutBody>,
    security((), ("refresh_cookie" = []), ("bearer" = [])), responses((status = 204, description = "Signed out")))]
pub(crate) async fn logout(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let body: Option<LogoutBody> = optional_json(&headers, body).await?;
    if let Some(token) = body.unwrap_or_default().refresh_token {
        web.cx.logout_with_token(&token, &client).await?;
        return Ok(no_content());
    }
    let browser = Browser::new(&web, &headers);
    if let Some(admitted) = browser.admit_holder().await? {
        for token in admitted.tokens() {
            web.cx.logout_with_token(token, &client).await?;
        }
        let mut response = no_content();
        forget_all(&web, &mut response, &admitted);
        return Ok(response);
    }
    let otherwise = match presented(&headers) {
        Ok(Presented::Bearer(token)) if Kind::ApiToken.fits(token) => {
            return Err(Failure::new(Code::SessionRequired));
        }
        Ok(Presented::Bearer(token)) => {
            end_session_of(&web, token, &client).await?;
            return Ok(no_content());
        }
        Ok(Presented::None) => Failure::new(Code::MissingToken),
        Err(error) if is_of_another_scheme(&headers) => Problem::from(error).into(),
        Err(error) => return Err(Problem::from(error).into()),
    };
    let admitted = browser.admit_access().await?.ok_or(otherwise)?;
    for token in admitted.access_tokens() {
        end_session_of(&web, token, &client).await?;
    }
    let mut response = no_content();
    forget_all(&web, &mut response, &admitted);
    Ok(response)
}

/// Ends the session of an access token, be it expired or not.
pub(crate) async fn end_session_of(web: &Web, token: &str, client: &Client) -> Result<(), Failure> {
    match web.cx.logout_with_access_token(token, client).await {
        // Nothing of ours, or ended before: then there is nothing left to end.
        Ok(()) | Err(BearerError::Invalid(_)) => Ok(()),
        Err(BearerError::Fault(fault)) => Err(fault.into()),
    }
}

/// Sign out everywhere.
#[utoipa::path(post, path = paths::LOGOUT_ALL, tag = "auth", security(("bearer" = [])),
    responses((status = 204, description = "Every session has ended")))]
pub(crate) async fn logout_all(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnSessionMustChangeToo(caller): OwnSessionMustChangeToo,
    headers: HeaderMap,
) -> Answer {
    let holder = caller.holder(&web, &headers).await;
    web.cx.logout_everywhere(caller.user, &client).await?;
    let mut response = no_content();
    if let Some(admitted) = holder {
        forget_all(&web, &mut response, &admitted);
    }
    Ok(response)
}
