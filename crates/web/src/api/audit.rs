//! `/admin/api/audit`: the audit log, for administrators.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use portcullis_app::audit::{EventFilter, EventQuery, EventView, read_query};
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::ids::EventId;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::clients::administrator;
use super::page::{PageQuery, page};
use super::private_json;
use crate::extract::{Own, QueryString};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// Events read at once for an export.
const EXPORTED: i64 = 500;

/// Which events.
#[derive(Deserialize, IntoParams)]
pub(crate) struct AuditQuery {
    /// `session.started`, or `session.*` for all that begin so.
    kind: Option<String>,
    /// On this user, by id.
    user: Option<String>,
    /// Caused by this user, by id.
    actor: Option<String>,
    /// Not before this time (RFC 3339).
    since: Option<String>,
    /// Before this time (RFC 3339).
    until: Option<String>,
}

/// An event.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct EventBody {
    id: Uuid,
    /// Its place in the audit chain; `null`: it is not chained yet.
    seq: Option<u64>,
    /// RFC 3339.
    at: String,
    kind: String,
    user: Option<Uuid>,
    /// Who acted; `null`: nobody known, or the operator on the command line.
    actor: Option<Uuid>,
    session: Option<Uuid>,
    address: Option<String>,
    detail: serde_json::Value,
}

/// A page of events, newest first. It may hold fewer than were asked for, or none, and yet not be the last one.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub(crate) struct AuditPage {
    items: Vec<EventBody>,
    /// `null`: there are no more.
    next_cursor: Option<String>,
}

impl From<EventView> for EventBody {
    fn from(event: EventView) -> Self {
        let EventView { id, seq, at, kind, user, actor, session, address, detail } = event;
        Self { id, seq, at: at.to_string(), kind, user, actor, session, address, detail }
    }
}

impl AuditQuery {
    fn read(self) -> Result<EventFilter, Failure> {
        let Self { kind, user, actor, since, until } = self;
        read_query(&EventQuery { kind, user, actor, since, until }).map_err(Failure::fields)
    }
}

/// Audit events.
#[utoipa::path(get, path = paths::ADMIN_AUDIT, tag = "administration", params(AuditQuery, PageQuery),
    security(("bearer" = [])), responses((status = 200, description = "A page of events", body = AuditPage)))]
pub(crate) async fn list(
    State(web): State<Web>,
    own: Own,
    QueryString(query): QueryString<AuditQuery>,
    QueryString(which): QueryString<PageQuery>,
) -> Answer {
    administrator(own)?;
    let filter = query.read()?;
    let (before, limit) = page::<EventId>(&which, MAX_PAGE)?;
    let (events, next) = web.cx.audit_page(&filter, before.map(EventId::uuid), limit).await?;
    let items = events.into_iter().map(EventBody::from).collect();
    let next_cursor = next.map(|next| next.to_string());
    Ok(private_json(StatusCode::OK, &AuditPage { items, next_cursor }))
}

/// All audit events as JSON Lines, newest first.
#[utoipa::path(get, path = paths::ADMIN_AUDIT_EXPORT, tag = "administration", params(AuditQuery),
    security(("bearer" = [])), responses((status = 200, description = "An event a line", body = EventBody,
    content_type = "application/x-ndjson")))]
pub(crate) async fn export(
    State(web): State<Web>,
    own: Own,
    QueryString(query): QueryString<AuditQuery>,
) -> Answer {
    administrator(own)?;
    let filter = query.read()?;
    // The first page before the answer begins: what is wrong by now is told as ever.
    let (events, next) = web.cx.audit_page(&filter, None, EXPORTED).await?;
    let first = lines(events)?;
    let rest = stream::try_unfold(next, move |next| {
        let (web, filter) = (web.clone(), filter.clone());
        async move {
            let Some(before) = next else { return Ok(None) };
            let read = web.cx.audit_page(&filter, Some(before), EXPORTED).await;
            // The answer has begun: it can only end before its time.
            let (events, next) = read.map_err(|error| {
                tracing::error!(%error, "an export of the audit log was cut short");
                std::io::Error::other("cut short")
            })?;
            let bytes = lines(events).map_err(|_| std::io::Error::other("cut short"))?;
            Ok(Some((bytes, next)))
        }
    });
    let first = stream::once(async { Ok::<_, std::io::Error>(first) });
    let mut response = Response::new(Body::from_stream(futures_util::StreamExt::chain(first, rest)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn lines(events: Vec<EventView>) -> Result<Bytes, Failure> {
    let mut bytes = BytesMut::with_capacity(256 * events.len());
    for event in events {
        serde_json::to_writer((&mut bytes).writer(), &EventBody::from(event))
            .map_err(|_| Failure::new(Code::InternalError))?;
        bytes.put_u8(b'\n');
    }
    Ok(bytes.freeze())
}
