//! Signing keys in memory: opened once, chosen by time (see [`portcullis_core::signing_key`]).

use std::sync::{Arc, PoisonError, RwLock};

use portcullis_core::signing_key::{KeyState, KeyTimes, states};
use portcullis_core::time::Timestamp;
use portcullis_jose::{Algorithm, Jwk, KeySet, SigningKey, VerifyingKey};
use portcullis_store::keys::StoredKey;

use crate::cx::Cx;
use crate::fault::Fault;
use crate::turn::Turn;

/// The keys of this node.
#[derive(Default)]
pub struct SigningKeys {
    loaded: RwLock<Arc<Loaded>>,
    /// Unknown `kid`s make us read the table.
    turn: Turn,
}

/// One reading of the table.
#[derive(Default)]
pub(crate) struct Loaded {
    keys: Vec<LoadedKey>,
    pub(crate) verifying: KeySet,
    /// Keys whose turn is over: good for nothing but telling which session an old token was of.
    pub(crate) past: KeySet,
    /// A key that signs, but that this node cannot open.
    unopened: Option<String>,
}

struct LoadedKey {
    times: KeyTimes,
    jwk: Option<Jwk>,
    signing: Option<Arc<SigningKey>>,
    kid: String,
    algorithm: String,
    created_at: Timestamp,
}

/// A key as operators see it.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// Its name.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: String,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub activates_at: Timestamp,
}

/// What a private key is sealed for.
pub(crate) fn seal_context(kid: &str) -> String {
    format!("signing key {kid}")
}

