//! The user's own data. Another address is only asked for here; see [`crate::change_email`].

use std::time::Duration;

use portcullis_core::audit::EventKind;
use portcullis_core::ids::UserId;
use portcullis_core::link::LinkPurpose;
use portcullis_core::password::Password;
use portcullis_core::user::{Email, User, Username};
use portcullis_core::validation::{FieldError, line, word};
use portcullis_store::mail_requests::{Asker, MailRequest};
use portcullis_store::users::{self, Credentials, ProfileUpdate};
use portcullis_store::{audit, mail_requests};
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::fresh::FreshError;
use crate::limits::{LimitError, Limited};

/// What to do with one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change {
    /// It was not sent: leave it.
    #[default]
    Keep,
    /// It was sent as `null`: clear it.
    Clear,
    /// It was sent with a value.
    Set(String),
}

/// What to change.
#[derive(Clone, Default)]
pub struct ProfileChange {
    /// Full name.
    pub name: Change,
    /// User name.
    pub username: Change,
    /// Phone number.
    pub phone: Change,
    /// Job title.
    pub job_title: Change,
    /// Time zone.
    pub timezone: Change,
    /// Language.
    pub locale: Change,
}

/// Another address, and what proves that it is the user who wants it.
pub struct NewAddress {
    /// The address.
    pub email: String,
    /// The password; whoever has none must have signed in a moment ago.
    pub current_password: Option<Password>,
}

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// Fields are wrong.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// The current password is wrong.
    #[error("{0}")]
    WrongPassword(&'static str),
    /// There is no password, and the sign-in is too long ago: once more, by one of these.
    #[error("a fresh sign-in is needed")]
    FreshLoginRequired(Vec<&'static str>),
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// Somebody has the user name.
    #[error("the user name is taken")]
    UsernameTaken,
    /// There is no such user any more.
    #[error("no such user")]
    NoUser,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn timezone(text: &str) -> Result<String, FieldError> {
    word("timezone", text, 64, |c| c.is_ascii_alphanumeric() || "_+-/".contains(c))
}

/// A language (BCP 47), as profiles have it.
pub(crate) fn locale(text: &str) -> Result<String, FieldError> {
    word("locale", text, 35, |c| c.is_ascii_alphanumeric() || c == '-')
}

/// Applies one field; a value must pass `check`.
fn apply<T>(
    slot: &mut Option<T>,
    change: Change,
    errors: &mut Vec<FieldError>,
    check: impl Fn(&str) -> Result<T, FieldError>,
) {
    match change {
        Change::Keep => {}
        Change::Clear => *slot = None,
        Change::Set(text) => match check(&text) {
            Ok(value) => *slot = Some(value),
            Err(error) => errors.push(error),
        },
    }
}

impl From<FreshError> for ProfileError {
    fn from(error: FreshError) -> Self {
        match error {
            FreshError::Required(methods) => Self::FreshLoginRequired(methods),
            FreshError::NoUser => Self::NoUser,
            FreshError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl ProfileChange {
    fn is_empty(&self) -> bool {
        let Self { name, username, phone, job_title, timezone, locale } = self;
        [name, username, phone, job_title, timezone, locale].into_iter().all(|change| *change == Change::Keep)
    }

    fn apply_to(self, user: &mut User) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        apply(&mut user.username, self.username, &mut errors, |text| Username::parse("username", text));
        let profile = &mut user.profile;
        apply(&mut profile.name, self.name, &mut errors, |text| line("name", text, 100));
        apply(&mut profile.phone, self.phone, &mut errors, |text| line("phone", text, 32));
        apply(&mut profile.job_title, self.job_title, &mut errors, |text| line("job_title", text, 100));
        apply(&mut profile.timezone, self.timezone, &mut errors, timezone);
        apply(&mut profile.locale, self.locale, &mut errors, locale);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// How long ago somebody without a password may have signed in to change what proves them.
pub const FRESH: Duration = Duration::from_mins(10);

impl From<LimitError> for ProfileError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// How often a change is tried on a row that others change too.
const ROUNDS: usize = 5;

impl Cx {
    /// A user's own data, as stored now.
    pub async fn me(&self, id: UserId) -> Result<Option<User>, Fault> {
        Ok(self.store.user(id).await?)
    }

    /// Changes only what was sent.
    pub async fn update_me(&self, caller: &Caller, change: ProfileChange) -> Result<User, ProfileError> {
        self.update_profile(caller, change, None).await
    }

    /// The same, and asks for another address: a mail goes there, and nothing has changed yet. The answer tells nobody
    /// whether the address is taken.
    pub async fn update_me_and_address(
        &self,
        caller: &Caller,
        change: ProfileChange,
        new: NewAddress,
        client: &Client,
    ) -> Result<User, ProfileError> {
        let rate = self.settings.rates.map(|rates| rates.send_verification);
        self.limit("send_verification", rate, client).await?;
        let email = Email::parse("email", &new.email).map_err(|error| ProfileError::Invalid(vec![error]))?;
        let session = caller.session().ok_or(ProfileError::NoUser)?;
        let found = self.store.credentials(caller.user).await.map_err(Fault::from)?;
        let found = found.ok_or(ProfileError::NoUser)?;
        self.prove_again(caller, &found, new.current_password).await?;
        if email.as_str() == found.user.email.as_str() {
            return self.update_me(caller, change).await;
        }
        // Whatever proves the user anew from here on wins over the proof that was just given.
        let asker = Asker::User(caller.user, session, found.user.credential_epoch);
        let request = self.mail_request(LinkPurpose::ChangeEmail, email, asker);
        self.update_profile(caller, change, Some(request)).await
    }

    /// That it is the user who asks: by their password; of whoever has none, by a sign-in a moment ago.
    pub(crate) async fn prove_again(
        &self,
        caller: &Caller,
        found: &Credentials,
        current: Option<Password>,
    ) -> Result<(), ProfileError> {
        if found.password_hash.is_none() {
            return Ok(self.is_fresh_enough(caller, found)?);
        }
        let current = current.ok_or_else(|| {
            let message = "Give the current password, too.";
            ProfileError::Invalid(vec![FieldError::new("current_password", "required", message)])
        })?;
        let proved = self.prove_password(caller, found, current).await?;
        proved.map_err(ProfileError::WrongPassword)
    }

    async fn update_profile(
        &self,
        caller: &Caller,
        change: ProfileChange,
        request: Option<MailRequest>,
    ) -> Result<User, ProfileError> {
        for _ in 0..ROUNDS {
            let mut user = self.me(caller.user).await?.ok_or(ProfileError::NoUser)?;
            let asked_under = match request.as_ref().map(|request| request.asker) {
                Some(Asker::User(_, _, epoch)) => epoch,
                _ => user.credential_epoch,
            };
            if asked_under != user.credential_epoch {
                return Err(ProfileError::NoUser);
            }
            if change.is_empty() && request.is_none() {
                return Ok(user);
            }
            change.clone().apply_to(&mut user).map_err(ProfileError::Invalid)?;
            match self.write_profile(&user, caller.actor(), request.as_ref()).await? {
                ProfileUpdate::Done => {
                    user.version += 1;
                    return Ok(user);
                }
                ProfileUpdate::UsernameTaken => return Err(ProfileError::UsernameTaken),
                ProfileUpdate::Moved => {}
            }
        }
        Err(Fault::StoreUnavailable("the user's row keeps changing".into()).into())
    }

    async fn write_profile(
        &self,
        user: &User,
        actor: UserId,
        request: Option<&MailRequest>,
    ) -> Result<ProfileUpdate, Fault> {
        let mut event = self.event(EventKind::UserUpdated);
        event.actor = Some(actor);
        event.user = Some(user.id);
        let (user, now, request) = (user.clone(), self.clock.now(), request.cloned());
        let done = self.store.write(move |tx| {
            let (user, event, request) = (user.clone(), event.clone(), request.clone());
            Box::pin(async move {
                let done = users::update_profile(tx, &user, now).await?;
                if done == ProfileUpdate::Done {
                    audit::append(tx, &event).await?;
                    if let Some(request) = &request {
                        mail_requests::put(tx, request, now).await?;
                    }
                }
                Ok(done)
            })
        });
        Ok(done.await?)
    }
}
