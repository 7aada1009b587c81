//! The second factors of a user: what there is, setting up an app for codes, removing one, recovery codes, and the
//! devices on which none is asked for.
//!
//! A factor that is added or removed moves the credential epoch: devices are trusted no more, access tokens so far end,
//! and the sessions live on. Adding one shows it, too, so the session in which that is done goes on with a new secret.

use std::time::Duration;

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::factor::{Factor, Method};
use portcullis_core::ids::{DeviceId, FactorId, PasskeyId, UserId};
use portcullis_core::mail::{Mail, Template};
use portcullis_core::recovery_code::{RecoveryCode, RecoveryDigest};
use portcullis_core::refresh_token::SessionSecret;
use portcullis_core::session::Grant;
use portcullis_core::time::Timestamp;
use portcullis_core::totp::TotpSecret;
use portcullis_core::user::{Role, User};
use portcullis_core::validation::FieldError;
use portcullis_store::factors::{self, Change, StepUp};
use portcullis_store::totp::{Code, Totp};
use portcullis_store::trusted_devices::TrustedDevice;
use portcullis_store::{StoreError, audit, limits, outbox, recovery_codes, totp, trusted_devices};
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::fresh::{FreshError, require_factor_shown};
use crate::limits::{LimitError, Limited};
use crate::passkeys::PasskeyError;
use crate::show_factor::{ShowError, Use, totp_context};
use crate::tokens::Tokens;

/// For how long an app may be being set up.
pub const SET_UP_LIFETIME: Duration = Duration::from_mins(10);

/// A factor as its user sees it.
#[derive(Clone, Debug)]
pub struct FactorView {
    /// Id.
    pub id: FactorId,
    /// What it is.
    pub kind: Factor,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last shown.
    pub last_used_at: Option<Timestamp>,
}

/// All that a user has to show who they are, beside what they sign in with.
pub struct OwnFactors {
    /// The factors.
    pub factors: Vec<FactorView>,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
    /// Where no factor is asked for.
    pub devices: Vec<TrustedDevice>,
    /// The user's role needs one.
    pub required: bool,
}

/// An app that is being set up.
pub struct NewTotp {
    /// Its id.
    pub id: FactorId,
    /// For the app, typed or by the QR code of `uri`. The only time it is seen.
    pub secret: TotpSecret,
    /// What the QR code says.
    pub uri: String,
    /// Until when its first code must be shown.
    pub expires_at: Timestamp,
}

