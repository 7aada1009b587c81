//! The one way to a session. Whoever has proved who they are comes through here, whatever way they came.
//!
//! 1. Decide (`core`): disabled, unverified, a factor owed, must change. Who owes a factor gets a challenge
//!    ([`crate::owed`]).
//! 2. Insert the session, guarded by the credential epoch that was read *before* the proof: a reset, a change
//!    or a disabling in between wins, and there is no session.
//! 3. End what the cap on sessions displaces, and the sessions whose cookies the new one's take the place of.
//! 4. Sign, outside of the transaction.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::device_token;
use portcullis_core::ids::{DeviceId, SessionId};
use portcullis_core::mail::{Mail, Template};
use portcullis_core::refresh_token::{RefreshToken, SessionSecret};
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::session::{ActingMode, Delivery, EndCause, Grant};
use portcullis_core::sign_in::{Shown, SignIn, SignInRules, decide};
use portcullis_core::user::User;
use portcullis_store::limits::{self, CounterKey};
use portcullis_store::sessions::{self, ActingFrom, End, NewSession};
use portcullis_store::trusted_devices::TrustedDevice;
use portcullis_store::{StoreError, audit, login_challenges, revocations, trusted_devices};
use serde_json::Value;
use thiserror::Error;

use crate::browser::CarriedAccess;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::new_device::Notice;
use crate::owed::Owed;
use crate::sessions::end;
use crate::show_factor::Use;
use crate::tokens::Tokens;

/// Somebody who has proved who they are.
pub(crate) struct Proof {
    /// As read before the proof.
    pub(crate) user: User,
    /// How, in words of RFC 8176.
    pub(crate) methods: Vec<String>,
    /// Whether a second factor was shown, or what stands for one. A passkey that has verified its user is both at once.
    pub(crate) factor_shown: bool,
    /// The device, if it has signed in to this user before.
    pub(crate) device: Option<DeviceId>,
    /// The bucket of attempts that starts afresh with the session.
    pub(crate) forgive: Option<CounterKey>,
    /// What is used up with the session.
    pub(crate) spend: Option<Spend>,
    /// Who really acts, if it is not the user.
    pub(crate) acting: Option<Actor>,
}

/// What a sign-in in two halves uses up.
#[derive(Clone, Copy)]
pub(crate) struct Spend {
    /// What the first half was kept under.
    pub(crate) challenge: SecretDigest,
    /// The code that was shown.
    pub(crate) used: Use,
    /// Is trusted from now on.
    pub(crate) trust: Option<DeviceId>,
}

/// Somebody who acts as another user.
pub(crate) struct Actor {
    pub(crate) from: ActingFrom,
    /// Why: an administrator says so, the owner of a bot need not.
    pub(crate) reason: Option<String>,
}

impl Proof {
    /// Of a user who is about to sign in for themselves.
    pub(crate) fn own(user: User, methods: &[&str]) -> Self {
        let methods = methods.iter().map(|&method| method.to_owned()).collect();
        Self { user, methods, factor_shown: false, device: None, forgive: None, spend: None, acting: None }
    }
}

/// How the tokens of a new session travel, and whose place they take.
#[derive(Default)]
pub struct Handover {
    /// How they travel.
    pub delivery: Delivery,
    /// What the browser holds so far: whoever's it is, its session ends when the new one begins.
    pub replaces: Vec<Replaced>,
}

/// A session that a browser holds, by what it showed of it.
pub enum Replaced {
    /// A refresh token, of whatever generation.
    Refresh(RefreshToken),
    /// An access token, expired or not: all that pages get to see of a session with a narrow `cookies.path`.
    Access(CarriedAccess),
}

/// How they want their tokens.
pub(crate) struct Wish {
    pub(crate) handover: Handover,
    pub(crate) audiences: Vec<String>,
}

impl Wish {
    /// In the body, in the place of nothing.
    pub(crate) const fn in_body(audiences: Vec<String>) -> Self {
        Self { handover: Handover { delivery: Delivery::Body, replaces: Vec::new() }, audiences }
    }
}