impl Cx {
    pub(crate) fn loaded_keys(&self) -> Arc<Loaded> {
        self.keys.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn key_states(&self, loaded: &Loaded) -> Vec<KeyState> {
        let times: Vec<KeyTimes> = loaded.keys.iter().map(|key| key.times).collect();
        states(&times, self.clock.now(), self.longest_lifetime())
    }

    /// Reads the table again.
    pub async fn reload_signing_keys(&self) -> Result<(), Fault> {
        let stored = self.store.signing_keys().await?;
        let loaded = Arc::new(self.load(&stored)?);
        let before = std::mem::replace(
            &mut *self.keys.loaded.write().unwrap_or_else(PoisonError::into_inner),
            loaded.clone(),
        );
        // What was verified with a key that is out of use now must not be believed from memory.
        if before.keys.iter().any(|key| loaded.verifying.get(&key.kid).is_none()) {
            self.callers.invalidate_all();
        }
        Ok(())
    }

    fn load(&self, stored: &[StoredKey]) -> Result<Loaded, Fault> {
        let previous = self.loaded_keys();
        let times: Vec<KeyTimes> = stored.iter().map(|key| key.times).collect();
        let states = states(&times, self.clock.now(), self.longest_lifetime());
        let mut loaded = Loaded::default();
        for (key, state) in stored.iter().zip(states) {
            if state == KeyState::Retired {
                let jwk = key.public_jwk.as_deref().and_then(|jwk| Jwk::parse(jwk.as_bytes()).ok());
                if let (None, Some(jwk)) = (key.times.retired_at, jwk)
                    && let Ok(past) = VerifyingKey::from_jwk(&jwk)
                {
                    let _ = loaded.past.insert(past);
                }
                continue;
            }
            let known = previous.keys.iter().find(|known| known.kid == key.kid);
            let signing = match known.and_then(|known| known.signing.clone()) {
                Some(signing) => Some(signing),
                None => self.open(key)?.map(Arc::new),
            };
            if signing.is_none() {
                loaded.unopened = Some(key.kid.clone());
            }
            let jwk = key.public_jwk.as_deref().map(|jwk| Jwk::parse(jwk.as_bytes())).transpose();
            let jwk = jwk.map_err(|error| Fault::Internal(format!("public key {}: {error}", key.kid)))?;
            let verifying = match (&signing, &jwk) {
                (Some(signing), _) => Some(signing.verifying_key()),
                (None, Some(jwk)) => VerifyingKey::from_jwk(jwk).ok(),
                (None, None) => None,
            };
            if let Some(verifying) = verifying {
                loaded.verifying.insert(verifying).map_err(|error| Fault::Internal(error.to_string()))?;
            }
            loaded.keys.push(LoadedKey {
                times: key.times,
                jwk,
                signing,
                kid: key.kid.clone(),
                algorithm: key.algorithm.clone(),
                created_at: key.created_at,
            });
        }
        Ok(loaded)
    }

    /// `None`: sealed under a server key that this node lacks. It can still verify by the public half.
    fn open(&self, key: &StoredKey) -> Result<Option<SigningKey>, Fault> {
        let broken = |what: String| Fault::Internal(format!("signing key {}: {what}", key.kid));
        let Ok(secret) = self.ring.open(&seal_context(&key.kid), &key.sealed) else {
            if self.ring.get(key.sealed.key_id).is_some() {
                return Err(broken("the sealed private key is damaged".into()));
            }
            return Ok(None);
        };
        let algorithm: Algorithm = key.algorithm.parse().map_err(|_| broken("unknown algorithm".into()))?;
        let opened = SigningKey::from_secret_der(algorithm, &secret);
        opened.map(Some).map_err(|error| broken(error.to_string()))
    }

    /// The key that signs now.
    pub(crate) fn signer(&self) -> Result<Arc<SigningKey>, Fault> {
        let loaded = self.loaded_keys();
        let now = self.clock.now();
        let usable = |key: &&LoadedKey| {
            key.times.activates_at <= now && key.times.retired_at.is_none_or(|at| now < at)
        };
        // The table is read in the order in which keys become active: the last that is, signs.
        let current = loaded.keys.iter().rev().find(usable);
        match current {
            Some(LoadedKey { signing: Some(signing), .. }) => Ok(signing.clone()),
            Some(key) => {
                Err(Fault::SigningKeyMissing(format!("{} is sealed under another server key", key.kid)))
            }
            None => Err(Fault::SigningKeyMissing("there is none; run `portcullis key rotate`".into())),
        }
    }

    /// A key that this node cannot even verify with: HS256, sealed under a server key that it lacks.
    pub(crate) fn unverifiable_key(&self) -> Option<String> {
        let loaded = self.loaded_keys();
        let blind = |key: &&LoadedKey| loaded.verifying.get(&key.kid).is_none();
        loaded.keys.iter().find(blind).map(|key| key.kid.clone())
    }

    /// Reads the table because a token names a key that is not in it: at most once a second, one at a time,
    /// however many such tokens come in, and whether or not the database answers.
    pub(crate) async fn look_for_new_keys(&self) -> Result<(), Fault> {
        self.keys.turn.take(self.reload_signing_keys()).await
    }

    /// The public keys of every token that may still live, and of the next ones.
    pub fn jwks(&self) -> Vec<Jwk> {
        let loaded = self.loaded_keys();
        let states = self.key_states(&loaded);
        let live =
            |(key, state): (&LoadedKey, KeyState)| (state != KeyState::Retired).then(|| key.jwk.clone())?;
        loaded.keys.iter().zip(states).filter_map(live).collect()
    }

    /// All keys that are in use, for operators.
    pub fn key_views(&self) -> Vec<KeyView> {
        let loaded = self.loaded_keys();
        let states = self.key_states(&loaded);
        let view = |(key, state): (&LoadedKey, KeyState)| KeyView {
            kid: key.kid.clone(),
            algorithm: key.algorithm.clone(),
            state,
            created_at: key.created_at,
            activates_at: key.times.activates_at,
        };
        loaded.keys.iter().zip(states).map(view).collect()
    }

    /// The name of a key that this node cannot open, if there is one.
    pub fn unopened_key(&self) -> Option<String> {
        self.loaded_keys().unopened.clone()
    }
}
