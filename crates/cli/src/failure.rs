//! Why a command did not do what was asked, as one line that says what to do about it.

use std::fmt;
use std::io;

use portcullis_app::api_tokens::TokenError;
use portcullis_app::clients::ClientError;
use portcullis_app::deletion::DeletionError;
use portcullis_app::factors::FactorError;
use portcullis_app::fault::Fault;
use portcullis_app::hashing::HasherStartError;
use portcullis_app::invites::InviteError;
use portcullis_app::node::StartError;
use portcullis_app::operator::OperatorError;
use portcullis_app::rotate_keys::KeyError;
use portcullis_app::runtime::SettingError;
use portcullis_app::server_keys::ServerKeyError;
use portcullis_store::StoreError;

use crate::config::ConfigError;

/// How a command ended, if not well.
#[derive(Debug)]
pub struct Failure {
    line: String,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Failed,
    Usage,
    /// Whoever read our output has read enough: `portcullis user list | head`.
    PipeClosed,
}

impl Failure {
    /// `what` went wrong.
    pub fn new(what: impl fmt::Display) -> Self {
        Self { line: what.to_string(), end: End::Failed }
    }

    /// `what` went wrong, and `remedy` mends it.
    pub fn mend(what: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::new(format_args!("{what}; {remedy}"))
    }

    /// The command was asked for in a way that cannot work.
    pub fn usage(what: impl fmt::Display) -> Self {
        Self { line: what.to_string(), end: End::Usage }
    }

    /// Writing to standard output failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        let end = if error.kind() == io::ErrorKind::BrokenPipe { End::PipeClosed } else { End::Failed };
        Self { line: format!("cannot write to standard output: {error}"), end }
    }

    /// What stands on standard error, in one line whatever the causes held.
    pub fn line(&self) -> Option<String> {
        let words = self.line.split(|c: char| c.is_control()).filter(|part| !part.is_empty());
        (self.end != End::PipeClosed).then(|| words.collect::<Vec<_>>().join(" "))
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self.end {
            End::PipeClosed => 0,
            End::Failed => 1,
            End::Usage => 2,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let remedy = match &fault {
            Fault::StoreUnavailable(_) | Fault::Stale => "start the database, or correct database.url",
            Fault::HashingBusy { .. } => "try again in a moment",
            Fault::ServerKeyMissing(_) => "add that key to server.secret_keys_accepted",
            Fault::SigningKeyMissing(_) | Fault::Internal(_) => "portcullis doctor may tell more",
        };
        Self::mend(&fault, remedy)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            // Its text ends with what to do.
            StoreError::Schema(text) => Self::new(text),
            other => Fault::from(other).into(),
        }
    }
}

impl From<ServerKeyError> for Failure {
    fn from(error: ServerKeyError) -> Self {
        match error {
            ServerKeyError::Fault(fault) => fault.into(),
            ServerKeyError::Missing { .. } | ServerKeyError::Other(_) => Self::new(error),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Fault(fault) => fault.into(),
            KeyError::Unknown(_) => Self::mend(error, "portcullis key list shows all"),
            KeyError::LastOne(_) | KeyError::Make(_) | KeyError::Withdrawn(_) | KeyError::OperatorDecides => {
                Self::new(error)
            }
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::ServerKey(error) => error.into(),
            StartError::SigningKey(error) => error.into(),
            StartError::Fault(fault) => fault.into(),
        }
    }
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Fault(fault) => fault.into(),
            OperatorError::NoUser(_)
            | OperatorError::Invalid(_)
            | OperatorError::EmailTaken
            | OperatorError::UsernameTaken
            | OperatorError::Moved
            | OperatorError::LastAdministrator => Self::new(error),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Fault(fault) => fault.into(),
            ClientError::Invalid(_) | ClientError::Moved => Self::new(error),
        }
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::Fault(fault) => fault.into(),
            SettingError::Unknown => Self::mend(error, "portcullis settings list shows all"),
            SettingError::Invalid(_) | SettingError::Moved => Self::new(error),
        }
    }
}

impl From<DeletionError> for Failure {
    fn from(error: DeletionError) -> Self {
        match error {
            DeletionError::Fault(fault) => fault.into(),
            DeletionError::NotFound => Self::mend(error, "portcullis user list shows all"),
            DeletionError::Invalid(_)
            | DeletionError::WrongPassword(_)
            | DeletionError::FreshLoginRequired(_)
            | DeletionError::LastAdministrator
            | DeletionError::LastOwner
            | DeletionError::Oneself
            | DeletionError::Moved
            | DeletionError::Limited(_) => Self::new(error),
        }
    }
}

impl From<FactorError> for Failure {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Fault(fault) => fault.into(),
            FactorError::Fresh(_)
            | FactorError::WrongCode(_)
            | FactorError::Invalid(_)
            | FactorError::NotFound
            | FactorError::NoFactor
            | FactorError::Required
            | FactorError::LastWayIn
            | FactorError::Moved
            | FactorError::Limited(_) => Self::new(error),
        }
    }
}

impl From<InviteError> for Failure {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Fault(fault) => fault.into(),
            InviteError::NotFound => Self::mend(error, "portcullis invite list shows all"),
            InviteError::Spent(state) => Self::new(format!("the invite is {} already", state.as_str())),
            InviteError::Invalid(_) | InviteError::Moved => Self::new(error),
        }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Fault(fault) => fault.into(),
            TokenError::Invalid(errors) => {
                Self::new(errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join(" "))
            }
            TokenError::TooMany => Self::mend(
                "the user has as many API tokens as api_tokens.max_per_user allows",
                "revoke one that is no longer needed",
            ),
            TokenError::Moved => Self::mend(
                "the user is disabled, a bot, or was changed at the same moment",
                "look, and try again",
            ),
            TokenError::NotFound => Self::new("there is no such token"),
        }
    }
}

impl From<HasherStartError> for Failure {
    fn from(error: HasherStartError) -> Self {
        Self::new(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_cause_it_is_one_line() {
        let failure = Failure::mend("first\nsecond\r\n\u{1b}[31mthird", "mend it");
        assert_eq!(failure.line().as_deref(), Some("first second [31mthird; mend it"));
        assert_eq!(failure.code(), 1);
        assert_eq!(Failure::usage("x").code(), 2);
    }

    #[test]
    fn a_reader_who_has_read_enough_is_no_failure() {
        let failure = Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.line(), failure.code()), (None, 0));
    }
}
