//! API tokens: long-lived, opaque, shown once.
//!
//! 1. Who asks: a session of the user, or their password (the one door decides, as for every sign-in).
//! 2. What may be asked for: a name, at most so many days, scopes.
//! 3. The insert counts the live ones and checks the credential epoch, with the user's row held.

mod change;

use std::time::Duration;

pub use change::TokenChange;
use portcullis_core::audit::{Event, EventKind};
use portcullis_core::factor::Method;
use portcullis_core::ids::{ApiTokenId, SessionId, UserId};
use portcullis_core::mail::Mail;
use portcullis_core::password::Password;
use portcullis_core::scope::Scopes;
use portcullis_core::secret_token::{Kind, SecretToken};
use portcullis_core::sign_in::{Shown, SignIn};
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Login, User};
use portcullis_core::validation::{FieldError, line, lines};
use portcullis_store::api_tokens::{self, Made, NewApiToken};
pub use portcullis_store::api_tokens::{ApiTokenView, Page};
use portcullis_store::limits::{self, CounterKey};
use portcullis_store::{StoreError, audit, outbox, revocations};
use thiserror::Error;

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::hashing::Lane;
use crate::limits::{LimitError, Limited};
use crate::login::{Check, Outcome};
use crate::show_factor::{ShowError, Showing, Use};

const LONGEST_NAME: usize = 100;
const LONGEST_DESCRIPTION: usize = 500;
const DAY: Duration = Duration::from_hours(24);

/// What is asked for.
#[derive(Debug)]
pub struct TokenRequest {
    /// What its owner will call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Lifetime in days; `None`: the default.
    pub expires_in_days: Option<i64>,
    /// What it may do; `None`: whatever the user may.
    pub scopes: Option<Vec<String>>,
}

/// Who asks by password.
pub struct ByPassword {
    /// E-mail address or user name.
    pub login: Login,
    /// The password.
    pub password: Password,
    /// The second factor, of whoever has one.
    pub factor: Option<Showing>,
}

/// A token that has just been made.
pub struct NewToken {
    /// The only time it is seen.
    pub secret: SecretToken,
    /// What there is to know of it.
    pub view: ApiTokenView,
}

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Fields are wrong.
    #[error("wrong fields")]
    Invalid(Vec<FieldError>),
    /// The user has as many as they may.
    #[error("too many tokens")]
    TooMany,
    /// What proves the user has changed meanwhile, or they are disabled.
    #[error("the user has changed meanwhile")]
    Moved,
    /// No such token of the caller's.
    #[error("no such token")]
    NotFound,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why there is no token by password.
#[derive(Debug, Error)]
pub enum ByPasswordError {
    /// As for a sign-in.
    #[error("{0}")]
    InvalidCredentials(&'static str),
    /// The address must be proved first.
    #[error("the address is not verified")]
    EmailNotVerified,
    /// A second factor is owed: to be shown in the same request by one of these; by none: the token cannot be had by
    /// password.
    #[error("a second factor is owed")]
    FactorOwed(Vec<Method>),
    /// The second factor is wrong.
    #[error("{0}")]
    WrongCode(&'static str),
    /// The password must be changed first.
    #[error("the password must be changed first")]
    MustChangePassword,
    /// A second factor must be set up first.
    #[error("a second factor must be set up first")]
    MustSetUpFactor,
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// The token itself.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl From<Fault> for ByPasswordError {
    fn from(fault: Fault) -> Self {
        Self::Token(fault.into())
    }
}

impl From<ShowError> for ByPasswordError {
    fn from(error: ShowError) -> Self {
        match error {
            ShowError::Wrong(why) => Self::WrongCode(why),
            ShowError::Invalid(error) => Self::Token(TokenError::Invalid(vec![error])),
            ShowError::Fault(fault) => fault.into(),
        }
    }
}

impl From<LimitError> for ByPasswordError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => fault.into(),
        }
    }
}

/// A request whose fields are right.
pub(crate) struct Checked {
    session: Option<SessionId>,
    /// A second factor that is taken with the token, and the bucket that is forgiven then.
    used: Option<(Use, Option<CounterKey>)>,
    name: String,
    description: Option<String>,
    scopes: Option<Scopes>,
    days: u32,
}

fn name(text: &str) -> Result<String, FieldError> {
    line("name", text, LONGEST_NAME)
}

/// `None`: there is nothing in it.
fn description(text: &str) -> Result<Option<String>, FieldError> {
    let blank = text.trim().is_empty();
    (!blank).then(|| lines("description", text, LONGEST_DESCRIPTION)).transpose()
}

/// All that is wrong.
fn invalid<const N: usize>(errors: [Option<FieldError>; N]) -> TokenError {
    TokenError::Invalid(errors.into_iter().flatten().collect())
}

