//! An administrator acts as another user, and stops.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::impersonate::{ImpersonateError, ImpersonationRequest, MayNot};
use portcullis_core::ids::UserId;
use portcullis_core::session::ActingMode;
use portcullis_edge::authorization::{Presented, presented};
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::forget::forget_dead;
use super::no_content;
use super::token_response::{TokenBody, answer};
use crate::extract::{Admitted, AnySession, Browser, ClientInfo, JsonBody, Own, PathId};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// Why, and how far.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ImpersonateBody {
    /// 1 to 500 characters, for the audit log.
    reason: String,
    /// `read` (to look; the default) or `full`.
    mode: Option<String>,
}

impl From<MayNot> for Failure {
    fn from(refusal: MayNot) -> Self {
        match refusal {
            MayNot::NotOwn(why) => why.into(),
            MayNot::NotAdministrator => Self::new(Code::Forbidden),
        }
    }
}

impl From<ImpersonateError> for Failure {
    fn from(error: ImpersonateError) -> Self {
        match error {
            ImpersonateError::Invalid(errors) => Self::fields(errors),
            ImpersonateError::NotFound => Self::new(Code::NotFound),
            ImpersonateError::Forbidden(why) => Self::logged(Code::Forbidden, why),
            ImpersonateError::MayNot(refusal) => refusal.into(),
            ImpersonateError::Fault(fault) => fault.into(),
        }
    }
}

pub(crate) fn mode(word: Option<&str>) -> Result<ActingMode, Failure> {
    match word {
        None | Some("read") => Ok(ActingMode::Read),
        Some("full") => Ok(ActingMode::Full),
        Some(_) => Err(Failure::field("mode", "unknown", "Use `read` or `full`.")),
    }
}

/// Act as another user.
#[utoipa::path(post, path = paths::ADMIN_IMPERSONATE, tag = "administration", params(("id" = Uuid, Path)),
    request_body = ImpersonateBody, security(("bearer" = [])),
    responses((status = 200, description = "Tokens of the user", body = TokenBody)))]
pub(crate) async fn start(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    asked: (PathId<UserId>, HeaderMap),
    JsonBody(body): JsonBody<ImpersonateBody>,
) -> Answer {
    let (PathId(user), headers) = asked;
    caller.may_impersonate()?;
    let mode = mode(body.mode.as_deref())?;
    let delivery = web.cx.delivery_of(&caller).await?;
    let request = ImpersonationRequest { user, reason: body.reason, mode, delivery };
    let admitted = caller.admitted(&web, &headers).await;
    let tokens = web.cx.impersonate(&caller, request, &client).await?;
    Ok(answer(StatusCode::OK, tokens, admitted.as_ref().map(|admitted| (&web, admitted))))
}

/// Stop acting as another user: by the cookie of its refresh token, whatever has become of the access token, else by
/// the session that asks.
#[utoipa::path(post, path = paths::IMPERSONATION_STOP, tag = "administration", security(("bearer" = [])),
    responses((status = 204, description = "Stopped")))]
pub(crate) async fn stop(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    caller: Result<AnySession, Failure>,
) -> Answer {
    let by_header = matches!(presented(&headers), Ok(Presented::Bearer(_)));
    if !by_header && let Some(admitted) = Browser::new(&web, &headers).admit_acting().await? {
        if let Some(token) = admitted.acting() {
            web.cx.stop_impersonating_with(token, &client).await?;
        }
        return stopped(&web, Some(&admitted));
    }
    let AnySession(caller) = caller?;
    if !web.cx.stop_impersonating(&caller, &client).await? {
        return Err(Failure::told(Code::Conflict, "This session does not act as another user."));
    }
    stopped(&web, caller.holder(&web, &headers).await.as_ref())
}

fn stopped(web: &Web, admitted: Option<&Admitted>) -> Answer {
    let mut response = no_content();
    if let Some(admitted) = admitted {
        forget_dead(web, &mut response, admitted)?;
    }
    Ok(response)
}
