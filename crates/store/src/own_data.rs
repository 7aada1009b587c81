//! All that is stored about one user, as they may have it.

use portcullis_core::ids::UserId;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{on, row};
use crate::error::StoreError;

const MEMBERSHIPS: &str = "SELECT m.account_id, a.name, a.display_code, m.role, m.created_at \
    FROM memberships AS m JOIN accounts AS a ON a.id = m.account_id WHERE m.user_id = $1 ORDER BY m.created_at, a.id";
const SESSIONS: &str = "SELECT id, device, address, methods, delivery, (actor_id IS NOT NULL) AS acting, created_at, \
    rotated_at, idle_ends_at, ends_at, ended_at, end_cause FROM sessions WHERE user_id = $1 ORDER BY id DESC";
const TOKENS: &str = "SELECT id, name, description, key_prefix, scopes, created_at, expires_at, last_used_at, \
    last_address, revoked_at FROM api_tokens WHERE user_id = $1 ORDER BY id DESC";
const PASSKEYS: &str = "SELECT id, name, backed_up, created_at, last_used_at FROM passkeys WHERE user_id = $1 \
    ORDER BY id";
/// From where somebody else acted on the user is theirs, not the user's.
const EVENTS: &str = "SELECT id, at, kind, (actor_id IS NULL OR actor_id = $1) AS own, session_id, address, detail \
    FROM audit_events WHERE user_id = $1 ORDER BY at DESC, id DESC LIMIT $2";
const MAILS: &str =
    "SELECT template, recipient, created_at, sent_at FROM outbox WHERE user_id = $1 ORDER BY id DESC";

const IDENTITIES: &str = "SELECT provider, subject, email, created_at, last_used_at FROM identities \
    WHERE user_id = $1 ORDER BY id DESC";

row! {
    struct IdentityRow {
        provider: String, subject: String, email: Option<String>, created_at: i64, last_used_at: Option<i64>,
    }
}

row! {
    struct MembershipRow { account_id: Uuid, name: String, display_code: String, role: String, created_at: i64 }
}

row! {
    struct SessionRow {
        id: Uuid, device: String, address: String, methods: String, delivery: String, acting: bool, created_at: i64,
        rotated_at: i64, idle_ends_at: i64, ends_at: i64, ended_at: Option<i64>, end_cause: Option<String>,
    }
}

row! {
    struct TokenRow {
        id: Uuid, name: String, description: Option<String>, key_prefix: String, scopes: Option<String>,
        created_at: i64, expires_at: i64, last_used_at: Option<i64>, last_address: Option<String>,
        revoked_at: Option<i64>,
    }
}

row! {
    struct PasskeyRow { id: Uuid, name: String, backed_up: bool, created_at: i64, last_used_at: Option<i64> }
}

row! {
    struct EventRow {
        id: Uuid, at: i64, kind: String, own: bool, session_id: Option<Uuid>, address: Option<String>, detail: String,
    }
}

row! {
    struct MailRow { template: String, recipient: String, created_at: i64, sent_at: Option<i64> }
}

/// An account that the user belongs to.
#[derive(Clone, Debug)]
pub struct OwnMembership {
    /// Account.
    pub account: Uuid,
    /// Its name.
    pub name: String,
    /// Its display code.
    pub display_code: String,
    /// The user's role in it.
    pub role: String,
    /// Since when.
    pub joined_at: Timestamp,
}

/// A session, live or not.
#[derive(Clone, Debug)]
pub struct OwnSession {
    /// Id.
    pub id: Uuid,
    /// What the device calls itself; of somebody who acts as the user, nothing.
    pub device: Option<String>,
    /// Where it was last; of somebody who acts as the user, nothing.
    pub address: Option<String>,
    /// How they signed in, separated by blanks.
    pub methods: String,
    /// How its tokens travel.
    pub delivery: String,
    /// Somebody else acts in it.
    pub acting: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last rotation.
    pub last_used_at: Timestamp,
    /// When it ends, at the latest.
    pub ends_at: Timestamp,
    /// When it ended, and why.
    pub ended: Option<(Timestamp, Option<String>)>,
}

