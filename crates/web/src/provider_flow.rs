//! On the way to a provider and back, whoever goes: a browser by our pages ([`crate::pages::provider`]), or an app by the API
//! ([`crate::api::social`]). Where a provider sends people, what whoever begins is answered, and why nobody gets in.

use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_app::social::{LinkError, ProviderAnswer, SocialError, Started};
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::login::unknown_audience;
use crate::api::private_json;
use crate::api::register::hook_unavailable;
use crate::api::second_factor::second_factor_required;
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// Seconds after which a provider that does not answer is asked again.
const RETRY_SECONDS: u64 = 30;

/// Where to send the browser.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartedBody {
    authorization_url: String,
    /// Comes back with the code.
    state: String,
    /// To be brought with the code. A browser that comes back to us has it in a cookie instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    flow_secret: Option<String>,
}

/// `path` with the provider's name in it.
pub(crate) fn of_provider(path: &str, provider: &str) -> String {
    path.replace("{provider}", provider)
}

/// Where a provider sends browsers back to us.
pub(crate) fn own_callback(web: &Web, provider: &str) -> String {
    let base = web.config.public_url.as_str().trim_end_matches('/');
    format!("{base}{}", of_provider(paths::OAUTH_CALLBACK, provider))
}

/// Where a provider sends the browser: to `wanted`, which must be listed, or to us.
pub(crate) fn redirect_uri(web: &Web, provider: &str, wanted: Option<&str>) -> Result<String, Failure> {
    match wanted {
        None => Ok(own_callback(web, provider)),
        Some(uri) if web.forward.return_urls.lists(uri) => Ok(uri.to_owned()),
        Some(_) => Err(Failure::field(
            "redirect_uri",
            "not_listed",
            "Use a URL that `server.return_urls` lists with its path, letter for letter.",
        )),
    }
}

/// Whether an answer is for a program.
pub(crate) fn wants_json(headers: &HeaderMap) -> bool {
    accepts(headers, "application/json") && !wants_page(headers)
}

/// Whether an answer is for somebody in front of a browser.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    accepts(headers, "text/html")
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .any(|one| one.split(';').next().is_some_and(|one| one.trim().eq_ignore_ascii_case(kind)))
}

/// The answer to an app, which keeps the secret.
pub(crate) fn started_for_app(started: Started) -> Response {
    let Started { authorization_url, state, secret } = started;
    private_json(StatusCode::OK, &StartedBody { authorization_url, state, flow_secret: Some(secret) })
}

/// The answer to a script in a browser, which keeps the secret in a cookie.
pub(crate) fn started_for_script(web: &Web, started: Started) -> Answer {
    let Started { authorization_url, state, secret } = started;
    let body = StartedBody { authorization_url, state, flow_secret: None };
    let mut response = private_json(StatusCode::OK, &body);
    remember_flow(web, &secret, response.headers_mut())?;
    Ok(response)
}

/// Sets the cookie of a browser that goes to a provider.
pub(crate) fn remember_flow(web: &Web, secret: &str, out: &mut HeaderMap) -> Result<(), Failure> {
    let set = web.cookies.set_flow(out, secret);
    set.map_err(|error| Failure::logged(Code::InternalError, error.to_string()))
}

/// 303 to the provider, for a browser that remembers that it went there.
pub(crate) fn sent_away(web: &Web, started: &Started) -> Answer {
    let place = HeaderValue::from_str(&started.authorization_url)
        .map_err(|_| Failure::logged(Code::InternalError, "a provider's URL that no header can hold"))?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, place);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    remember_flow(web, &started.secret, response.headers_mut())?;
    Ok(response)
}

/// What the browser was sent back with, from its two possible halves.
pub(crate) fn provider_answer(
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
) -> Option<ProviderAnswer> {
    match (error, code) {
        (Some(error), _) => Some(ProviderAnswer::Error(error)),
        (None, Some(code)) if !code.is_empty() => Some(ProviderAnswer::Code { code, iss }),
        (None, _) => None,
    }
}

/// Why nobody is signed in. `back`: they came back from the provider.
pub(crate) fn refused(web: &Web, error: SocialError, back: bool) -> Failure {
    let provider_error = |detail| Failure::told(Code::ProviderError, detail);
    match error {
        SocialError::UnknownProvider => Failure::new(Code::NotFound),
        SocialError::Refused(why) => Failure::logged(Code::ProviderError, why),
        SocialError::Denied => provider_error("The provider did not let you sign in here. Start again."),
        SocialError::ProviderUnavailable(why) if back => {
            tracing::warn!(error = %why, "a provider cannot be used");
            provider_error("The provider does not answer as it should. Start again in a moment.")
        }
        SocialError::ProviderUnavailable(why) => {
            tracing::warn!(error = %why, "a provider cannot be used");
            Problem::new(Code::ProviderUnavailable).retry_after(RETRY_SECONDS).into()
        }
        SocialError::NoAddress => provider_error(
            "The provider tells no e-mail address, without which nobody can sign up. Let it share yours, or sign up \
             with a password.",
        ),
        SocialError::LinkRequired => Failure::new(Code::LinkRequired),
        SocialError::IdentityTaken => Failure::new(Code::IdentityTaken),
        SocialError::NotAdmitted(not) => not.into(),
        SocialError::HookUnavailable(why) => hook_unavailable(&why),
        SocialError::NotSignedIn(why) => Failure::logged(Code::InvalidCredentials, why),
        SocialError::EmailNotVerified => Failure::new(Code::EmailNotVerified),
        SocialError::FactorOwed(owed) => second_factor_required(web, &owed),
        SocialError::UnknownAudience => unknown_audience(),
        SocialError::Limited(limited) => limited.into(),
        SocialError::Fault(fault) => fault.into(),
    }
}

/// Why nothing is linked.
pub(crate) fn link_refused(web: &Web, error: LinkError) -> Failure {
    match error {
        LinkError::Fresh(error) => error.into(),
        LinkError::Social(error) => refused(web, error, false),
    }
}
