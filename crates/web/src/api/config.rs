//! `GET /auth/config`: what a sign-in page needs to know.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use portcullis_app::providers::Provider;
use portcullis_core::registration::Mode;
use serde::Serialize;
use utoipa::ToSchema;

use super::public_json;
use crate::extract::Disbelieved;
use crate::paths;
use crate::provider_flow::of_provider;
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
    /// Other providers by way of which people sign in.
    providers: Vec<ProviderBody>,
}

/// A provider.
#[derive(Serialize, ToSchema)]
#[schema(as = Provider)]
pub(crate) struct ProviderBody {
    /// What URLs call it.
    name: String,
    /// What people call it.
    title: String,
    /// Where its button leads; `return_to` says where to go from there.
    start_url: String,
}

/// The providers, in their order.
pub(crate) fn providers(web: &Web) -> Vec<ProviderBody> {
    let base = web.config.public_url.as_str().trim_end_matches('/');
    let one = |provider: &Arc<Provider>| ProviderBody {
        name: provider.name().to_owned(),
        title: provider.title().to_owned(),
        start_url: format!("{base}{}", of_provider(paths::OAUTH_START, provider.name())),
    };
    web.cx.providers.iter().map(one).collect()
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
    let body = ConfigBody { registration, password, methods, providers: providers(&web) };
    let mut response = public_json(&body, 60);
    if disbelieved {
        // A gateway asks at its start, and tells the operator.
        response.headers_mut().insert(FORWARDED, HeaderValue::from_static("ignored"));
    }
    response
}
