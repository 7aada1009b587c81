//! Security-relevant events: who, on whom, from where, what, when, with what result.

use std::net::IpAddr;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::ids::{EventId, SessionId, UserId};
use crate::time::Timestamp;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The first administrator was made through the set-up link.
    SetUp,
    /// A user came to be.
    UserRegistered,
    /// A user's own data changed.
    UserUpdated,
    /// A user was disabled.
    UserDisabled,
    /// A user was enabled again.
    UserEnabled,
    /// A user's role changed.
    RoleChanged,
    /// A sign-in.
    SessionStarted,
    /// A sign-in was refused.
    LoginFailed,
    /// A session ended.
    SessionEnded,
    /// A user said by a mailed link that they know nothing of a sign-in.
    SessionDisowned,
    /// A spent refresh token came back: theft.
    RefreshReused,
    /// A refresh token was ahead of its row: the database was set back.
    RefreshAhead,
    /// A refresh token was replayed within the grace, from elsewhere.
    RefreshReplayedElsewhere,
    /// A password was changed by its user.
    PasswordChanged,
    /// A password was set by an operator.
    PasswordSet,
    /// A second factor was added.
    FactorAdded,
    /// A second factor was removed by its user.
    FactorRemoved,
    /// All factors of a user were removed, by an operator or an administrator.
    FactorsReset,
    /// A second factor was wrong.
    FactorFailed,
    /// A new set of recovery codes was made.
    RecoveryCodesMade,
    /// A device is asked for a factor again.
    DeviceForgotten,
    /// Somebody has shown in their session once more who they are.
    SteppedUp,
    /// A link to set a new password was asked for by somebody who may be the user.
    PasswordResetRequested,
    /// A password was set anew by a mailed link.
    PasswordReset,
    /// An address was shown to be its user's.
    EmailVerified,
    /// A user's address changed.
    EmailChanged,
    /// The change of an address was undone by whoever has the old one.
    EmailChangeUndone,
    /// A signing key was made, imported or withdrawn.
    KeyChanged,
    /// An API token was made.
    ApiTokenCreated,
    /// Name, description or scopes of an API token changed.
    ApiTokenUpdated,
    /// An API token was revoked.
    ApiTokenRevoked,
    /// An API token was used from an address it had not been used from before.
    ApiTokenUsedElsewhere,
    /// A bot was made.
    BotCreated,
    /// A bot's name changed.
    BotUpdated,
    /// A bot was deleted.
    BotDeleted,
    /// A service client was made.
    ClientCreated,
    /// A service client was revoked.
    ClientRevoked,
    /// An administrator began to act as another user.
    ImpersonationStarted,
    /// A runtime setting was set or unset.
    SettingChanged,
    /// A user asked for the deletion of their own account.
    DeletionRequested,
    /// They changed their mind.
    DeletionCancelled,
    /// A user was deleted.
    UserDeleted,
    /// A user's own data were exported.
    DataExported,
    /// An invite was made.
    InviteCreated,
    /// An invite was taken back.
    InviteRevoked,
    /// An invite was mailed once more.
    InviteResent,
    /// Somebody used an invite.
    InviteUsed,
    /// An account was made beside the user's first one.
    AccountCreated,
    /// An account's name changed.
    AccountUpdated,
    /// An account was deleted.
    AccountDeleted,
    /// Somebody joined an account.
    MemberJoined,
    /// A member's role in an account changed.
    MemberRoleChanged,
    /// A member left an account, or was removed from it.
    MemberRemoved,
    /// A session, or a user, went over to another account of theirs.
    AccountSwitched,
    /// What an account has subscribed to changed.
    SubscriptionChanged,
    /// A user registered a passkey.
    PasskeyAdded,
    /// A passkey got another name.
    PasskeyRenamed,
    /// A user removed a passkey.
    PasskeyRemoved,
    /// A passkey's counter went backwards: there may be a copy of it. Nobody was signed in.
    PasskeyCopied,
}

