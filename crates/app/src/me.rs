//! The user's own data.

use portcullis_core::audit::EventKind;
use portcullis_core::ids::UserId;
use portcullis_core::user::{User, Username};
use portcullis_core::validation::{FieldError, line, word};
use portcullis_store::audit;
use portcullis_store::users::{self, ProfileUpdate};
use thiserror::Error;

use crate::bearer::Caller;
use crate::cx::Cx;
use crate::fault::Fault;

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

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// Fields are wrong.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
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

fn locale(text: &str) -> Result<String, FieldError> {
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

/// How often a change is tried on a row that others change too.
const ROUNDS: usize = 5;

impl Cx {
    /// A user's own data, as stored now.
    pub async fn me(&self, id: UserId) -> Result<Option<User>, Fault> {
        Ok(self.store.user(id).await?)
    }

    /// Changes only what was sent.
    pub async fn update_me(&self, caller: &Caller, change: ProfileChange) -> Result<User, ProfileError> {
        for _ in 0..ROUNDS {
            let mut user = self.me(caller.user).await?.ok_or(ProfileError::NoUser)?;
            if change.is_empty() {
                return Ok(user);
            }
            change.clone().apply_to(&mut user).map_err(ProfileError::Invalid)?;
            match self.write_profile(&user, caller.actor()).await? {
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

    async fn write_profile(&self, user: &User, actor: UserId) -> Result<ProfileUpdate, Fault> {
        let mut event = self.event(EventKind::UserUpdated);
        event.actor = Some(actor);
        event.user = Some(user.id);
        let (user, now) = (user.clone(), self.clock.now());
        let done = self.store.write(move |tx| {
            let (user, event) = (user.clone(), event.clone());
            Box::pin(async move {
                let done = users::update_profile(tx, &user, now).await?;
                if done == ProfileUpdate::Done {
                    audit::append(tx, &event).await?;
                }
                Ok(done)
            })
        });
        Ok(done.await?)
    }
}
