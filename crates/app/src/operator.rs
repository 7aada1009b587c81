//! What operators do to users: on the command line now, in the console later.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::password::Password;
use portcullis_core::random;
use portcullis_core::session::EndCause;
use portcullis_core::user::{Email, Login, Role, User, Username};
use portcullis_core::validation::{FieldError, line};
use portcullis_store::sessions::{self, End};
use portcullis_store::users::{self, Disabled, Insert, NewPassword, NewUser};
use portcullis_store::{StoreError, api_tokens, audit, deletions, revocations, set_up};
use thiserror::Error;

use crate::cx::Cx;
use crate::fault::Fault;
use crate::hashing::Lane;
use crate::register::{Checked, Standing, made, new_password};

/// A user to be made by an operator.
pub struct NewUserRequest {
    /// Address.
    pub email: String,
    /// Full name.
    pub name: Option<String>,
    /// User name.
    pub username: Option<String>,
    /// Role.
    pub role: String,
    /// Password; none: nobody can sign in with one.
    pub password: Option<String>,
    /// It must be changed at the first sign-in.
    pub must_change_password: bool,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// Nobody is named so.
    #[error("there is no user {0}; `portcullis user list` shows all")]
    NoUser(String),
    /// Fields are wrong.
    #[error("{}", .0.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" "))]
    Invalid(Vec<FieldError>),
    /// Somebody has the address.
    #[error("a user with this e-mail address exists already")]
    EmailTaken,
    /// Somebody has the user name.
    #[error("a user with this user name exists already")]
    UsernameTaken,
    /// The password was changed by somebody else at the same moment.
    #[error("the user was changed at the same moment; try again")]
    Moved,
    /// Nobody else administers.
    #[error("the last administrator stays; make another one first")]
    LastAdministrator,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for OperatorError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl Cx {
    /// The user named by an e-mail address, a user name or an id.
    pub async fn find_user(&self, named: &str) -> Result<User, OperatorError> {
        if let Ok(id) = named.parse::<UserId>()
            && let Some(user) = self.store.user(id).await?
        {
            return Ok(user);
        }
        let found = self.store.find_login(&Login::new(named)).await?;
        found.map(|found| found.user).ok_or_else(|| OperatorError::NoUser(named.to_owned()))
    }

    /// The row of a user that somebody else asks for.
    pub(crate) async fn check_new_user(&self, request: NewUserRequest) -> Result<NewUser, OperatorError> {
        let invalid = |error: FieldError| OperatorError::Invalid(vec![error]);
        let email = Email::parse("email", &request.email).map_err(invalid)?;
        let name =
            request.name.as_deref().map(|name| line("name", name, 100)).transpose().map_err(invalid)?;
        let username = request.username.as_deref().map(|name| Username::parse("username", name));
        let username = username.transpose().map_err(invalid)?;
        let role = Role::parse("role", &request.role).map_err(invalid)?;
        let password = match request.password {
            Some(text) => {
                let mut context = vec![email.as_str()];
                context.extend(name.as_deref());
                context.extend(username.as_ref().map(Username::as_str));
                Some(
                    new_password("password", text, &self.settings.password_policy, &context)
                        .map_err(invalid)?,
                )
            }
            None => None,
        };
        let standing = Standing { role, must_change_password: request.must_change_password };
        Ok(self.new_user(Checked { email, password, name, username }, standing).await?)
    }

    /// Makes a user. Making an administrator voids the set-up link.
    pub async fn create_user(&self, request: NewUserRequest) -> Result<User, OperatorError> {
        let new = self.check_new_user(request).await?;
        let new = self.vouched_for(new);
        let admin = new.role.is_admin();
        let mut event = self.event(EventKind::UserRegistered);
        event.user = Some(new.id);
        event.detail.insert("by".into(), "operator".into());
        let made = made(&new);
        let done = self
            .store
            .write(move |tx| {
                let (new, event) = (new.clone(), event.clone());
                Box::pin(async move {
                    let done = users::insert(tx, &new).await?;
                    if done == Insert::Done {
                        if admin {
                            set_up::complete(tx, new.now).await?;
                        }
                        audit::append(tx, &event).await?;
                    }
                    Ok(done)
                })
            })
            .await?;
        match done {
            Insert::Done => Ok(made),
            Insert::EmailTaken => Err(OperatorError::EmailTaken),
            Insert::UsernameTaken => Err(OperatorError::UsernameTaken),
        }
    }

    /// Disables a user: nobody signs in, every session and token ends. `false`: was disabled before.
    pub async fn disable_user(&self, user: UserId) -> Result<bool, OperatorError> {
        let event = self.operator_event(EventKind::UserDisabled, user);
        let span = self.span();
        let (done, ended) = self
            .store
            .write(move |tx| {
                let event = event.clone();
                Box::pin(async move {
                    deletions::hold_administration(tx).await?;
                    let done = users::disable(tx, user, span.now).await?;
                    if done != Disabled::Done {
                        return Ok((done, Vec::new()));
                    }
                    let ended = sessions::end_all(tx, user, None, span.now, EndCause::UserDisabled).await?;
                    // Every node looks up the user's API tokens again.
                    api_tokens::renew_all(tx, user).await?;
                    audit::append(tx, &event).await?;
                    // The list comes last: whoever holds its lock waits for no row.
                    revocations::append_all(tx, &ended, span).await?;
                    revocations::append_api_tokens(tx, user, span).await?;
                    Ok((done, ended))
                })
            })
            .await?;
        match done {
            Disabled::Done => {}
            Disabled::Already => return Ok(false),
            Disabled::LastAdministrator => return Err(OperatorError::LastAdministrator),
        }
        self.revoke_here(&ended, span);
        self.look_again("disabling a user").await;
        Ok(true)
    }

    /// Lets a disabled user sign in again. `false`: was not disabled.
    pub async fn enable_user(&self, user: UserId) -> Result<bool, Fault> {
        let event = self.operator_event(EventKind::UserEnabled, user);
        let now = self.clock.now();
        let done = self.store.write(move |tx| {
            let event = event.clone();
            Box::pin(async move {
                let done = users::enable(tx, user, now).await?;
                if done {
                    audit::append(tx, &event).await?;
                }
                Ok(done)
            })
        });
        Ok(done.await?)
    }

    /// Changes a user's role. Sessions live on, access tokens that say the old role do not. `false`: had it.
    pub async fn set_role(&self, user: UserId, role: &str) -> Result<bool, OperatorError> {
        let role = Role::parse("role", role).map_err(|error| OperatorError::Invalid(vec![error]))?;
        let mut event = self.operator_event(EventKind::RoleChanged, user);
        event.detail.insert("role".into(), role.as_str().into());
        let span = self.span();
        let done = self
            .store
            .write(move |tx| {
                let (role, event) = (role.clone(), event.clone());
                Box::pin(async move {
                    deletions::hold_administration(tx).await?;
                    let done = users::set_role(tx, user, &role, span.now).await?;
                    if done {
                        sessions::copy_user(tx, user).await?;
                        // Whoever they act as, they do so by their role; and nobody acts as an administrator.
                        let ended = sessions::end_acting(tx, user, span.now).await?;
                        api_tokens::renew_all(tx, user).await?;
                        if role.is_admin() {
                            set_up::complete(tx, span.now).await?;
                        }
                        audit::append(tx, &event).await?;
                        // The list comes last: whoever holds its lock waits for no row.
                        revocations::append_user(tx, user, span).await?;
                        revocations::append_api_tokens(tx, user, span).await?;
                        revocations::append_all(tx, &ended, span).await?;
                    }
                    Ok(done)
                })
            })
            .await?;
        self.look_again("a change of role").await;
        Ok(done)
    }

    /// Reads the revocations that were just committed. If that fails, the next look of this node, moments later,
    /// makes up for it.
    pub(crate) async fn look_again(&self, what: &'static str) {
        if let Err(error) = self.follow_revocations().await {
            tracing::warn!(%error, what, "revocations are read later");
        }
    }

    /// Sets a password. Every session of the user ends.
    pub async fn set_password(
        &self,
        user: &User,
        password: String,
        must_change: bool,
    ) -> Result<(), OperatorError> {
        if user.is_bot() {
            let message = "A bot has no password: its owner signs in as it.";
            return Err(OperatorError::Invalid(vec![FieldError::new("user", "bot", message)]));
        }
        let mut context = vec![user.email.as_str()];
        context.extend(user.profile.name.as_deref());
        context.extend(user.username.as_ref().map(Username::as_str));
        let password: Password = new_password("password", password, &self.settings.password_policy, &context)
            .map_err(|error| OperatorError::Invalid(vec![error]))?;
        let hash = self.hasher.hash(Lane::Known, password, random::bytes(&*self.random)).await;
        let hash = hash.map_err(Fault::from)?;
        let span = self.span();
        let now = span.now;
        let new = NewPassword { user: user.id, epoch: user.credential_epoch, hash, must_change, now };
        let event = self.operator_event(EventKind::PasswordSet, user.id);
        let ended = self
            .store
            .write(move |tx| {
                let (new, event) = (new.clone(), event.clone());
                Box::pin(async move {
                    if !users::set_password(tx, &new).await? {
                        return Ok(None);
                    }
                    let ended = sessions::end_all(tx, new.user, None, now, EndCause::PasswordChanged).await?;
                    audit::append(tx, &event).await?;
                    revocations::append_all(tx, &ended, span).await?;
                    Ok(Some(ended))
                })
            })
            .await?;
        self.revoke_here(&ended.ok_or(OperatorError::Moved)?, span);
        Ok(())
    }

    /// Ends one session; `false`: there is no such live session.
    pub async fn operator_revoke_session(&self, session: SessionId) -> Result<bool, Fault> {
        let mut event = self.event(EventKind::SessionEnded);
        event.session = Some(session);
        event.detail.insert("cause".into(), EndCause::RevokedByOperator.as_str().into());
        self.end_one(End::Any(session), session, EndCause::RevokedByOperator, event).await
    }

    /// Ends all sessions of a user; how many.
    pub async fn operator_revoke_sessions(&self, user: UserId) -> Result<usize, Fault> {
        let event = self.operator_event(EventKind::SessionEnded, user);
        self.end_all_sessions(user, EndCause::RevokedByOperator, event).await
    }

    fn operator_event(&self, kind: EventKind, user: UserId) -> Event {
        let mut event = self.event(kind);
        event.user = Some(user);
        event.detail.insert("by".into(), "operator".into());
        event
    }
}
