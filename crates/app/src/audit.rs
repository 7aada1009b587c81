//! What the audit log says, for administrators and operators.

use portcullis_core::audit::{KindFilter, StoredEvent};
use portcullis_core::ids::UserId;
use portcullis_core::time::Timestamp;
use portcullis_core::validation::FieldError;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::cx::Cx;
use crate::fault::Fault;

pub use portcullis_store::audit::EventFilter;

/// How many looks at the log one page takes: behind them it is for the next page to go on.
const LOOKS: usize = 20;

/// An event as others see it.
#[derive(Clone, Debug, Serialize)]
pub struct EventView {
    /// Id.
    pub id: Uuid,
    /// Its place in the chain; `None`: it is not chained yet.
    pub seq: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: String,
    /// On whom.
    pub user: Option<Uuid>,
    /// Who.
    pub actor: Option<Uuid>,
    /// In which session.
    pub session: Option<Uuid>,
    /// From where.
    pub address: Option<String>,
    /// More: an object.
    pub detail: Value,
}

impl From<StoredEvent> for EventView {
    fn from(event: StoredEvent) -> Self {
        Self {
            id: event.id,
            seq: event.seq,
            at: event.at,
            kind: event.kind,
            user: event.user.map(UserId::uuid),
            actor: event.actor.map(UserId::uuid),
            session: event.session.map(portcullis_core::ids::SessionId::uuid),
            address: event.address,
            // Somebody may have changed it in the database: it is shown, as it is.
            detail: serde_json::from_str(&event.detail).unwrap_or(Value::String(event.detail)),
        }
    }
}

/// Which events are asked for, as text.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// `session.started`, or `session.*`.
    pub kind: Option<String>,
    /// On whom: an id.
    pub user: Option<String>,
    /// Who: an id.
    pub actor: Option<String>,
    /// Not before: RFC 3339.
    pub since: Option<String>,
    /// Before: RFC 3339.
    pub until: Option<String>,
}

/// Reads a query; each field that is wrong is named.
pub fn read_query(query: &EventQuery) -> Result<EventFilter, Vec<FieldError>> {
    let mut errors = Vec::new();
    let filter = EventFilter {
        kind: read(
            &mut errors,
            "kind",
            query.kind.as_deref(),
            KindFilter::parse,
            "Use the name of a kind, such as session.started, or session.* for all that begin so.",
        ),
        user: read(
            &mut errors,
            "user",
            query.user.as_deref(),
            |text| text.parse().ok(),
            "Use the id of a user.",
        ),
        actor: read(
            &mut errors,
            "actor",
            query.actor.as_deref(),
            |text| text.parse().ok(),
            "Use the id of a user.",
        ),
        since: read(&mut errors, "since", query.since.as_deref(), |text| text.parse().ok(), TIME),
        until: read(&mut errors, "until", query.until.as_deref(), |text| text.parse().ok(), TIME),
    };
    if errors.is_empty() { Ok(filter) } else { Err(errors) }
}

const TIME: &str = "Use a time such as 2026-01-31T12:00:00Z.";

fn read<T>(
    errors: &mut Vec<FieldError>,
    field: &'static str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    help: &'static str,
) -> Option<T> {
    let text = text?;
    let read = parse(text);
    if read.is_none() {
        errors.push(FieldError::new(field, "invalid", help));
    }
    read
}

impl Cx {
    /// The newest of the wanted events before one, newest first, and where to go on; `None`: nowhere. A page may
    /// hold fewer than `limit` events, or none, and yet not be the last one.
    pub async fn audit_page(
        &self,
        filter: &EventFilter,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<(Vec<EventView>, Option<Uuid>), Fault> {
        let (mut page, mut before) = (Vec::new(), before);
        for _ in 0..LOOKS {
            let (events, next) = self.store.events_like(filter, before, limit - page.len() as i64).await?;
            page.extend(events.into_iter().map(EventView::from));
            before = next;
            if before.is_none() || page.len() as i64 == limit {
                break;
            }
        }
        Ok((page, before))
    }
}
