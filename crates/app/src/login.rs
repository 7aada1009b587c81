//! Signing in with a password.
//!
//! 1. Rate limit of the address.
//! 2. Find the user. Is the device one that has signed in to *this* user before?
//! 3. An attempt in the bucket of that device, or of all strangers. Closed: answered like a wrong password,
//!    after a timer.
//! 4. Evaluate: the same work for unknown, password-less and known users.
//! 5. Right: forgive the attempts, come through the one door, hash anew if the parameters have changed.

use portcullis_core::audit::EventKind;
use portcullis_core::device_token;
use portcullis_core::ids::{DeviceId, UserId};
use portcullis_core::password::Password;
use portcullis_core::random;
use portcullis_core::user::Login;
use portcullis_store::audit;
use portcullis_store::limits::CounterKey;
use portcullis_store::users::{self, Credentials};
use thiserror::Error;

use crate::attempts::Attempt;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::hashing::{Lane, Verified};
use crate::limits::{LimitError, Limited};
use crate::owed::Owed;
use crate::sign_in::{Handover, Proof, SignInError, Wish};
use crate::tokens::{Tokens, UnknownAudience};

/// What somebody signs in with.
pub struct LoginRequest {
    /// E-mail address or user name.
    pub login: Login,
    /// The password.
    pub password: Password,
    /// How the tokens travel, and whose place they take.
    pub handover: Handover,
    /// Makes the device known.
    pub device_token: Option<String>,
    /// Only for this audience.
    pub audience: Option<String>,
}

/// Why somebody is not signed in.
#[derive(Debug, Error)]
pub enum LoginError {
    /// Unknown, wrong, disabled, slowed down, password-less: told apart in the log only.
    #[error("{0}")]
    InvalidCredentials(&'static str),
    /// The same, of a user without a password; the operator wants it told by which providers they sign in.
    #[error("there is no password")]
    NoPassword(Vec<String>),
    /// The address must be proved first.
    #[error("the address is not verified")]
    EmailNotVerified,
    /// A second factor first.
    #[error("a second factor is owed")]
    FactorOwed(Owed),
    /// Not an audience of ours.
    #[error("unknown audience")]
    UnknownAudience,
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LimitError> for LoginError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<SignInError> for LoginError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::InvalidCredentials("disabled, or changed in between"),
            SignInError::Unverified => Self::EmailNotVerified,
            SignInError::FactorOwed(owed) => Self::FactorOwed(owed),
            SignInError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<UnknownAudience> for LoginError {
    fn from(_: UnknownAudience) -> Self {
        Self::UnknownAudience
    }
}

/// Steps of a right or wrong password that every way to ask for one shares.
pub(crate) struct Check<'a> {
    pub(crate) found: Option<&'a Credentials>,
    pub(crate) bucket: CounterKey,
    pub(crate) lane: Lane,
}

/// What an evaluated password was.
pub(crate) enum Outcome<'a> {
    /// The attempt is the caller's to forgive, with what it allows.
    Right {
        needs_rehash: bool,
        attempt: Attempt<'a>,
    },
    Wrong(&'static str),
}

/// Why a password was not looked at.
const SLOWED_DOWN: &str = "slowed down";

impl Cx {
    /// Signs in with a password.
    pub async fn login(&self, request: LoginRequest, client: &Client) -> Result<Tokens, LoginError> {
        let audiences = self.audiences(request.audience.as_deref())?;
        // 1.
        self.limit("login", self.settings.rates.map(|rates| rates.login), client).await?;
        // 2.
        let found = self.store.find_login(&request.login).await.map_err(Fault::from)?;
        let device = self.known_device(found.as_ref(), request.device_token.as_deref());
        // 3. and 4.
        let check = Check {
            found: found.as_ref(),
            bucket: self.login_bucket(found.as_ref(), device, &request.login),
            lane: if device.is_some() { Lane::Known } else { Lane::Stranger },
        };
        let (needs_rehash, attempt) = match self.check_password(check, request.password.clone()).await? {
            Outcome::Right { needs_rehash, attempt } => (needs_rehash, attempt),
            Outcome::Wrong(why) => {
                self.note_login_failed(found.as_ref().map(|found| found.user.id), why, client).await?;
                if why != SLOWED_DOWN && self.is_password_of_pending(&request.login, request.password).await?
                {
                    return Err(LoginError::EmailNotVerified);
                }
                return Err(self.why_no_password(found.as_ref(), why).await?);
            }
        };
        // 5.
        let Some(found) = found else { return Err(LoginError::InvalidCredentials("unknown")) };
        let user = found.user;
        let (id, epoch) = (user.id, user.credential_epoch);
        let proof = Proof { device, forgive: attempt.to_forgive(), ..Proof::own(user, &["pwd"]) };
        let signed_in = self.sign_in(proof, Wish { handover: request.handover, audiences }, client).await;
        // Whoever waits for their turn finds the bucket open again.
        drop(attempt);
        // The password was right, be a factor owed or not.
        if needs_rehash && matches!(signed_in, Ok(_) | Err(SignInError::FactorOwed(_))) {
            self.rehash(id, epoch, request.password).await;
        }
        Ok(signed_in?)
    }