impl Cx {
    /// Makes a token for a user, whose session it is that asks; `None`: an operator asks.
    pub async fn create_token(
        &self,
        user: UserId,
        session: Option<SessionId>,
        request: TokenRequest,
        client: &Client,
    ) -> Result<NewToken, TokenError> {
        let checked = Checked { session, ..self.check_request(request)? };
        let user = self.store.user(user).await.map_err(Fault::from)?.ok_or(TokenError::Moved)?;
        self.make_token(&user, checked, client).await
    }

    /// Makes a token for who knows a user's password.
    pub async fn create_token_by_password(
        &self,
        who: ByPassword,
        request: TokenRequest,
        client: &Client,
    ) -> Result<NewToken, ByPasswordError> {
        self.limit("token_create", self.settings.rates.map(|rates| rates.token_create), client).await?;
        let mut checked = self.check_request(request)?;
        let found = self.store.find_login(&who.login).await.map_err(Fault::from)?;
        let bucket = self.login_bucket(found.as_ref(), None, &who.login);
        let check = Check { found: found.as_ref(), bucket, lane: Lane::Stranger };
        let attempt = match self.check_password(check, who.password).await? {
            Outcome::Right { attempt, .. } => attempt,
            Outcome::Wrong(why) => {
                self.note_login_failed(found.map(|found| found.user.id), why, client).await?;
                return Err(ByPasswordError::InvalidCredentials(why));
            }
        };
        if let Some(bucket) = attempt.to_forgive() {
            self.store.forgive_attempts(bucket).await.map_err(Fault::from)?;
        }
        let Some(found) = found else { return Err(ByPasswordError::InvalidCredentials("unknown")) };
        let shown = match (&who.factor, found.user.factors.is_empty()) {
            (Some(showing), false) => Some(self.show_factor(&found.user, showing, client).await?),
            _ => None,
        };
        checked.used = shown.as_ref().map(|shown| (shown.used, shown.to_forgive()));
        match self.admit(&found.user, if shown.is_some() { Shown::Enough } else { Shown::Nothing }) {
            SignIn::Allowed { must_change_password: false }
                if found.user.factors.is_empty() && self.needs_factor(&found.user.role) =>
            {
                return Err(ByPasswordError::MustSetUpFactor);
            }
            SignIn::Allowed { must_change_password: false } => {}
            SignIn::Allowed { must_change_password: true } => {
                return Err(ByPasswordError::MustChangePassword);
            }
            SignIn::Disabled => return Err(ByPasswordError::InvalidCredentials("disabled")),
            SignIn::Unverified => return Err(ByPasswordError::EmailNotVerified),
            SignIn::FactorOwed(_) => {
                return Err(ByPasswordError::FactorOwed(self.methods_by_code(&found.user).await?));
            }
        }
        match (self.make_token(&found.user, checked, client).await, shown) {
            // It may be the code that somebody else has used, or the user who has changed: both are for another try.
            (Err(TokenError::Moved), Some(shown)) => Err(self.lost_factor(shown).await?.into()),
            // As if the password had been wrong: it may not be right any more.
            (Err(TokenError::Moved), None) => Err(ByPasswordError::InvalidCredentials("changed in between")),
            (made, _) => Ok(made?),
        }
    }

    /// How `user` may show a factor in the request that has their password: a passkey is asked for first, and no code.
    async fn methods_by_code(&self, user: &User) -> Result<Vec<Method>, Fault> {
        let has_codes = self.store.count_recovery_codes(user.id).await? > 0;
        let methods = Method::of(user.factors).into_iter().filter(|method| match method {
            Method::Totp => true,
            Method::RecoveryCode => has_codes,
            Method::Passkey => false,
        });
        Ok(methods.collect())
    }

    pub(crate) fn check_request(&self, request: TokenRequest) -> Result<Checked, TokenError> {
        let rules = self.settings.api_tokens;
        let name = name(&request.name);
        let description = request.description.as_deref().map_or(Ok(None), description);
        let scopes = request.scopes.map(|scopes| Scopes::parse_list("scopes", &scopes)).transpose();
        let days = match request.expires_in_days {
            None => Ok(rules.default_days),
            Some(days) => {
                u32::try_from(days).ok().filter(|days| (1..=rules.max_days).contains(days)).ok_or_else(|| {
                    let message = format!(
                        "Use 1 to {} days, or leave it out for {}.",
                        rules.max_days, rules.default_days
                    );
                    FieldError::new("expires_in_days", "out_of_range", message)
                })
            }
        };
        match (name, description, scopes, days) {
            (Ok(name), Ok(description), Ok(scopes), Ok(days)) => {
                Ok(Checked { session: None, used: None, name, description, scopes, days })
            }
            (name, description, scopes, days) => {
                Err(invalid([name.err(), description.err(), scopes.err(), days.err()]))
            }
        }
    }

    async fn make_token(
        &self,
        user: &User,
        checked: Checked,
        client: &Client,
    ) -> Result<NewToken, TokenError> {
        let event_of = |id| self.token_event(EventKind::ApiTokenCreated, id, user.id, client);
        self.insert_token(user, checked, event_of).await
    }