/// Why there is no session.
#[derive(Debug, Error)]
pub(crate) enum SignInError {
    /// Disabled, or what proves the user has changed since: as if the proof had been wrong.
    #[error("the user may not sign in")]
    Refused,
    /// The address must be proved first.
    #[error("the address is not verified")]
    Unverified,
    /// A second factor first.
    #[error("a second factor is owed")]
    FactorOwed(Owed),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Cx {
    /// Whether `user`, who has proved who they are, may have anything.
    pub(crate) fn admit(&self, user: &User, shown: Shown) -> SignIn {
        let rules = SignInRules { require_verified_email: self.runtime().require_email_verification };
        decide(user, shown, &rules)
    }

    /// What `proof` has shown of second factors. Of whoever acts as another user none of the user's is asked, nor on a
    /// device that is trusted.
    async fn shown(&self, proof: &Proof) -> Result<Shown, Fault> {
        if proof.factor_shown || proof.acting.is_some() {
            return Ok(Shown::Enough);
        }
        let (user, trust_for) = (&proof.user, self.settings.login.trust_device_for);
        let Some(device) = proof.device.filter(|_| !user.factors.is_empty() && !trust_for.is_zero()) else {
            return Ok(Shown::Nothing);
        };
        let now = self.clock.now();
        let trusted = self.store.is_trusted_device(user.id, device, user.credential_epoch, now).await?;
        Ok(if trusted { Shown::Enough } else { Shown::Nothing })
    }

    /// Makes a session for who has proved who they are.
    pub(crate) async fn sign_in(
        &self,
        proof: Proof,
        wish: Wish,
        client: &Client,
    ) -> Result<Tokens, SignInError> {
        // 1.
        match self.admit(&proof.user, self.shown(&proof).await?) {
            SignIn::Allowed { .. } => {}
            SignIn::Disabled => return Err(SignInError::Refused),
            SignIn::Unverified => return Err(SignInError::Unverified),
            SignIn::FactorOwed(factors) => return Err(self.owe(proof, wish, factors).await?),
        }
        // 2. and 3. A node that cannot sign makes no session that nobody gets tokens for.
        self.signer()?;
        let secret = SessionSecret::new(&*self.random);
        let grant = self.insert_session(&proof, &wish, &secret, client).await?;
        // 4.
        let mut user = proof.user;
        if grant.acting.is_none_or(|acting| acting.mode == ActingMode::Bot) {
            user.last_login_at = Some(self.clock.now());
        }
        // Nobody else's device becomes known to the user.
        let device = proof.device.or_else(|| proof.spend?.trust);
        let device_token = grant.acting.is_none().then(|| self.device_token(&user, device));
        let tokens = self.first_tokens(grant, secret, wish.audiences, user).await?;
        Ok(Tokens { device_token, ..tokens })
    }

    fn device_token(&self, user: &User, known: Option<DeviceId>) -> String {
        let device = known.unwrap_or_else(|| DeviceId::new(self.clock.now(), &*self.random));
        device_token::issue(user.id, device, user.credential_epoch, &self.ring)
    }

    /// The token of a device that becomes known after what proves `user` has changed.
    pub(crate) fn new_device_token(&self, user: &User) -> String {
        self.device_token(user, None)
    }

    /// What a sign-in in two halves uses up, and the device that is trusted from now on.
    fn spending(&self, proof: &Proof, client: &Client) -> Option<(Spend, Option<TrustedDevice>)> {
        let spend = proof.spend?;
        let now = self.clock.now();
        let trusted = spend.trust.map(|id| TrustedDevice {
            id,
            epoch: proof.user.credential_epoch,
            device: client.device.clone(),
            address: client.address.to_string(),
            created_at: now,
            expires_at: now + self.settings.login.trust_device_for,
        });
        Some((spend, trusted))
    }

    /// Tokens for a chain that has just got a secret.
    pub(crate) async fn first_tokens(
        &self,
        grant: Grant,
        secret: SessionSecret,
        audiences: Vec<String>,
        user: User,
    ) -> Result<Tokens, Fault> {
        let (access_token, expires_in) = self.sign_access(&grant, audiences).await?;
        let refresh = RefreshToken { session: grant.session, generation: grant.generation, secret };
        let key = self.ring.current().id();
        let refresh_token = refresh.to_text(key, &self.ring).ok_or(Fault::ServerKeyMissing(key))?;
        Ok(Tokens {
            access_token,
            expires_in,
            refresh_token,
            refresh_expires_in: self.refresh_lifetime(&grant),
            must_set_up_factor: self.must_set_up_factor(&grant),
            grant,
            user,
            device_token: None,
        })
    }

    /// What a user is told by mail in whose name an administrator acts.
    fn notice(&self, proof: &Proof) -> Option<Mail> {
        let actor = proof.acting.as_ref().filter(|actor| actor.from.acting.mode != ActingMode::Bot)?;
        if !self.runtime().impersonation_notify {
            return None;
        }
        let mut mail = self.mail_to(Template::ImpersonationStarted, &proof.user.email, Some(&proof.user));
        if let Some(reason) = &actor.reason {
            mail.parameters.insert("reason".into(), reason.as_str().into());
        }
        Some(mail)
    }

    async fn insert_session(
        &self,
        proof: &Proof,
        wish: &Wish,
        secret: &SessionSecret,
        client: &Client,
    ) -> Result<Grant, SignInError> {
        let now = self.clock.now();
        let lifetimes = self.settings.lifetimes;
        let acting = proof.acting.as_ref().map(|actor| actor.from);
        let ends_at = match acting.map(|from| from.acting.mode) {
            None | Some(ActingMode::Bot) => now + lifetimes.session,
            Some(ActingMode::Read | ActingMode::Full) => now + self.settings.impersonation,
        };
        let new = NewSession {
            id: SessionId::new(now, &*self.random),
            user: proof.user.id,
            epoch: proof.user.credential_epoch,
            secret_hash: secret.hash(),
            key_id: self.ring.current().id(),
            now,
            idle_ends_at: ends_at.min(now + lifetimes.refresh),
            ends_at,
            methods: proof.methods.join(" "),
            delivery: wish.handover.delivery,
            device: client.device.clone(),
            address: client.address.to_string(),
            acting,
            status: self.settings.status_lists.is_some(),
        };
        let mut event = self.started(&new, proof.acting.as_ref(), client);
        let replaces = &wish.handover.replaces;
        let notice = match self.notice(proof) {
            Some(mail) => Some(Notice::from(mail)),
            None => self.notice_of_device(proof, &new, client, &mut event).await?,
        };
        let spending = self.spending(proof, client);
        if proof.forgive.is_none()
            && spending.is_none()
            && replaces.is_empty()
            && notice.is_none()
            && let Some(grant) = self.store.create_at_once(&new, &event).await.map_err(Fault::from)?
        {
            metrics::counter!("portcullis_sessions_started_total").increment(1);
            return Ok(grant);
        }
        let is_told = notice.is_some();
        let endings: Vec<_> = replaces.iter().map(|old| self.replaced(old, client)).collect();
        let (span, forgive) = (self.span(), proof.forgive);
        let made = self
            .store
            .write(move |tx| {
                let (new, event, endings) = (new.clone(), event.clone(), endings.clone());
                let (notice, spending) = (notice.clone(), spending.clone());
                Box::pin(async move {
                    let Some((grant, mut ended)) = sessions::create(tx, &new).await? else { return Ok(None) };
                    if let Some((spend, trusted)) = spending {
                        // Somebody was faster with the challenge or the code: there is no session, either.
                        if !login_challenges::spend(tx, spend.challenge, new.now).await?
                            || !spend.used.take(tx, new.now).await?
                        {
                            return Err(StoreError::Refused);
                        }
                        if let Some(device) = trusted {
                            trusted_devices::put(tx, new.user, &device).await?;
                        }
                    }
                    if let Some(bucket) = forgive {
                        limits::forgive(tx, bucket).await?;
                    }
                    audit::append(tx, &event).await?;
                    if let Some(notice) = &notice {
                        notice.put(tx).await?;
                    }
                    for (which, session, event) in endings {
                        ended.extend(end(tx, (which, session, EndCause::Replaced), event, span.now).await?);
                    }
                    revocations::append_all(tx, &ended, span).await?;
                    Ok(Some((grant, ended)))
                })
            })
            .await;
        let made = match made {
            Err(StoreError::Refused) => None,
            made => made.map_err(Fault::from)?,
        };
        let (grant, ended) = made.ok_or(SignInError::Refused)?;
        if is_told {
            self.mail_nudge();
        }
        self.revoke_here(&ended, span);
        metrics::counter!("portcullis_sessions_started_total").increment(1);
        Ok(grant)
    }

    /// How `old` ends, with its event.
    fn replaced(&self, old: &Replaced, client: &Client) -> (End, SessionId, Event) {
        let (session, which) = match old {
            Replaced::Refresh(token) => (token.session, End::BySecret(token.session, token.secret.hash())),
            Replaced::Access(token) => (token.session, End::Own(token.session, token.user)),
        };
        (which, session, self.ended(session, EndCause::Replaced, client))
    }

    fn started(&self, new: &NewSession, actor: Option<&Actor>, client: &Client) -> Event {
        let reason = actor.and_then(|actor| actor.reason.as_ref());
        let kind = if reason.is_some() { EventKind::ImpersonationStarted } else { EventKind::SessionStarted };
        let mut event = self.event(kind);
        event.user = Some(new.user);
        event.actor = Some(actor.map_or(new.user, |actor| actor.from.acting.actor));
        event.session = Some(new.id);
        event.address = Some(client.address);
        let detail = match actor {
            None => [("methods", Some(new.methods.as_str())), ("reason", None)],
            Some(actor) => {
                [("mode", Some(actor.from.acting.mode.as_str())), ("reason", reason.map(String::as_str))]
            }
        };
        let said = detail.into_iter().filter_map(|(name, text)| Some((name.into(), Value::from(text?))));
        event.detail.extend(said);
        event
    }
}