    /// What is said of a wrong password. Looked at behind the work that is the same for everybody.
    async fn why_no_password(
        &self,
        found: Option<&Credentials>,
        why: &'static str,
    ) -> Result<LoginError, Fault> {
        let known = found.filter(|found| found.password_hash.is_none() && found.user.disabled_at.is_none());
        let Some(known) = known.filter(|_| self.runtime().login_reveal_providers) else {
            return Ok(LoginError::InvalidCredentials(why));
        };
        let mut providers = self.store.providers_of(known.user.id).await?;
        providers.retain(|provider| self.providers.get(provider).is_some());
        Ok(if providers.is_empty() {
            LoginError::InvalidCredentials(why)
        } else {
            LoginError::NoPassword(providers)
        })
    }

    /// Stores a hash under today's parameters. That it cannot be done now is no reason to refuse somebody whose
    /// password was right: the next sign-in tries again.
    async fn rehash(&self, user: UserId, epoch: i64, password: Password) {
        let salt = random::bytes(&*self.random);
        let Ok(hash) = self.hasher.hash(Lane::Known, password, salt).await else { return };
        let done = self.store.write_one(move |tx| {
            let hash = hash.clone();
            Box::pin(async move { users::rehash(tx, user, epoch, &hash).await })
        });
        if let Err(error) = done.await {
            tracing::warn!(user.id = %user, %error, "a password is hashed anew at the next sign-in");
        }
    }

    fn known_device(&self, found: Option<&Credentials>, token: Option<&str>) -> Option<DeviceId> {
        let user = &found?.user;
        device_token::recognise(token?, user.id, user.credential_epoch, &self.ring)
    }

    /// The bucket of attempts: one a known device, one for all strangers to a user, one for each name that
    /// nobody has.
    pub(crate) fn login_bucket(
        &self,
        found: Option<&Credentials>,
        device: Option<DeviceId>,
        login: &Login,
    ) -> CounterKey {
        match (found, device) {
            (Some(found), Some(device)) => self
                .counter("attempts of device", &[found.user.id.uuid().as_bytes(), device.uuid().as_bytes()]),
            (Some(found), None) => self.counter("attempts of strangers", &[found.user.id.uuid().as_bytes()]),
            (None, _) => self.counter("attempts on nobody", &[login.key().as_bytes()]),
        }
    }

    /// Looks at a password. Whatever is wrong is counted before it is said.
    pub(crate) async fn check_password(
        &self,
        check: Check<'_>,
        password: Password,
    ) -> Result<Outcome<'_>, Fault> {
        let Some(attempt) = self.attempt(check.bucket).await? else {
            return Ok(Outcome::Wrong(SLOWED_DOWN));
        };
        let hash = check.found.and_then(|found| found.password_hash.as_deref());
        let verified = match self.hasher.verify(check.lane, password, hash).await {
            Ok(verified) => verified,
            Err(error) => {
                self.return_attempt(attempt).await?;
                return Err(error.into());
            }
        };
        let disabled = check.found.is_some_and(|found| found.user.disabled_at.is_some());
        let why = match verified {
            Verified::Match { needs_rehash } if !disabled => {
                return Ok(Outcome::Right { needs_rehash, attempt });
            }
            Verified::Match { .. } => "disabled",
            Verified::Mismatch if hash.is_some() => "wrong password",
            Verified::Mismatch => "no such password",
        };
        self.count(attempt).await?;
        Ok(Outcome::Wrong(why))
    }

    /// Notes that nobody was signed in, whatever way they came: as whom, if that is known, and why.
    pub(crate) async fn note_login_failed(
        &self,
        user: Option<UserId>,
        why: &'static str,
        client: &Client,
    ) -> Result<(), Fault> {
        metrics::counter!("portcullis_logins_refused_total", "reason" => why).increment(1);
        let mut event = self.event(EventKind::LoginFailed);
        (event.user, event.address) = (user, Some(client.address));
        event.detail.insert("reason".into(), why.into());
        let written = self.store.write_one(move |tx| {
            let event = event.clone();
            Box::pin(async move { audit::append(tx, &event).await })
        });
        Ok(written.await?)
    }
}
