//! `GET /auth/config`: what a sign-in page needs to know.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use portcullis_core::registration::Mode;
use serde::Serialize;
use utoipa::ToSchema;

use super::public_json;
use crate::extract::Disbelieved;
use crate::paths;
use crate::state::Web;

/// Whether who asks was believed about whom they ask for.
const FORWARDED: HeaderName = HeaderName::from_static("x-portcullis-forwarded");

/// How to sign in and up.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfigBody {
    registration: RegistrationBody,
    password: PasswordBody,
    /// Ways to sign in.
    methods: Vec<&'static str>,
    /// Other providers.
    providers: Vec<String>,
}

/// Who may sign up.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegistrationBody {
    /// Everybody may.
    open: bool,
    /// Whoever has an invite may.
    invite_required: bool,
    email_verification_required: bool,
}

/// Rules for passwords.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasswordBody {
    min_length: u32,
    max_length: u32,
}

/// What a sign-in page needs.
#[utoipa::path(get, path = paths::CONFIG, tag = "auth",
    responses((status = 200, description = "The configuration", body = ConfigBody)))]
pub(crate) async fn config(State(web): State<Web>, Disbelieved(disbelieved): Disbelieved) -> Response {
    let now = web.cx.runtime();
    let registration = RegistrationBody {
        open: now.registration_mode == Mode::Open,
        invite_required: now.registration_mode == Mode::Invite,
        email_verification_required: now.require_email_verification,
    };
    let password = PasswordBody {
        min_length: web.config.password_min_length,
        max_length: web.config.password_max_length,
    };
    let passkey = web.cx.takes_passkeys().then_some("passkey");
    let methods = ["password"].into_iter().chain(passkey).collect();
    let body = ConfigBody { registration, password, methods, providers: vec![] };
    let mut response = public_json(&body, 60);
    if disbelieved {
        // A gateway asks at its start, and tells the operator.
        response.headers_mut().insert(FORWARDED, HeaderValue::from_static("ignored"));
    }
    response
}
