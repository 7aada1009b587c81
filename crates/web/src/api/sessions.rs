//! `GET /auth/sessions`, `DELETE /auth/sessions/{id}`

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::sessions::{MAX_PAGE, Page};
use portcullis_core::ids::SessionId;
use portcullis_edge::code::Code;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::forget::forget_all;
use super::page::{PageQuery, page};
use super::password_reset::TokenRequest;
use super::{no_content, private_json};
use crate::extract::{Acting, ClientInfo, JsonBody, OwnSession, PathId, QueryString};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// One session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    id: Uuid,
    /// What the device calls itself.
    device: String,
    /// Address of the last use.
    address: String,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    last_used_at: String,
    /// The session that asks.
    current: bool,
    /// An administrator acts as the user in it.
    acting: bool,
    /// How the user has shown who they are, as `amr` has it.
    methods: Vec<String>,
}

/// A page of sessions, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionPage {
    items: Vec<SessionBody>,
    next_cursor: Option<String>,
}

/// What became of a sign-in that its user knows nothing of.
#[derive(Serialize, ToSchema)]
pub(crate) struct DisownedSession {
    /// `session_ended`, also if it had ended before.
    status: &'static str,
    /// `mailed`: a link to set a new password is on its way. Else nothing is mailed: `no_password`, `address_changed`
    /// (the mail was sent to an address that is the user's no more) or `disabled`.
    password_reset: &'static str,
}

/// The user's live sessions.
#[utoipa::path(get, path = paths::SESSIONS, tag = "sessions", params(PageQuery), security(("bearer" = [])),
    responses((status = 200, description = "A page of sessions", body = SessionPage)))]
pub(crate) async fn list(
    State(web): State<Web>,
    Acting(caller): Acting,
    QueryString(query): QueryString<PageQuery>,
) -> Answer {
    let (before, limit) = page::<SessionId>(&query, MAX_PAGE)?;
    let page = Page { before, limit };
    let found = web.cx.list_sessions(caller.user, page).await?;
    let full = found.len() as i64 == page.limit;
    let next_cursor = found.last().filter(|_| full).map(|last| last.id.to_string());
    let items = found.into_iter().map(|session| SessionBody {
        id: session.id.uuid(),
        current: Some(session.id) == caller.session(),
        device: session.device,
        address: session.address,
        created_at: session.created_at.to_string(),
        last_used_at: session.last_used_at.to_string(),
        acting: session.acting,
        methods: session.methods,
    });
    Ok(private_json(StatusCode::OK, &SessionPage { items: items.collect(), next_cursor }))
}

/// End one of the user's sessions.
#[utoipa::path(delete, path = paths::SESSION, tag = "sessions", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Ended")))]
pub(crate) async fn revoke(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnSession(caller): OwnSession,
    PathId(id): PathId<SessionId>,
    headers: HeaderMap,
) -> Answer {
    if !web.cx.revoke_session(id, caller.user, &client).await? {
        return Err(Failure::new(Code::NotFound));
    }
    let mut response = no_content();
    if caller.session() == Some(id)
        && let Some(admitted) = caller.holder(&web, &headers).await
    {
        forget_all(&web, &mut response, &admitted);
    }
    Ok(response)
}

/// Say by the link in the mail of a new sign-in that it was somebody else: the session ends with its access tokens, and a
/// link to set a new password is mailed.
#[utoipa::path(post, path = paths::SESSION_NOT_ME, tag = "sessions", request_body = TokenRequest,
    responses((status = 200, description = "Ended", body = DisownedSession)))]
pub(crate) async fn not_me(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    JsonBody(request): JsonBody<TokenRequest>,
) -> Answer {
    let reset = web.cx.disown_session(&request.token, &client).await?;
    let body = DisownedSession { status: "session_ended", password_reset: reset.as_str() };
    Ok(private_json(StatusCode::OK, &body))
}
