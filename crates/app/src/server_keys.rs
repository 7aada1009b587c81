//! Whether this node holds the server keys that the database needs.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use portcullis_core::server_key::KeyId;
use portcullis_store::keys;
use subtle::ConstantTimeEq;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::cx::Cx;
use crate::fault::Fault;

/// Ids of the server keys the database was used with.
#[derive(Default)]
pub struct KnownServerKeys {
    /// When the reading began, and what it found.
    read: RwLock<(Option<Instant>, HashSet<KeyId>)>,
    /// One reading at a time, however many unknown ids come in.
    turn: Mutex<()>,
}

impl KnownServerKeys {
    fn holds(&self, id: KeyId) -> bool {
        self.read.read().unwrap_or_else(PoisonError::into_inner).1.contains(&id)
    }

    fn read_since(&self, asked: Instant) -> bool {
        self.read.read().unwrap_or_else(PoisonError::into_inner).0.is_some_and(|begun| begun >= asked)
    }
}

/// Why a node may not start.
#[derive(Debug, Error)]
pub enum ServerKeyError {
    /// A key that is needed is not held.
    #[error(
        "server.secret_keys_accepted lacks the key with id {id}: {signing_keys} signing keys, {sessions} live \
         sessions and {factors} second factors of this database need it. Give that key to server.secret_key or server.secret_keys_accepted."
    )]
    Missing {
        /// Which.
        id: KeyId,
        /// Signing keys sealed under it.
        signing_keys: usize,
        /// Live sessions whose refresh token was made under it.
        sessions: i64,
        /// Secrets of second factors sealed under it.
        factors: i64,
    },
    /// Another key has the same id.
    #[error(
        "server.secret_key is not the key with id {0} that this database was used with. Give the right key."
    )]
    Other(KeyId),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How much is under one server key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Which.
    pub id: KeyId,
    /// This node holds it.
    pub held: bool,
    /// Signing keys sealed under it.
    pub signing_keys: usize,
    /// Live sessions whose refresh token was made under it.
    pub sessions: i64,
    /// Secrets of second factors sealed under it.
    pub factors: i64,
    /// Parts of the audit chain that cannot be checked without it. They keep no node from starting.
    pub audit: i64,
}

impl KeyUse {
    /// Whether nothing needs the key any more.
    pub const fn is_free(&self) -> bool {
        self.may_be_missing() && self.audit == 0
    }

    /// Whether a node without it can do all that it is asked.
    pub(crate) const fn may_be_missing(&self) -> bool {
        self.signing_keys == 0 && self.sessions == 0 && self.factors == 0
    }
}

impl Cx {
    /// How much is under each server key that the database was used with.
    pub async fn server_key_use(&self) -> Result<Vec<KeyUse>, Fault> {
        let sealed = self.store.signing_keys().await?;
        let sessions = self.store.sessions_by_key(self.clock.now()).await?;
        let factors = self.store.totp_by_key().await?;
        let audit = self.store.chain_by_key().await?;
        let known = self.store.server_keys().await?;
        let usage = |id: KeyId| KeyUse {
            id,
            held: self.ring.get(id).is_some(),
            signing_keys: sealed.iter().filter(|key| key.sealed.key_id == id).count(),
            sessions: sessions.iter().find(|(key, _)| *key == id).map_or(0, |(_, count)| *count),
            factors: factors.iter().find(|(key, _)| *key == id).map_or(0, |(_, count)| *count),
            audit: audit.iter().find(|(key, _)| *key == id).map_or(0, |(_, count)| *count),
        };
        Ok(known.iter().map(|key| usage(key.id)).collect())
    }

    /// Checks the keys we hold against the database, and notes them there.
    pub(crate) async fn check_server_keys(&self) -> Result<(), ServerKeyError> {
        let known = self.store.server_keys().await.map_err(Fault::from)?;
        for key in &known {
            match self.ring.get(key.id) {
                Some(held) if bool::from(held.check_value()[..].ct_eq(&key.check_value)) => {}
                Some(_) => return Err(ServerKeyError::Other(key.id)),
                None => self.check_missing(key.id).await?,
            }
        }
        self.note_server_keys().await?;
        Ok(())
    }

    /// Notes the keys that we hold, should one be missing, and reads which there are.
    pub(crate) async fn note_server_keys(&self) -> Result<(), Fault> {
        self.reload_server_keys().await?;
        let held: Vec<_> = self.ring.iter().map(|key| (key.id(), *key.check_value())).collect();
        if held.iter().any(|(id, _)| !self.known_server_keys.holds(*id)) {
            let now = self.clock.now();
            self.store
                .write(move |tx| {
                    let held = held.clone();
                    Box::pin(async move {
                        for (id, check_value) in &held {
                            keys::insert_server_key(tx, *id, check_value, now).await?;
                        }
                        Ok(())
                    })
                })
                .await?;
            self.reload_server_keys().await?;
        }
        Ok(())
    }

    async fn check_missing(&self, id: KeyId) -> Result<(), ServerKeyError> {
        let usage = self.server_key_use().await?;
        let Some(usage) = usage.into_iter().find(|usage| usage.id == id) else { return Ok(()) };
        if usage.may_be_missing() {
            return Ok(());
        }
        let KeyUse { signing_keys, sessions, factors, .. } = usage;
        Err(ServerKeyError::Missing { id, signing_keys, sessions, factors })
    }

    pub(crate) async fn reload_server_keys(&self) -> Result<(), Fault> {
        let begun = Instant::now();
        let known = self.store.server_keys().await?;
        let mut cached = self.known_server_keys.read.write().unwrap_or_else(PoisonError::into_inner);
        *cached = (Some(begun), known.iter().map(|key| key.id).collect());
        Ok(())
    }

    /// What to say of something made under a key that this node lacks: a fault of ours if the database was
    /// used with that key, garbage otherwise (`Ok`). Another node may have noted the key a moment ago, so only
    /// a reading that began after the question counts; all who ask during one share the next.
    pub(crate) async fn judge_unknown_key(&self, id: KeyId) -> Result<(), Fault> {
        let (known, asked) = (&self.known_server_keys, Instant::now());
        if !known.holds(id) {
            let _turn = known.turn.lock().await;
            if !known.read_since(asked) {
                self.reload_server_keys().await?;
            }
        }
        if known.holds(id) { Err(Fault::ServerKeyMissing(id)) } else { Ok(()) }
    }
}