/// A factor that was added.
pub struct Added {
    /// Its id.
    pub id: FactorId,
    /// The only time they are seen; empty: the user has some left.
    pub recovery_codes: Vec<RecoveryCode>,
    /// The session's next tokens.
    pub tokens: Tokens,
}

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum FactorError {
    /// A fresh sign-in first.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// The code is wrong.
    #[error("{0}")]
    WrongCode(&'static str),
    /// The request cannot be read.
    #[error("invalid fields")]
    Invalid(FieldError),
    /// There is no such factor or device, or nothing is being set up.
    #[error("no such factor")]
    NotFound,
    /// The user has none, and so needs no recovery codes.
    #[error("the user has no factor")]
    NoFactor,
    /// It is the last one, and the user's role needs one.
    #[error("the role needs a factor")]
    Required,
    /// It is the last way to sign in.
    #[error("the last way in")]
    LastWayIn,
    /// The session has ended, or what proves the user has changed, in between.
    #[error("the user has changed meanwhile")]
    Moved,
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for FactorError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<PasskeyError> for FactorError {
    /// Of one that is removed.
    fn from(error: PasskeyError) -> Self {
        match error {
            PasskeyError::Fresh(error) => Self::Fresh(error),
            PasskeyError::FactorRequired => Self::Required,
            PasskeyError::LastWayIn => Self::LastWayIn,
            PasskeyError::SessionEnded => Self::Moved,
            PasskeyError::Fault(fault) => Self::Fault(fault),
            PasskeyError::NotFound
            | PasskeyError::Unavailable
            | PasskeyError::Invalid(_)
            | PasskeyError::Refused(_)
            | PasskeyError::TooMany
            | PasskeyError::Taken => Self::NotFound,
        }
    }
}

impl From<LimitError> for FactorError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<ShowError> for FactorError {
    fn from(error: ShowError) -> Self {
        match error {
            ShowError::Wrong(why) => Self::WrongCode(why),
            ShowError::Invalid(error) => Self::Invalid(error),
            ShowError::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// What is written with a new app.
#[derive(Clone)]
struct Confirmation {
    change: Change,
    code: Code,
    codes: Vec<RecoveryDigest>,
    step: StepUp,
    forgive: Option<limits::CounterKey>,
}

impl Cx {
    /// What the user has.
    pub async fn own_factors(&self, user: UserId) -> Result<OwnFactors, FactorError> {
        let user = self.store.user(user).await?.ok_or(FactorError::Moved)?;
        Ok(self.factors_of(&user).await?)
    }

    /// What `user` has.
    pub(crate) async fn factors_of(&self, user: &User) -> Result<OwnFactors, Fault> {
        let apps = self.store.totp(user.id).await?.into_iter();
        let factors = apps.filter_map(|app| {
            let created_at = app.confirmed_at?;
            let last_used_at = app.last_used_at;
            Some(FactorView { id: app.id, kind: Factor::Totp, created_at, last_used_at })
        });
        let factors = factors.chain(self.passkey_factors(user.id).await?);
        Ok(OwnFactors {
            factors: factors.collect(),
            recovery_codes: self.store.count_recovery_codes(user.id).await?,
            devices: self.store.trusted_devices(user.id, self.clock.now()).await?,
            required: self.needs_factor(&user.role),
        })
    }

    /// Begins to set up an app for codes. It counts for nothing until [`Self::confirm_totp`].
    pub async fn begin_totp(&self, caller: &Caller) -> Result<NewTotp, FactorError> {
        let user = self.require_fresh(caller).await?.user;
        let now = self.clock.now();
        let secret = TotpSecret::new(&*self.random);
        let mut new = Totp {
            id: FactorId::new(now, &*self.random),
            user: user.id,
            sealed: self.ring.seal("", &[], &*self.random),
            created_at: now,
            confirmed_at: None,
            last_step: 0,
            last_used_at: None,
        };
        new.sealed = self.ring.seal(&totp_context(&new), secret.as_bytes(), &*self.random);
        let begun = self.shown_totp(&user, &new, secret);
        let done = self.store.write_one(move |tx| {
            let new = new.clone();
            Box::pin(async move { totp::put(tx, &new).await })
        });
        done.await?;
        Ok(begun)
    }

    /// The app that the caller is setting up, once more.
    pub async fn begun_totp(&self, caller: &Caller) -> Result<NewTotp, FactorError> {
        let user = self.require_fresh(caller).await?.user;
        let begun = self.being_set_up(user.id).await?;
        let secret = self.open_totp(&begun)?;
        Ok(self.shown_totp(&user, &begun, secret))
    }

    async fn being_set_up(&self, user: UserId) -> Result<Totp, FactorError> {
        let begun = self.store.totp(user).await?.into_iter().find(|app| app.confirmed_at.is_none());
        let in_time = begun.filter(|app| self.clock.now() < app.created_at + SET_UP_LIFETIME);
        in_time.ok_or(FactorError::NotFound)
    }

    fn shown_totp(&self, user: &User, app: &Totp, secret: TotpSecret) -> NewTotp {
        let issuer = self.settings.issuer.split("://").last().unwrap_or_default().trim_end_matches('/');
        let uri = secret.uri(issuer, user.email.as_str());
        NewTotp { id: app.id, secret, uri, expires_at: app.created_at + SET_UP_LIFETIME }
    }

    /// Puts the app that is being set up to use, in the place of another.
    pub async fn confirm_totp(
        &self,
        caller: &Caller,
        code: &str,
        client: &Client,
    ) -> Result<Added, FactorError> {
        self.signer()?;
        self.limit("login", self.settings.rates.map(|rates| rates.login), client).await?;
        let session = caller.session().ok_or(FactorError::Moved)?;
        let user = self.store.user(caller.user).await?.ok_or(FactorError::Moved)?;
        require_factor_shown(caller, user.factors)?;
        let begun = self.being_set_up(user.id).await?;
        let look = async || self.check_totp(&begun, code);
        let shown = self.guess(user.id, Method::Totp, client, look).await?;
        let Use::Totp(code) = shown.used else { return Err(FactorError::NotFound) };
        let has_codes = self.store.count_recovery_codes(user.id).await? > 0;
        let codes = if has_codes { Vec::new() } else { RecoveryCode::set(&*self.random) };
        let secret = SessionSecret::new(&*self.random);
        let confirmation = Confirmation {
            change: self.factor_change(&user),
            code,
            codes: codes.iter().map(|code| code.digest(user.id)).collect(),
            step: self.stepping_up(caller, session, &secret, Method::Totp.amr()),
            forgive: shown.to_forgive(),
        };
        let grant = self.write_totp(&user, confirmation, client).await?;
        let user = User {
            factors: grant.factors,
            credential_epoch: user.credential_epoch + 1,
            version: user.version + 1,
            ..user
        };
        let device_token = self.new_device_token(&user);
        let tokens = self.first_tokens(grant, secret, caller.claims.aud.clone(), user).await?;
        let tokens = Tokens { device_token: Some(device_token), ..tokens };
        Ok(Added { id: code.id, recovery_codes: codes, tokens })
    }

    async fn write_totp(
        &self,
        user: &User,
        confirmation: Confirmation,
        client: &Client,
    ) -> Result<Grant, FactorError> {
        let span = self.span();
        let mut event = self.factor_event(EventKind::FactorAdded, user.id, client);
        event.session = Some(confirmation.step.renewal.session);
        event.detail.insert("factor".into(), Factor::Totp.as_str().into());
        let mail = self.factor_mail(Template::FactorAdded, user);
        let written = self.store.write(move |tx| {
            let (confirmation, event, mail) = (confirmation.clone(), event.clone(), mail.clone());
            Box::pin(async move {
                let Confirmation { change, code, codes, step, forgive } = confirmation;
                let Some(factors) = factors::add(tx, change, Factor::Totp).await? else { return Ok(None) };
                if !totp::confirm(tx, code, change.now).await? {
                    return Err(StoreError::Refused);
                }
                if !codes.is_empty() {
                    recovery_codes::replace(tx, change.user, &codes).await?;
                }
                if let Some(bucket) = forgive {
                    limits::forgive(tx, bucket).await?;
                }
                audit::append(tx, &event).await?;
                outbox::enqueue(tx, &mail).await?;
                factors::settle(tx, change.user, factors, Some(&step), span).await
            })
        });
        match written.await {
            Ok(Some(grant)) => {
                self.mail_nudge();
                self.look_again("a new factor").await;
                Ok(grant)
            }
            Ok(None) | Err(StoreError::Refused) => Err(FactorError::Moved),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a factor.
    pub async fn remove_factor(
        &self,
        caller: &Caller,
        id: FactorId,
        client: &Client,
    ) -> Result<(), FactorError> {
        let user = self.require_fresh(caller).await?.user;
        if self.store.totp_in_use(user.id).await?.is_none_or(|app| app.id != id) {
            let passkey = PasskeyId::from_uuid(id.uuid());
            return Ok(self.remove_passkey(caller, passkey, client).await?);
        }
        if user.factors.without(Factor::Totp).is_empty() && self.needs_factor(&user.role) {
            return Err(FactorError::Required);
        }
        let mut event = self.factor_event(EventKind::FactorRemoved, user.id, client);
        event.session = caller.session();
        event.detail.insert("factor".into(), Factor::Totp.as_str().into());
        let mail = self.factor_mail(Template::FactorRemoved, &user);
        let (change, span) = (self.factor_change(&user), self.span());
        let written = self.store.write(move |tx| {
            let (event, mail) = (event.clone(), mail.clone());
            Box::pin(async move {
                let left = factors::remove(tx, change, Some(Factor::Totp)).await?;
                let Some(left) = left else { return Ok(false) };
                if !totp::remove(tx, id, change.user).await? {
                    return Err(StoreError::Refused);
                }
                audit::append(tx, &event).await?;
                outbox::enqueue(tx, &mail).await?;
                factors::settle(tx, change.user, left, None, span).await?;
                Ok(true)
            })
        });
        match written.await {
            Ok(true) => {
                self.mail_nudge();
                self.look_again("a factor less").await;
                Ok(())
            }
            Ok(false) | Err(StoreError::Refused) => Err(FactorError::Moved),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a new set of recovery codes; those before are void.
    pub async fn new_recovery_codes(
        &self,
        caller: &Caller,
        client: &Client,
    ) -> Result<Vec<RecoveryCode>, FactorError> {
        let user = self.require_fresh(caller).await?.user;
        if user.factors.is_empty() {
            return Err(FactorError::NoFactor);
        }
        let codes = RecoveryCode::set(&*self.random);
        let digests: Vec<_> = codes.iter().map(|code| code.digest(user.id)).collect();
        let mut event = self.factor_event(EventKind::RecoveryCodesMade, user.id, client);
        event.session = caller.session();
        // Nothing else holds back who makes them again and again, and the address may be somebody else's.
        let told = self.may_be_told("mails_of_recovery_codes", user.id).await?;
        let mail = told.then(|| self.factor_mail(Template::RecoveryCodesMade, &user));
        let (id, epoch) = (user.id, user.credential_epoch);
        let written = self.store.write(move |tx| {
            let (event, mail, digests) = (event.clone(), mail.clone(), digests.clone());
            Box::pin(async move {
                if !recovery_codes::renew(tx, id, epoch, &digests).await? {
                    return Ok(false);
                }
                audit::append(tx, &event).await?;
                if let Some(mail) = &mail {
                    outbox::enqueue(tx, mail).await?;
                }
                Ok(true)
            })
        });
        if !written.await? {
            return Err(FactorError::Moved);
        }
        self.mail_nudge();
        Ok(codes)
    }

    /// Asks for factors on a device again.
    pub async fn forget_device(
        &self,
        caller: &Caller,
        device: DeviceId,
        client: &Client,
    ) -> Result<(), FactorError> {
        let user = caller.user;
        let mut event = self.factor_event(EventKind::DeviceForgotten, user, client);
        event.session = caller.session();
        let written = self.store.write(move |tx| {
            let event = event.clone();
            Box::pin(async move {
                let done = trusted_devices::remove(tx, user, device).await?;
                if done {
                    audit::append(tx, &event).await?;
                }
                Ok(done)
            })
        });
        if written.await? { Ok(()) } else { Err(FactorError::NotFound) }
    }

    /// Whether users of `role` must have a second factor.
    pub(crate) fn needs_factor(&self, role: &Role) -> bool {
        self.settings.login.require_factor.contains(role)
    }

    /// Whether whoever has this session must set up a factor before anything else. Not whoever acts as another: they
    /// have signed in as themselves.
    pub(crate) fn must_set_up_factor(&self, grant: &Grant) -> bool {
        grant.acting.is_none() && grant.factors.is_empty() && self.needs_factor(&grant.role)
    }

    /// A change of what `user` has, if they are as they were read.
    pub(crate) fn factor_change(&self, user: &User) -> Change {
        Change { user: user.id, epoch: user.credential_epoch, now: self.clock.now() }
    }

    /// What the user does with their factors.
    pub(crate) fn factor_event(&self, kind: EventKind, user: UserId, client: &Client) -> Event {
        let mut event = self.event(kind);
        (event.user, event.actor, event.address) = (Some(user), Some(user), Some(client.address));
        event
    }

    /// What they are told by mail.
    pub(crate) fn factor_mail(&self, template: Template, user: &User) -> Mail {
        self.mail_to(template, &user.email, Some(user))
    }
}
