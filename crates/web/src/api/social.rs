//! Other providers, for apps: bringing back the code, linking, and who the user is where.

use axum::extract::{Request, State};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use portcullis_app::admission::Codes;
use portcullis_app::social::{Arriving, Finished, Holder, Returned, StartRequest, UnlinkError};
use portcullis_core::external::Identity;
use portcullis_core::ids::IdentityId;
use portcullis_edge::code::Code;
use portcullis_edge::problem::{FieldError, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::register::later;
use super::token_response::{TokenBody, answer, delivery};
use super::{no_content, private_json};
use crate::extract::{Acting, Browser, ClientInfo, JsonBody, Own, PathId, handover, optional_json};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::place::Place;
use crate::provider_flow::{
    StartedBody, link_refused, provider_answer, redirect_uri, refused, sent_away, started_for_app,
    started_for_script, wants_json,
};
use crate::state::Web;

/// The code that a provider let an app have.
#[derive(Deserialize, ToSchema)]
pub(crate) struct CallbackBody {
    /// As it came. Without it, `error`.
    code: Option<String>,
    /// As it came.
    #[serde(default)]
    state: String,
    /// What the start of the flow was answered with.
    #[serde(default)]
    flow_secret: String,
    /// As it came, if it did (RFC 9207).
    iss: Option<String>,
    /// As it came: the provider says no.
    error: Option<String>,
    /// Where the provider sent the browser; if given, it must be that of the start.
    redirect_uri: Option<String>,
    /// How the tokens travel: `body` (default), `cookie` or `cookies`.
    delivery: Option<String>,
    /// Only for this audience.
    audience: Option<String>,
    /// Makes the device known.
    device_token: Option<String>,
}

/// Where to go from a provider.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct LinkBody {
    /// A URL of the app that `server.return_urls` lists; without it, the browser comes back to us.
    redirect_uri: Option<String>,
    /// Where the browser goes in the end: a path of ours, or what `server.return_urls` lists.
    return_to: Option<String>,
}

/// Who the user is at a provider.
#[derive(Serialize, ToSchema)]
#[schema(as = Identity)]
pub(crate) struct IdentityBody {
    id: Uuid,
    /// Its name in URLs.
    provider: String,
    /// What people call it.
    title: String,
    /// The address there, as last told.
    email: Option<String>,
    /// RFC 3339.
    created_at: String,
    /// Last sign-in by it. RFC 3339.
    last_used_at: Option<String>,
}

/// All of those.
#[derive(Serialize, ToSchema)]
pub(crate) struct IdentityList {
    items: Vec<IdentityBody>,
    /// Always `null`: there are not many.
    next_cursor: Option<String>,
}

impl IdentityBody {
    pub(crate) fn new(web: &Web, identity: Identity) -> Self {
        let title = web.cx.providers.get(&identity.provider);
        let title = title.map_or_else(|| identity.provider.clone(), |known| known.title().to_owned());
        Self {
            id: identity.id.uuid(),
            title,
            provider: identity.provider,
            email: identity.email,
            created_at: identity.created_at.to_string(),
            last_used_at: identity.last_used_at.map(|at| at.to_string()),
        }
    }
}

impl From<UnlinkError> for Failure {
    fn from(error: UnlinkError) -> Self {
        match error {
            UnlinkError::Fresh(error) => error.into(),
            UnlinkError::LastWayIn => Self::new(Code::LastWayIn),
            UnlinkError::NotFound => Self::new(Code::NotFound),
            UnlinkError::Moved => Self::logged(Code::InvalidToken, "whoever asks has changed meanwhile"),
            UnlinkError::Fault(fault) => fault.into(),
        }
    }
}

/// Bring back the code of a provider: signs in or up, or links, as the flow was begun for. With delivery `cookie` or
/// `cookies` as at `POST /auth/login`.
#[utoipa::path(post, path = paths::OAUTH_CALLBACK, tag = "auth", params(("provider" = String, Path)),
    request_body = CallbackBody, responses(
    (status = 200, description = "Signed in; of a flow that links, the identity", body = TokenBody),
    (status = 202, description = "The address must be shown first; the same for every address")))]
