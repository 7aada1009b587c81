//! What is mailed: which template, to whom, with what in it. Never a link: that is derived when the mail is made.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::ids::{MailId, UserId};
use crate::link::{LinkFacts, LinkPurpose};
use crate::server_key::KeyId;
use crate::time::Timestamp;
use crate::user::Email;

/// What a mail says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Template {
    /// Prove that the address is yours.
    VerifyEmail,
    /// Somebody, you we hope, signed up with this address: prove that it is yours.
    VerifyRegistration,
    /// Somebody signed up with your address, which has an account already.
    RegistrationAttempt,
    /// Set a new password.
    ResetPassword,
    /// Prove that your new address is yours.
    ChangeEmail,
    /// Somebody wanted your address for another account.
    ChangeEmailAttempt,
    /// Your address was changed; bring it back if that was not you. To the old address.
    EmailChanged,
    /// Your address was changed once more: the link that undoes it went to the address before. To the one in between.
    EmailChangedAgain,
    /// Your password was changed.
    PasswordChanged,
    /// A second factor was added to your account.
    FactorAdded,
    /// A second factor was removed from it.
    FactorRemoved,
    /// Recovery codes were made that replace those before.
    RecoveryCodesMade,
    /// You are invited to sign up.
    Invite,
    /// You are invited to an account.
    AccountInvite,
    /// An administrator acts in your name.
    ImpersonationStarted,
    /// Somebody signed in from a device that was not seen before; end that if it was not you.
    NewDevice,
    /// An API token of yours was found in public and revoked.
    ApiTokenLeaked,
    /// Your account will be deleted; keep it if you changed your mind.
    AccountDeletion,
    /// You can sign in by way of a provider, too.
    IdentityLinked,
    /// You cannot sign in by way of a provider any more.
    IdentityUnlinked,
    /// You came by way of a provider to an account that somebody had registered with your address: it is yours alone now.
    AccountClaimed,
    /// Whether mail works.
    Test,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::VerifyEmail,
        Self::VerifyRegistration,
        Self::RegistrationAttempt,
        Self::ResetPassword,
        Self::ChangeEmail,
        Self::ChangeEmailAttempt,
        Self::EmailChanged,
        Self::EmailChangedAgain,
        Self::PasswordChanged,
        Self::FactorAdded,
        Self::FactorRemoved,
        Self::RecoveryCodesMade,
        Self::Invite,
        Self::AccountInvite,
        Self::ImpersonationStarted,
        Self::NewDevice,
        Self::ApiTokenLeaked,
        Self::AccountDeletion,
        Self::IdentityLinked,
        Self::IdentityUnlinked,
        Self::AccountClaimed,
        Self::Test,
    ];

    /// Its stable name: of its files, and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::VerifyRegistration => "verify_registration",
            Self::RegistrationAttempt => "registration_attempt",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::ChangeEmailAttempt => "change_email_attempt",
            Self::EmailChanged => "email_changed",
            Self::EmailChangedAgain => "email_changed_again",
            Self::PasswordChanged => "password_changed",
            Self::FactorAdded => "factor_added",
            Self::FactorRemoved => "factor_removed",
            Self::RecoveryCodesMade => "recovery_codes_made",
            Self::Invite => "invite",
            Self::AccountInvite => "account_invite",
            Self::ImpersonationStarted => "impersonation_started",
            Self::NewDevice => "new_device",
            Self::ApiTokenLeaked => "api_token_leaked",
            Self::AccountDeletion => "account_deletion",
            Self::IdentityLinked => "identity_linked",
            Self::IdentityUnlinked => "identity_unlinked",
            Self::AccountClaimed => "account_claimed",
            Self::Test => "test",
        }
    }

    /// The template of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.as_str() == name)
    }

    /// What its link does, if it has one.
    pub const fn link(self) -> Option<LinkPurpose> {
        match self {
            Self::VerifyEmail => Some(LinkPurpose::VerifyEmail),
            Self::VerifyRegistration => Some(LinkPurpose::Register),
            Self::ResetPassword => Some(LinkPurpose::ResetPassword),
            Self::ChangeEmail => Some(LinkPurpose::ChangeEmail),
            Self::EmailChanged => Some(LinkPurpose::UndoEmail),
            // Of either kind: the page behind it tells them apart.
            Self::Invite | Self::AccountInvite => Some(LinkPurpose::AccountInvite),
            Self::NewDevice => Some(LinkPurpose::NotMe),
            Self::AccountDeletion => Some(LinkPurpose::KeepAccount),
            Self::RegistrationAttempt
            | Self::ChangeEmailAttempt
            | Self::EmailChangedAgain
            | Self::PasswordChanged
            | Self::FactorAdded
            | Self::FactorRemoved
            | Self::RecoveryCodesMade
            | Self::ImpersonationStarted
            | Self::ApiTokenLeaked
            | Self::IdentityLinked
            | Self::IdentityUnlinked
            | Self::AccountClaimed
            | Self::Test => None,
        }
    }
}

/// A mail that could not be sent for this long is tried no more.
pub const GIVE_UP: Duration = Duration::from_hours(3 * 24);

/// How long to wait after try number `attempts` (from 1) before the next: a minute, doubling up to an hour, and up to
/// a quarter more by `jitter` (0 to 1), so that mails that failed together are not tried together.
pub fn retry_after(attempts: u32, jitter: f64) -> Duration {
    let minutes = 1_u64 << attempts.saturating_sub(1).min(6);
    Duration::from_mins(minutes.min(60)).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0)
}

/// Where a mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// To be sent, or to be tried again.
    Waiting,
    /// The mail server has taken it.
    Sent,
    /// It is tried no more.
    Failed,
}

impl MailState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Sent, Self::Failed];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

/// One mail that is to be sent.
#[derive(Clone)]
pub struct Mail {
    /// Names it; also in its `Message-ID`.
    pub id: MailId,
    /// What it says.
    pub template: Template,
    /// To whom.
    pub to: Email,
    /// Whose it is: goes with them when they are deleted. `None`: nobody's yet.
    pub user: Option<UserId>,
    /// The language tag to write it in (BCP 47); `None`: the default.
    pub locale: Option<String>,
    /// What the template shows, never a secret.
    pub parameters: Map<String, Value>,
    /// What its link is about and the server key that it is derived under.
    pub link: Option<(LinkFacts, KeyId)>,
    /// When it was decided.
    pub created_at: Timestamp,
    /// Nobody needs it after this.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({}, {}, {:?})", self.id, self.template.as_str(), self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_further_and_further_apart() {
        let minutes = |attempts, jitter| retry_after(attempts, jitter).as_secs() / 60;
        let calm: Vec<u64> = (0..9).map(|attempts| minutes(attempts, 0.0)).collect();
        assert_eq!(calm, [1, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!((minutes(4, 1.0), minutes(u32::MAX, 7.0)), (10, 75));
    }

    #[test]
    fn every_template_has_a_name_of_its_own() {
        for (at, template) in Template::ALL.into_iter().enumerate() {
            assert_eq!(Template::from_name(template.as_str()), Some(template));
            assert!(Template::ALL[..at].iter().all(|other| other.as_str() != template.as_str()));
        }
        assert_eq!(Template::from_name("../test"), None);
    }
}
