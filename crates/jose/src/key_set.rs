//! The keys a verifier trusts, found by their `kid`.

use std::collections::HashMap;

use crate::{Jwks, KeyError, VerifyingKey};

/// `kid` → [`VerifyingKey`]. The only keys that exist for [`verify`](crate::verify).
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, VerifyingKey>,
}

impl KeySet {
    /// An empty set, which verifies nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every sound key of a JWK set. Keys that [`VerifyingKey::from_jwk`] refuses (RSA under 2048 bits, a
    /// point off its curve) are left out, so that one bad key of an issuer does not take its good ones along;
    /// tokens that name them are refused as [`UnknownKey`](crate::VerifyError::UnknownKey).
    pub fn from_jwks(jwks: &Jwks) -> Self {
        let mut set = Self::new();
        for key in jwks.keys.iter().filter_map(|jwk| VerifyingKey::from_jwk(jwk).ok()) {
            // A `kid` can only be there already if a key without one has it as its thumbprint: the same key.
            set.keys.entry(key.kid().to_owned()).or_insert(key);
        }
        set
    }

    /// Adds a key.
    ///
    /// # Errors
    /// [`KeyError::DuplicateKeyId`] when there is a key of that name; the set is then unchanged.
    pub fn insert(&mut self, key: VerifyingKey) -> Result<(), KeyError> {
        if self.keys.contains_key(key.kid()) {
            return Err(KeyError::DuplicateKeyId);
        }
        self.keys.insert(key.kid().to_owned(), key);
        Ok(())
    }

    /// The key of that name.
    pub fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.get(kid)
    }

    /// The key, if there is one alone.
    pub fn only(&self) -> Option<&VerifyingKey> {
        self.keys.values().next().filter(|_| self.keys.len() == 1)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The names of all keys, in no order.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }
}