pub(crate) async fn callback(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    PathId(provider): PathId<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<CallbackBody>,
) -> Answer {
    let delivery = delivery(&web, body.delivery.as_deref())?;
    let admitted = Browser::new(&web, &headers).admit_for(delivery, None).await?;
    let answered = provider_answer(body.code, body.iss, body.error);
    let missing = [
        ("code", answered.is_none(), "Send the `code` that came back, or the `error`."),
        ("state", body.state.is_empty(), "Send the `state` that came back."),
        (
            "flow_secret",
            body.flow_secret.is_empty(),
            "Send the `flow_secret` that the start was answered with.",
        ),
    ];
    let missing = missing.into_iter().filter(|(_, is, _)| *is);
    let missing: Vec<_> = missing.map(|(field, _, text)| FieldError::new(field, "required", text)).collect();
    let Some(answered) = answered.filter(|_| missing.is_empty()) else {
        return Err(Problem::validation(missing).into());
    };
    let returned = Returned {
        provider,
        state: body.state,
        secret: body.flow_secret,
        in_browser: false,
        redirect_uri: body.redirect_uri,
    };
    let taken = web.cx.take_flow(returned, &client).await.map_err(|error| refused(&web, error, true))?;
    let known_device = admitted.as_ref().and_then(|admitted| admitted.brought().device.clone());
    let arriving = Arriving {
        answer: answered,
        handover: handover(delivery, admitted.as_ref()),
        device_token: body.device_token.or(known_device),
        audience: body.audience,
    };
    let finished = web.cx.finish(&taken, arriving, &client).await;
    match finished.map_err(|error| refused(&web, error, true))? {
        Finished::SignedIn(tokens) => {
            Ok(answer(StatusCode::OK, *tokens, admitted.as_ref().map(|admitted| (&web, admitted))))
        }
        Finished::Linked(identity) => Ok(private_json(StatusCode::OK, &IdentityBody::new(&web, identity))),
        Finished::Later { browser } => later(&web, &browser, admitted.is_some()),
    }
}

/// The same as `/auth/oauth/{provider}/callback`.
#[utoipa::path(post, path = paths::OAUTH_CALLBACK_SHORT, tag = "auth", params(("provider" = String, Path)),
    request_body = CallbackBody, responses(
    (status = 200, description = "Signed in; of a flow that links, the identity", body = TokenBody),
    (status = 202, description = "The address must be shown first; the same for every address")))]
pub(crate) async fn callback_short(
    web: State<Web>,
    client: ClientInfo,
    provider: PathId<String>,
    headers: HeaderMap,
    body: JsonBody<CallbackBody>,
) -> Answer {
    callback(web, client, provider, headers, body).await
}

/// Be known by way of a provider, too. Needs a session of one's own, and a sign-in within the last ten minutes.
#[utoipa::path(post, path = paths::OAUTH_LINK, tag = "me", params(("provider" = String, Path)),
    request_body = LinkBody, security(("bearer" = [])), responses(
    (status = 200, description = "Where to send the browser", body = StartedBody),
    (status = 303, description = "To the provider, of whoever does not ask for JSON")))]
pub(crate) async fn link(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(provider): PathId<String>,
    request: Request,
) -> Answer {
    let (Parts { headers, .. }, body) = request.into_parts();
    let body: Option<LinkBody> = optional_json(&headers, body).await?;
    let LinkBody { redirect_uri: wanted, return_to } = body.unwrap_or_default();
    let place = return_to.map(|text| Place::read(&web, &text).ok_or_else(leads_away)).transpose()?;
    let holder = match wanted {
        Some(_) => Holder::App,
        None => Holder::Browser(Browser::new(&web, &headers).flow()?),
    };
    let request = StartRequest {
        redirect_uri: redirect_uri(&web, &provider, wanted.as_deref())?,
        provider,
        return_to: place.map(|place| place.location().to_owned()),
        delivery: None,
        holder,
        codes: Codes::default(),
        fresh: false,
    };
    let started = web.cx.start_link(&caller, request, &client).await;
    let started = started.map_err(|error| link_refused(&web, error))?;
    if wanted.is_some() {
        return Ok(started_for_app(started));
    }
    if wants_json(&headers) {
        return started_for_script(&web, started);
    }
    sent_away(&web, &started)
}

fn leads_away() -> Failure {
    Failure::field(
        "return_to",
        "not_listed",
        "Use a path of this server, or what `server.return_urls` lists.",
    )
}

/// Who the user is at providers.
#[utoipa::path(get, path = paths::IDENTITIES, tag = "me", security(("bearer" = [])),
    responses((status = 200, description = "All of them", body = IdentityList)))]
pub(crate) async fn list(State(web): State<Web>, Acting(caller): Acting) -> Answer {
    let all = web.cx.list_identities(caller.user).await?;
    let items = all.into_iter().map(|identity| IdentityBody::new(&web, identity)).collect();
    Ok(private_json(StatusCode::OK, &IdentityList { items, next_cursor: None }))
}

/// Be known by way of a provider no more. Needs a session of one's own, and a sign-in within the last ten minutes.
#[utoipa::path(delete, path = paths::IDENTITY, tag = "me", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Unlinked")))]
pub(crate) async fn unlink(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<IdentityId>,
) -> Answer {
    web.cx.unlink(&caller, id, &client).await?;
    Ok(no_content())
}