    /// Makes a token, with what the audit log is to say of it.
    pub(crate) async fn insert_token(
        &self,
        user: &User,
        checked: Checked,
        event_of: impl FnOnce(ApiTokenId) -> Event,
    ) -> Result<NewToken, TokenError> {
        let secret = SecretToken::new(Kind::ApiToken, &*self.random);
        // Whole seconds, so that `exp` of what is exchanged for it says the very same moment.
        let now = Timestamp::from_seconds(self.clock.now().seconds());
        let new = NewApiToken {
            id: ApiTokenId::new(self.clock.now(), &*self.random),
            user: user.id,
            epoch: user.credential_epoch,
            session: checked.session,
            digest: secret.digest(),
            key_prefix: secret.shown().to_owned(),
            name: checked.name,
            description: checked.description,
            scopes: checked.scopes,
            now,
            expires_at: now + DAY * checked.days,
            most: i64::from(self.runtime().max_api_tokens_per_user),
        };
        let event = event_of(new.id);
        let (view, factor) = (view(&new), checked.used);
        let made = self
            .store
            .write(move |tx| {
                let (new, event) = (new.clone(), event.clone());
                Box::pin(async move {
                    let made = api_tokens::insert(tx, &new).await?;
                    if made == Made::Done {
                        if let Some((shown, forgive)) = factor {
                            // Somebody was faster with the code: there is no token, either.
                            if !shown.take(tx, new.now).await? {
                                return Err(StoreError::Refused);
                            }
                            if let Some(bucket) = forgive {
                                limits::forgive(tx, bucket).await?;
                            }
                        }
                        audit::append(tx, &event).await?;
                    }
                    Ok(made)
                })
            })
            .await;
        let made = match made {
            Err(StoreError::Refused) => Made::Moved,
            made => made.map_err(Fault::from)?,
        };
        match made {
            Made::Done => Ok(NewToken { secret, view }),
            Made::TooMany => Err(TokenError::TooMany),
            Made::Moved => Err(TokenError::Moved),
        }
    }

    /// The live tokens of a user, newest first.
    pub async fn list_tokens(&self, user: UserId, page: Page) -> Result<Vec<ApiTokenView>, Fault> {
        Ok(self.store.api_tokens(user, self.clock.now(), page).await?)
    }

    /// One live token of a user.
    pub async fn token(&self, id: ApiTokenId, user: UserId) -> Result<Option<ApiTokenView>, Fault> {
        Ok(self.store.api_token(id, user, self.clock.now()).await?)
    }

    /// Revokes one of a user's tokens, and what was exchanged for it; `false`: there is none.
    pub async fn revoke_token(&self, id: ApiTokenId, user: UserId, client: &Client) -> Result<bool, Fault> {
        let event = self.token_event(EventKind::ApiTokenRevoked, id, user, client);
        self.revoke_token_as(id, Some(user), event, None).await.map(|user| user.is_some())
    }

    /// Revokes a token whoever it belongs to, or only if it belongs to `owner`, and lets `told` be sent if it was not
    /// revoked before. Whose it was comes back.
    pub(crate) async fn revoke_token_as(
        &self,
        id: ApiTokenId,
        owner: Option<UserId>,
        event: Event,
        told: Option<Mail>,
    ) -> Result<Option<UserId>, Fault> {
        let is_told = told.is_some();
        let span = self.span();
        let revoked = self
            .store
            .write(move |tx| {
                let (mut event, told) = (event.clone(), told.clone());
                Box::pin(async move {
                    let user = match owner {
                        Some(user) => api_tokens::revoke(tx, id, user, span.now).await?.then_some(user),
                        None => api_tokens::revoke_any(tx, id, span.now).await?,
                    };
                    if user.is_some() {
                        event.user = user;
                        audit::append(tx, &event).await?;
                        if let Some(mail) = &told {
                            outbox::enqueue(tx, mail).await?;
                        }
                        revocations::append(tx, id.uuid(), span).await?;
                    }
                    Ok(user)
                })
            })
            .await?;
        if revoked.is_some() {
            self.revoke_here(&[id.uuid()], span);
            if is_told {
                self.mail_nudge();
            }
        }
        Ok(revoked)
    }

    pub(crate) fn token_event(
        &self,
        kind: EventKind,
        id: ApiTokenId,
        user: UserId,
        client: &Client,
    ) -> Event {
        let mut event = self.event(kind);
        (event.user, event.actor, event.address) = (Some(user), Some(user), Some(client.address));
        event.detail.insert("api_token".into(), id.to_string().into());
        event
    }
}

fn view(new: &NewApiToken) -> ApiTokenView {
    ApiTokenView {
        id: new.id,
        user: new.user,
        key_prefix: new.key_prefix.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        scopes: new.scopes.clone(),
        generation: 1,
        created_at: new.now,
        expires_at: new.expires_at,
        last_used_at: None,
    }
}
