//! `POST /auth/register`

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::admission::{AdmissionError, Codes, NotAdmitted};
use portcullis_app::client::Client;
use portcullis_app::register::{RegisterError, Registered, Registration};
use portcullis_core::invite::Refusal;
use portcullis_core::link::LinkPurpose;
use portcullis_core::session::Delivery;
use portcullis_core::user::User;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::private_json;
use super::token_response::{TokenBody, delivery, with_cookies};
use super::user::UserBody;
use crate::extract::{Admitted, Browser, ClientInfo, JsonBody, handover};
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
    /// Of an invite to this server; in any case, with or without hyphens.
    invite_code: Option<String>,
    /// Of an invite to an account, which has priority: the user joins it and gets none of their own.
    account_invite_code: Option<String>,
    /// Signs in at once, with this delivery.
    delivery: Option<String>,
}

/// Who signed up.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegisterResponse {
    /// With `delivery`, a token response.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<TokenBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<UserBody>,
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Invalid(errors) => Self::fields(errors),
            RegisterError::EmailTaken => Self::new(Code::EmailTaken),
            RegisterError::UsernameTaken => Self::new(Code::UsernameTaken),
            RegisterError::IdentityTaken => Self::new(Code::IdentityTaken),
            RegisterError::NotAdmitted(not) => not.into(),
            RegisterError::HookUnavailable(why) => hook_unavailable(&why),
            RegisterError::NotSignedIn => Self::new(Code::Forbidden),
            RegisterError::InvalidLink => Self::new(Code::InvalidLink),
            RegisterError::Limited(limited) => limited.into(),
            RegisterError::Fault(fault) => fault.into(),
        }
    }
}

pub(crate) fn hook_unavailable(why: &str) -> Failure {
    Failure::logged(Code::RegistrationUnavailable, format!("registration.hook_url: {why}"))
}

impl From<AdmissionError> for Failure {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Not(not) => not.into(),
            AdmissionError::HookUnavailable(why) => hook_unavailable(&why),
            AdmissionError::Fault(fault) => fault.into(),
        }
    }
}

impl From<NotAdmitted> for Failure {
    fn from(not: NotAdmitted) -> Self {
        if let NotAdmitted::Refused(Some(text)) = &not {
            return Self::told(Code::RegistrationRefused, text);
        }
        Self::new(match not {
            NotAdmitted::Closed => Code::RegistrationClosed,
            NotAdmitted::InviteRequired => Code::InviteRequired,
            NotAdmitted::Invite(Refusal::Invalid) => Code::InvalidInvite,
            NotAdmitted::Invite(Refusal::Used) => Code::InviteUsed,
            NotAdmitted::Invite(Refusal::Expired) => Code::InviteExpired,
            NotAdmitted::Invite(Refusal::EmailMismatch) => Code::InviteEmailMismatch,
            NotAdmitted::Domain => Code::EmailDomainNotAllowed,
            NotAdmitted::Refused(_) => Code::RegistrationRefused,
        })
    }
}

/// Whoever has just been made, signed in if they asked for it.
pub(crate) struct Newcomer {
    delivery: Option<Delivery>,
    admitted: Option<Admitted>,
}

impl Newcomer {
    /// Asked before anybody is made: who cannot be handed tokens is not.
    pub(crate) async fn wants(web: &Web, headers: &HeaderMap, wanted: Option<&str>) -> Result<Self, Failure> {
        let Some(wanted) = wanted else { return Ok(Self { delivery: None, admitted: None }) };
        let delivery = delivery(web, Some(wanted))?;
        let admitted = Browser::new(web, headers).admit_for(delivery, None).await?;
        Ok(Self { delivery: Some(delivery), admitted })
    }

    /// 201 with the user, and the tokens if they were asked for.
    pub(crate) async fn created(self, web: &Web, user: User, client: &Client) -> Answer {
        let body = |tokens, user| private_json(StatusCode::CREATED, &RegisterResponse { tokens, user });
        let Some(delivery) = self.delivery else { return Ok(body(None, Some(UserBody::from(&user)))) };
        let admitted = self.admitted.as_ref();
        let tokens = web.cx.sign_in_new(user, handover(delivery, admitted), client).await?;
        // A token response has the user in it.
        let to = admitted.map(|admitted| (web, admitted));
        Ok(with_cookies(tokens, to, |tokens| body(Some(TokenBody::from(tokens)), None)))
    }
}

/// The same for every address.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerificationRequired {
    /// `verification_required`: a mail is on its way.
    status: &'static str,
}

/// 202, which tells nobody whether somebody has the address; a browser is told to remember that it registered.
pub(crate) fn later(web: &Web, browser: &str, admitted: bool) -> Answer {
    let mut response =
        private_json(StatusCode::ACCEPTED, &VerificationRequired { status: "verification_required" });
    if admitted {
        remember(web, browser, response.headers_mut())?;
    }
    Ok(response)
}

/// Sets the cookie of a browser that has registered.
pub(crate) fn remember(web: &Web, browser: &str, out: &mut HeaderMap) -> Result<(), Failure> {
    let seconds = web.cx.link_lifetime(LinkPurpose::Register).as_secs();
    let set = web.cookies.set_registration(out, browser, seconds);
    set.map_err(|error| Failure::logged(Code::InternalError, error.to_string()))
}

/// Sign up, and in with `delivery`: with `cookie` and `cookies` as at `POST /auth/login`.
#[utoipa::path(post, path = paths::REGISTER, tag = "auth", request_body = RegisterRequest,
    responses((status = 201, description = "Signed up", body = RegisterResponse),
        (status = 202, description = "The address must be shown first; the same for every address", body = VerificationRequired)))]
pub(crate) async fn register(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    JsonBody(request): JsonBody<RegisterRequest>,
) -> Answer {
    let newcomer = Newcomer::wants(&web, &headers, request.delivery.as_deref()).await?;
    let RegisterRequest { email, password, name, username, invite_code, account_invite_code, .. } = request;
    let codes = Codes { platform: invite_code, account: account_invite_code };
    let registration = Registration { email, password, name, username, codes };
    match web.cx.register(registration, &client).await? {
        Registered::User(user) => newcomer.created(&web, *user, &client).await,
        Registered::Later { browser } => later(&web, &browser, newcomer.admitted.is_some()),
    }
}
