//! Making, importing, rotating and withdrawing signing keys.
//!
//! A new key is published first and signs only after [`PUBLISHING_DELAY`], so that every verifier has fetched
//! it by then; the very first one signs at once. Of several nodes that find a key wanting, one makes it: the
//! table is locked while it is looked at.

use portcullis_core::audit::EventKind;
use portcullis_core::server_key::Sealed;
use portcullis_core::signing_key::{KeyState, KeyTimes, PUBLISHING_DELAY, rotation_is_due, states};
use portcullis_core::time::Timestamp;
use portcullis_jose::{Algorithm, SigningKey};
use portcullis_store::keys::{self, StoredKey};
use portcullis_store::{StoreError, totp};
use serde_json::Value;
use thiserror::Error;

use crate::cx::Cx;
use crate::fault::Fault;
use crate::show_factor::totp_context;
use crate::signing_keys::seal_context;

/// Most secrets of factors that are sealed anew in one go.
const RESEALED: i64 = 200;

/// When a new key is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// If there is no usable one.
    IfNone,
    /// It is the operator's: if it is not in use, and was not withdrawn.
    Own,
    /// If rotation by age is due.
    IfDue(std::time::Duration),
    /// Unless another one waits already.
    UnlessNext,
}

/// Why a key could not be changed.
#[derive(Debug, Error)]
pub enum KeyError {
    /// There is no such key, or it was withdrawn before.
    #[error("there is no signing key {0} in use")]
    Unknown(String),
    /// It is the only one that can sign.
    #[error("{0} is the key that signs, and no other can take over; run `portcullis key rotate` first")]
    LastOne(String),
    /// The configuration names the key.
    #[error("tokens.private_key decides which key signs; give another one there instead")]
    OperatorDecides,
    /// It was withdrawn.
    #[error("signing key {0} was withdrawn by `portcullis key retire`; give another one")]
    Withdrawn(String),
    /// It cannot be made.
    #[error("{0}")]
    Make(#[from] portcullis_jose::KeyError),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl Cx {
    /// Sees to it at start that there is a key to sign with, and that the operator's own is in use.
    pub(crate) async fn ensure_signing_key(&self) -> Result<(), KeyError> {
        match &self.settings.private_key {
            Some(own) => self.add(own, Wanted::Own).await?,
            None if self.key_views().iter().any(|key| key.state != KeyState::Next) => None,
            None => self.add(&SigningKey::generate(self.settings.algorithm)?, Wanted::IfNone).await?,
        };
        Ok(self.reload_signing_keys().await?)
    }

    /// Publishes a new key of the configured algorithm; its name and from when on it signs. `None`: one waits
    /// already.
    pub async fn rotate_signing_key(&self) -> Result<Option<(String, Timestamp)>, KeyError> {
        if self.settings.private_key.is_some() {
            return Err(KeyError::OperatorDecides);
        }
        let key = SigningKey::generate(self.settings.algorithm)?;
        let added = self.add(&key, Wanted::UnlessNext).await?;
        self.reload_signing_keys().await?;
        Ok(added)
    }

    /// Publishes a key from a PEM text.
    pub async fn import_signing_key(&self, pem: &str) -> Result<Option<(String, Timestamp)>, KeyError> {
        let added = self.add(&SigningKey::from_pem(pem)?, Wanted::Own).await?;
        self.reload_signing_keys().await?;
        Ok(added)
    }

    /// Rotates if the current key is older than the settings allow.
    pub(crate) async fn rotate_signing_key_by_age(&self) -> Result<(), KeyError> {
        let (Some(age), None) = (self.settings.key_rotation, &self.settings.private_key) else {
            return Ok(());
        };
        let old = |key: &crate::signing_keys::KeyView| {
            key.state == KeyState::Current && self.clock.now().since(key.activates_at) >= age
        };
        if self.key_views().iter().any(old) {
            let algorithm = self.current_algorithm();
            let added = self.add(&SigningKey::generate(algorithm)?, Wanted::IfDue(age)).await?;
            if let Some((kid, at)) = added {
                tracing::info!(key.id = kid, key.activates_at = %at, "rotating the signing key by its age");
            }
            self.reload_signing_keys().await?;
        }
        Ok(())
    }

    fn current_algorithm(&self) -> Algorithm {
        let views = self.key_views();
        let current = views.iter().find(|key| key.state == KeyState::Current);
        current.and_then(|key| key.algorithm.parse().ok()).unwrap_or(self.settings.algorithm)
    }

    async fn add(&self, key: &SigningKey, wanted: Wanted) -> Result<Option<(String, Timestamp)>, KeyError> {
        let now = self.clock.now();
        let lifetime = self.longest_lifetime();
        let stored = StoredKey {
            kid: key.kid().to_owned(),
            algorithm: key.algorithm().to_string(),
            public_jwk: key
                .jwk()
                .map(|jwk| serde_json::to_string(&jwk))
                .transpose()
                .map_err(|error| internal(&error))?,
            sealed: self.seal(key),
            created_at: now,
            times: KeyTimes { activates_at: now + PUBLISHING_DELAY, retired_at: None },
        };
        let mut event = self.event(EventKind::KeyChanged);
        event.detail.insert("kid".into(), Value::from(stored.kid.clone()));
        event.detail.insert("action".into(), Value::from("added"));
        let added = self
            .store
            .write(move |tx| {
                let (mut stored, event) = (stored.clone(), event.clone());
                Box::pin(async move {
                    let present = keys::lock_signing_keys(tx).await?;
                    let times: Vec<KeyTimes> = present.iter().map(|key| key.times).collect();
                    let states = states(&times, now, lifetime);
                    let signs = states.contains(&KeyState::Current);
                    let waits = states.contains(&KeyState::Next);
                    let go = match wanted {
                        Wanted::IfNone => !signs && !waits,
                        Wanted::Own => true,
                        Wanted::IfDue(age) => rotation_is_due(&times, &states, now, age),
                        Wanted::UnlessNext => !waits,
                    };
                    if !signs {
                        stored.times.activates_at = now;
                    }
                    let present = present.iter().zip(&states).find(|(key, _)| key.kid == stored.kid);
                    let done = match present {
                        _ if !go => false,
                        None => keys::insert(tx, &stored).await?,
                        Some((key, _)) if key.times.retired_at.is_some() => return Err(StoreError::Refused),
                        Some((_, KeyState::Current | KeyState::Next)) => false,
                        // It was in use before, and its turn comes again.
                        Some(_) => keys::activate(tx, &stored.kid, stored.times.activates_at).await?,
                    };
                    if !done {
                        return Ok(None);
                    }
                    portcullis_store::audit::append(tx, &event).await?;
                    Ok(Some((stored.kid, stored.times.activates_at)))
                })
            })
            .await;
        match added {
            Err(StoreError::Refused) => Err(KeyError::Withdrawn(key.kid().to_owned())),
            added => Ok(added?),
        }
    }

    fn seal(&self, key: &SigningKey) -> Sealed {
        self.ring.seal(&seal_context(key.kid()), &key.to_secret_der(), &*self.random)
    }

    /// Withdraws a key at once: tokens it signed are refused from now on. Refused if nothing could sign then.
    pub async fn retire_signing_key(&self, kid: &str) -> Result<(), KeyError> {
        let views = self.key_views();
        if !views.iter().any(|key| key.kid == kid) {
            return Err(KeyError::Unknown(kid.to_owned()));
        }
        let now = self.clock.now();
        let mut event = self.event(EventKind::KeyChanged);
        event.detail.insert("kid".into(), Value::from(kid));
        event.detail.insert("action".into(), Value::from("retired"));
        let name = kid.to_owned();
        let done = self
            .store
            .write(move |tx| {
                let (name, event) = (name.clone(), event.clone());
                Box::pin(async move {
                    // Of two that are withdrawn at once, the second must see that the first is gone.
                    let present = keys::lock_signing_keys(tx).await?;
                    let signs =
                        |key: &StoredKey| key.times.retired_at.is_none() && key.times.activates_at <= now;
                    if !present.iter().any(|key| key.kid != name && signs(key)) {
                        return Ok(None);
                    }
                    let done = keys::retire(tx, &name, now).await?;
                    if done {
                        portcullis_store::audit::append(tx, &event).await?;
                    }
                    Ok(Some(done))
                })
            })
            .await?;
        self.reload_signing_keys().await?;
        match done {
            Some(true) => Ok(()),
            Some(false) => Err(KeyError::Unknown(kid.to_owned())),
            None => Err(KeyError::LastOne(kid.to_owned())),
        }
    }

    /// Seals anew what is sealed under an older server key. No row is ever deleted: a key that was withdrawn
    /// must be known as such when somebody brings it back.
    pub(crate) async fn tend_signing_keys(&self) -> Result<(), Fault> {
        let current = self.ring.current().id();
        let older = self.store.signing_keys().await?.into_iter().filter(|key| key.sealed.key_id != current);
        for key in older {
            let (kid, before) = (key.kid, key.sealed.key_id);
            let Ok(secret) = self.ring.open(&seal_context(&kid), &key.sealed) else { continue };
            let sealed = self.ring.seal(&seal_context(&kid), &secret, &*self.random);
            self.store
                .write_one(move |tx| {
                    let (kid, sealed) = (kid.clone(), sealed.clone());
                    Box::pin(async move { keys::reseal(tx, &kid, before, &sealed).await })
                })
                .await?;
        }
        Ok(())
    }

    /// The same for the secrets of second factors, so many at a time.
    pub(crate) async fn reseal_factors(&self) -> Result<(), Fault> {
        for totp in self.store.totp_under_older(self.ring.current().id(), RESEALED).await? {
            let (id, before) = (totp.id, totp.sealed.key_id);
            let Ok(secret) = self.ring.open(&totp_context(&totp), &totp.sealed) else { continue };
            let sealed = self.ring.seal(&totp_context(&totp), &secret, &*self.random);
            self.store
                .write_one(move |tx| {
                    let sealed = sealed.clone();
                    Box::pin(async move { totp::reseal(tx, id, before, &sealed).await })
                })
                .await?;
        }
        Ok(())
    }
}

fn internal(error: &serde_json::Error) -> Fault {
    Fault::Internal(format!("a public key: {error}"))
}
