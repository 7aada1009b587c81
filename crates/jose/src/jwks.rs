//! A JSON Web Key Set (RFC 7517 section 5).

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use crate::{Jwk, JwkError, json};

/// The most that is parsed: a set of a hundred RSA keys with certificates is smaller.
const MAX_JWKS_BYTES: usize = 256 * 1024;

/// The keys of an issuer, `{"keys": [...]}`.
///
/// Reading is tolerant of what it does not know and strict about what it uses: keys of an unknown type,
/// curve, purpose or algorithm, symmetric keys and keys with missing members are left out, as RFC 7517
/// section 5 asks, and so are members besides `keys`. Duplicate JSON members, and two usable keys with one
/// `kid`, refuse the whole set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The usable keys, in the order of the document.
    pub keys: Vec<Jwk>,
}

impl Jwks {
    /// Parses a JWK set document of 256 KiB at most.
    pub fn parse(json: &[u8]) -> Result<Self, JwkError> {
        if json.len() > MAX_JWKS_BYTES {
            return Err(JwkError::TooLarge);
        }
        let value =
            json::parse_unique(json).map_err(|_| JwkError::Malformed("not JSON, or a duplicate member"))?;
        Self::from_value(&value)
    }

    fn from_value(value: &Value) -> Result<Self, JwkError> {
        let Some(Value::Array(entries)) = value.get("keys") else {
            return Err(JwkError::Malformed("not an object with an array of keys"));
        };
        let keys: Vec<Jwk> = entries.iter().filter_map(|entry| Jwk::from_value(entry).ok()).collect();
        let mut seen = HashSet::new();
        if keys.iter().filter_map(Jwk::kid).all(|kid| seen.insert(kid)) {
            Ok(Self { keys })
        } else {
            Err(JwkError::DuplicateKeyId)
        }
    }

    /// The key with this `kid`.
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid() == Some(kid))
    }
}

impl<'de> Deserialize<'de> for Jwks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json::Unique(value) = json::Unique::deserialize(deserializer)?;
        Self::from_value(&value).map_err(D::Error::custom)
    }
}