impl EventKind {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "setup.completed",
            Self::UserRegistered => "user.registered",
            Self::UserUpdated => "user.updated",
            Self::UserDisabled => "user.disabled",
            Self::UserEnabled => "user.enabled",
            Self::RoleChanged => "user.role_changed",
            Self::SessionStarted => "session.started",
            Self::LoginFailed => "login.failed",
            Self::SessionEnded => "session.ended",
            Self::SessionDisowned => "session.disowned",
            Self::RefreshReused => "refresh.reused",
            Self::RefreshAhead => "refresh.ahead",
            Self::RefreshReplayedElsewhere => "refresh.replayed_elsewhere",
            Self::PasswordChanged => "password.changed",
            Self::PasswordSet => "password.set",
            Self::FactorAdded => "factor.added",
            Self::FactorRemoved => "factor.removed",
            Self::FactorsReset => "factor.reset",
            Self::FactorFailed => "factor.failed",
            Self::RecoveryCodesMade => "factor.recovery_codes_made",
            Self::DeviceForgotten => "factor.device_forgotten",
            Self::SteppedUp => "session.stepped_up",
            Self::PasswordResetRequested => "password.reset_requested",
            Self::PasswordReset => "password.reset",
            Self::EmailVerified => "email.verified",
            Self::EmailChanged => "email.changed",
            Self::EmailChangeUndone => "email.change_undone",
            Self::KeyChanged => "key.changed",
            Self::ApiTokenCreated => "api_token.created",
            Self::ApiTokenUpdated => "api_token.updated",
            Self::ApiTokenRevoked => "api_token.revoked",
            Self::ApiTokenUsedElsewhere => "api_token.used_elsewhere",
            Self::BotCreated => "bot.created",
            Self::BotUpdated => "bot.updated",
            Self::BotDeleted => "bot.deleted",
            Self::ClientCreated => "client.created",
            Self::ClientRevoked => "client.revoked",
            Self::ImpersonationStarted => "impersonation.started",
            Self::SettingChanged => "setting.changed",
            Self::DeletionRequested => "user.deletion_requested",
            Self::DeletionCancelled => "user.deletion_cancelled",
            Self::UserDeleted => "user.deleted",
            Self::DataExported => "user.data_exported",
            Self::InviteCreated => "invite.created",
            Self::InviteRevoked => "invite.revoked",
            Self::InviteResent => "invite.resent",
            Self::InviteUsed => "invite.used",
            Self::AccountCreated => "account.created",
            Self::AccountUpdated => "account.updated",
            Self::AccountDeleted => "account.deleted",
            Self::MemberJoined => "member.joined",
            Self::MemberRoleChanged => "member.role_changed",
            Self::MemberRemoved => "member.removed",
            Self::AccountSwitched => "account.switched",
            Self::SubscriptionChanged => "subscription.changed",
            Self::PasskeyAdded => "passkey.added",
            Self::PasskeyRenamed => "passkey.renamed",
            Self::PasskeyRemoved => "passkey.removed",
            Self::PasskeyCopied => "passkey.copied",
        }
    }
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Id.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// Who acted; `None`: nobody known, or the operator on the command line.
    pub actor: Option<UserId>,
    /// On whom.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// From where.
    pub address: Option<IpAddr>,
    /// More, never a secret.
    pub detail: Map<String, Value>,
}

/// An event as it is stored: what an older or newer node wrote reads back, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: String,
    /// Who.
    pub actor: Option<UserId>,
    /// On whom.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// From where.
    pub address: Option<String>,
    /// More, as JSON.
    pub detail: String,
    /// Its place in the audit chain; `None`: it is not chained yet.
    pub seq: Option<u64>,
}

/// Which kinds of events somebody wants: one by its name, or all that begin alike (`session.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KindFilter {
    /// This one.
    Exactly(String),
    /// All that begin with this.
    Beginning(String),
}

impl KindFilter {
    /// Reads `session.started` or `session.*`. Kinds of later versions are taken, too.
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let (noun, rest) = text.split_once('.')?;
        match rest {
            "*" if is_word(noun) => Some(Self::Beginning(format!("{noun}."))),
            _ if is_word(noun) && is_word(rest) => Some(Self::Exactly(text.to_owned())),
            _ => None,
        }
    }

    /// Whether an event of this kind is wanted.
    pub fn takes(&self, kind: &str) -> bool {
        match self {
            Self::Exactly(name) => name == kind,
            Self::Beginning(start) => kind.starts_with(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_wanted_by_name_or_by_beginning() {
        for (filter, kind, taken) in [
            ("session.started", "session.started", true),
            ("session.started", "session.ended", false),
            ("session.*", "session.ended", true),
            ("session.*", "sessions.ended", false),
            ("user.role_changed", "user.role_changed", true),
        ] {
            assert_eq!(KindFilter::parse(filter).expect("a filter").takes(kind), taken, "{filter} {kind}");
        }
        for wrong in ["", "*", "session", "session.", ".*", "session.s*", "Session.*", "a.b.c", "a b.c"] {
            assert_eq!(KindFilter::parse(wrong), None, "{wrong}");
        }
    }
}