/// An API token, live or not.
#[derive(Clone, Debug)]
pub struct OwnToken {
    /// Id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// The characters of it that may be shown.
    pub key_prefix: String,
    /// Scopes, separated by blanks.
    pub scopes: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// Last use.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_address: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A passkey; never the key itself.
#[derive(Clone, Debug)]
pub struct OwnPasskey {
    /// Id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// It is kept elsewhere, too.
    pub backed_up: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last use.
    pub last_used_at: Option<Timestamp>,
}

/// Something that happened to the user.
#[derive(Clone, Debug)]
pub struct OwnEvent {
    /// Id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: String,
    /// The user did it, or nobody knows who did.
    pub own: bool,
    /// In which session.
    pub session: Option<Uuid>,
    /// From where; what somebody else did has none here.
    pub address: Option<String>,
    /// More, as JSON.
    pub detail: String,
}

/// A mail to the user.
#[derive(Clone, Debug)]
pub struct OwnMail {
    /// What it says.
    pub template: String,
    /// To which address.
    pub to: String,
    /// When it was decided.
    pub created_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct OwnData {
    /// Accounts they belong to, since the oldest.
    pub memberships: Vec<OwnMembership>,
    /// Sessions, newest first.
    pub sessions: Vec<OwnSession>,
    /// API tokens, newest first.
    pub api_tokens: Vec<OwnToken>,
    /// Who they are at providers, newest first.
    pub identities: Vec<OwnIdentity>,
    /// Passkeys, oldest first.
    pub passkeys: Vec<OwnPasskey>,
    /// What happened, newest first.
    pub events: Vec<OwnEvent>,
    /// Mails, newest first.
    pub mails: Vec<OwnMail>,
}

/// Who the user is at a provider.
#[derive(Clone, Debug)]
pub struct OwnIdentity {
    /// Which.
    pub provider: String,
    /// Who they are there.
    pub subject: String,
    /// Their address there, as last told.
    pub email: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// Last sign-in by it.
    pub last_used_at: Option<Timestamp>,
}

impl From<IdentityRow> for OwnIdentity {
    fn from(row: IdentityRow) -> Self {
        let IdentityRow { provider, subject, email, created_at, last_used_at } = row;
        Self {
            provider,
            subject,
            email,
            created_at: Timestamp::from_micros(created_at),
            last_used_at: last_used_at.map(Timestamp::from_micros),
        }
    }
}

impl From<MembershipRow> for OwnMembership {
    fn from(row: MembershipRow) -> Self {
        let MembershipRow { account_id, name, display_code, role, created_at } = row;
        Self { account: account_id, name, display_code, role, joined_at: Timestamp::from_micros(created_at) }
    }
}

impl From<SessionRow> for OwnSession {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            device: Some(row.device).filter(|_| !row.acting),
            address: Some(row.address).filter(|_| !row.acting),
            methods: row.methods,
            delivery: row.delivery,
            acting: row.acting,
            created_at: Timestamp::from_micros(row.created_at),
            last_used_at: Timestamp::from_micros(row.rotated_at),
            ends_at: Timestamp::from_micros(row.ends_at.min(row.idle_ends_at)),
            ended: row.ended_at.map(|at| (Timestamp::from_micros(at), row.end_cause)),
        }
    }
}

impl From<TokenRow> for OwnToken {
    fn from(row: TokenRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            key_prefix: row.key_prefix,
            scopes: row.scopes,
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
            last_address: row.last_address,
            revoked_at: row.revoked_at.map(Timestamp::from_micros),
        }
    }
}

impl From<PasskeyRow> for OwnPasskey {
    fn from(row: PasskeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            backed_up: row.backed_up,
            created_at: Timestamp::from_micros(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
        }
    }
}

impl From<EventRow> for OwnEvent {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            at: Timestamp::from_micros(row.at),
            kind: row.kind,
            own: row.own,
            session: row.session_id,
            address: row.address.filter(|_| row.own),
            detail: row.detail,
        }
    }
}

impl From<MailRow> for OwnMail {
    fn from(row: MailRow) -> Self {
        Self {
            template: row.template,
            to: row.recipient,
            created_at: Timestamp::from_micros(row.created_at),
            sent_at: row.sent_at.map(Timestamp::from_micros),
        }
    }
}

/// What a statement finds, one of its rows after the other.
macro_rules! all {
    ($store:expr, $row:ty, $query:expr) => {{
        let rows: Vec<$row> = on!(&$store.db, db => $query.fetch_all(db))?;
        rows.into_iter().map(Into::into).collect()
    }};
}

impl Store {
    /// All that is stored about a user beside themselves and their bots; of what happened, the newest `events`.
    pub async fn own_data(&self, user: UserId, events: i64) -> Result<OwnData, StoreError> {
        let id = user.uuid();
        Ok(OwnData {
            memberships: all!(self, MembershipRow, sqlx::query_as(MEMBERSHIPS).bind(id)),
            sessions: all!(self, SessionRow, sqlx::query_as(SESSIONS).bind(id)),
            api_tokens: all!(self, TokenRow, sqlx::query_as(TOKENS).bind(id)),
            identities: all!(self, IdentityRow, sqlx::query_as(IDENTITIES).bind(id)),
            passkeys: all!(self, PasskeyRow, sqlx::query_as(PASSKEYS).bind(id)),
            events: all!(self, EventRow, sqlx::query_as(EVENTS).bind(id).bind(events)),
            mails: all!(self, MailRow, sqlx::query_as(MAILS).bind(id)),
        })
    }
}
