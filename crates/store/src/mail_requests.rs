//! Addresses that somebody gave where the answer must not tell whether they are known. The answer writes one row, the
//! same for every address; what is mailed, if anything, is decided behind it.

use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::link::LinkPurpose;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

const PUT: &str = "INSERT INTO mail_requests (id, purpose, email, email_key, user_id, session_id, epoch, \
    pending_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const NEXT: &str = "SELECT id, purpose, email, email_key, user_id, session_id, epoch, pending_id FROM mail_requests \
    ORDER BY id LIMIT $1";
const TAKE: &str = "DELETE FROM mail_requests WHERE id = $1";

row! {
    struct RequestRow {
        id: Uuid, purpose: String, email: String, email_key: String, user_id: Option<Uuid>, session_id: Option<Uuid>,
        epoch: Option<i64>, pending_id: Option<Uuid>,
    }
}

/// Whose address it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Nobody known: whoever has the address.
    Anybody,
    /// The user who has it, by a link that was mailed there and is used up by this: it comes once, and is not counted.
    Owner(UserId),
    /// A user who wants it to be theirs, in this session, and who proved who they are under this credential epoch.
    User(UserId, SessionId, i64),
    /// A pending registration.
    Registration(Uuid),
}

/// A mail that somebody asked for.
#[derive(Clone, Debug)]
pub struct MailRequest {
    /// Names it.
    pub id: Uuid,
    /// What its link would do.
    pub purpose: LinkPurpose,
    /// Where to.
    pub email: Email,
    /// Who asked.
    pub asker: Asker,
}

impl From<RequestRow> for Option<MailRequest> {
    fn from(row: RequestRow) -> Self {
        let asker = match (row.user_id, row.session_id, row.pending_id) {
            (Some(user), Some(session), _) => Asker::User(
                UserId::from_uuid(user),
                SessionId::from_uuid(session),
                row.epoch.unwrap_or_default(),
            ),
            (Some(user), None, _) => Asker::Owner(UserId::from_uuid(user)),
            (_, _, Some(pending)) => Asker::Registration(pending),
            _ => Asker::Anybody,
        };
        Some(MailRequest {
            id: row.id,
            purpose: LinkPurpose::ALL.into_iter().find(|purpose| purpose.as_str() == row.purpose)?,
            email: Email::from_stored(row.email, row.email_key),
            asker,
        })
    }
}

impl Store {
    /// The oldest requests. What a newer version has written and this one cannot read is left to that one.
    pub async fn mail_requests(&self, limit: i64) -> Result<Vec<MailRequest>, StoreError> {
        let rows: Vec<RequestRow> = on!(&self.db, db => sqlx::query_as(NEXT).bind(limit).fetch_all(db))?;
        Ok(rows.into_iter().filter_map(Option::from).collect())
    }
}

/// Notes a request.
pub async fn put(tx: &mut Tx, request: &MailRequest, now: Timestamp) -> Result<(), StoreError> {
    let (user, session, epoch, pending) = match request.asker {
        Asker::Anybody => (None, None, None, None),
        Asker::Owner(user) => (Some(user.uuid()), None, None, None),
        Asker::User(user, session, epoch) => (Some(user.uuid()), Some(session.uuid()), Some(epoch), None),
        Asker::Registration(pending) => (None, None, None, Some(pending)),
    };
    affected!(
        tx,
        sqlx::query(PUT)
            .bind(request.id)
            .bind(request.purpose.as_str())
            .bind(request.email.as_str())
            .bind(request.email.key())
            .bind(user)
            .bind(session)
            .bind(epoch)
            .bind(pending)
            .bind(now.micros())
    )?;
    Ok(())
}

/// Takes a request, to be answered in this transaction; `false`: another node has.
pub async fn take(tx: &mut Tx, id: Uuid) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(TAKE).bind(id))? > 0)
}
