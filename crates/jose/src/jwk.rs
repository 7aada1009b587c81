//! One public JSON Web Key (RFC 7517), its members and its thumbprint (RFC 7638).

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeMap};
use serde_json::{Map, Value};

use crate::{Algorithm, JwkError, base64url, json};

/// The public half of a signature key: EC P-256, RSA or Ed25519.
///
/// There is no place for a private member (`d`, `p`, `q`, `dp`, `dq`, `qi`, `k`) in it: what is read from a
/// private JWK keeps the public half only, and what is written can hold nothing else. Serialises as
/// `{"kty", "crv"?, "x"?, "y"?, "n"?, "e"?, "kid"?, "use": "sig", "alg"}`.
///
/// A `Jwk` has the right shape; that its numbers make a sound key is checked by
/// [`VerifyingKey::from_jwk`](crate::VerifyingKey::from_jwk).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    pub(crate) kid: Option<String>,
    pub(crate) params: Params,
}

/// The members that make the key, as bytes; coordinates have their full length (RFC 7518 section 6.2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Params {
    Ec { x: [u8; 32], y: [u8; 32] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ed25519 { x: [u8; 32] },
}

impl Jwk {
    /// Parses one JWK; extra members are ignored, duplicate ones refused.
    pub fn parse(json: &[u8]) -> Result<Self, JwkError> {
        let value =
            json::parse_unique(json).map_err(|_| JwkError::Malformed("not JSON, or a duplicate member"))?;
        Self::from_value(&value)
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, JwkError> {
        let members = value.as_object().ok_or(JwkError::Malformed("not an object"))?;
        let params = match text(members, "kty")? {
            Some("EC") => ec(members)?,
            Some("RSA") => rsa(members)?,
            Some("OKP") => okp(members)?,
            Some(_) => return Err(JwkError::Unsupported("kty is none of EC, RSA and OKP")),
            None => return Err(JwkError::Malformed("kty is missing")),
        };
        let jwk = Self { kid: text(members, "kid")?.map(str::to_owned), params };
        jwk.check_purpose(members)?;
        Ok(jwk)
    }

    /// `use`, `key_ops` and `alg` may each be absent; present, they must allow what is done here.
    fn check_purpose(&self, members: &Map<String, Value>) -> Result<(), JwkError> {
        if text(members, "use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(JwkError::Unsupported("use is not sig"));
        }
        if text(members, "alg")?.is_some_and(|name| name != self.algorithm().as_str()) {
            return Err(JwkError::Unsupported("alg is not the one for this key type"));
        }
        match members.get("key_ops") {
            None => Ok(()),
            Some(Value::Array(operations)) if operations.iter().any(|it| it == "verify" || it == "sign") => {
                Ok(())
            }
            Some(Value::Array(_)) => Err(JwkError::Unsupported("key_ops is not for signatures")),
            Some(_) => Err(JwkError::Malformed("key_ops is not an array")),
        }
    }

    /// The key id, if there is one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The same key under another key id.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The one algorithm this key is for; it follows from the key's type.
    pub const fn algorithm(&self) -> Algorithm {
        match self.params {
            Params::Ec { .. } => Algorithm::Es256,
            Params::Rsa { .. } => Algorithm::Rs256,
            Params::Ed25519 { .. } => Algorithm::EdDsa,
        }
    }

    /// The RFC 7638 thumbprint: SHA-256 over the required members in lexical order, as base64url.
    pub fn thumbprint(&self) -> String {
        let canonical = match &self.params {
            Params::Ec { x, y } => {
                let (x, y) = (base64url::encode(x), base64url::encode(y));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Params::Rsa { n, e } => {
                let (n, e) = (base64url::encode(n), base64url::encode(e));
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
            Params::Ed25519 { x } => {
                let x = base64url::encode(x);
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
            }
        };
        base64url::encode(digest(&SHA256, canonical.as_bytes()).as_ref())
    }
}

fn ec(members: &Map<String, Value>) -> Result<Params, JwkError> {
    match text(members, "crv")? {
        Some("P-256") => Ok(Params::Ec { x: coordinate(members, "x")?, y: coordinate(members, "y")? }),
        Some(_) => Err(JwkError::Unsupported("the curve is not P-256")),
        None => Err(JwkError::Malformed("crv is missing")),
    }
}

fn okp(members: &Map<String, Value>) -> Result<Params, JwkError> {
    match text(members, "crv")? {
        Some("Ed25519") => Ok(Params::Ed25519 { x: coordinate(members, "x")? }),
        Some(_) => Err(JwkError::Unsupported("the curve is not Ed25519")),
        None => Err(JwkError::Malformed("crv is missing")),
    }
}

fn rsa(members: &Map<String, Value>) -> Result<Params, JwkError> {
    let (n, e) = (bytes(members, "n")?, bytes(members, "e")?);
    // RFC 7518 section 2: Base64urlUInt has no leading zero octets. A second spelling of one key would have
    // a second thumbprint.
    if n.first().is_none_or(|byte| *byte == 0) || e.first().is_none_or(|byte| *byte == 0) {
        return Err(JwkError::Malformed("n or e is empty or begins with a zero octet"));
    }
    Ok(Params::Rsa { n, e })
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, JwkError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwkError::Malformed("a member that must be a string is not")),
    }
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, JwkError> {
    let text = text(members, name)?.ok_or(JwkError::Malformed("a required member is missing"))?;
    base64url::decode(text).map_err(|_| JwkError::Malformed("a member is not base64url"))
}

fn coordinate(members: &Map<String, Value>, name: &str) -> Result<[u8; 32], JwkError> {
    bytes(members, name)?.try_into().map_err(|_| JwkError::Malformed("a coordinate is not 32 bytes long"))
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.params {
            Params::Ec { x, y } => {
                map.serialize_entry("kty", "EC")?;
                map.serialize_entry("crv", "P-256")?;
                map.serialize_entry("x", &base64url::encode(x))?;
                map.serialize_entry("y", &base64url::encode(y))?;
            }
            Params::Rsa { n, e } => {
                map.serialize_entry("kty", "RSA")?;
                map.serialize_entry("n", &base64url::encode(n))?;
                map.serialize_entry("e", &base64url::encode(e))?;
            }
            Params::Ed25519 { x } => {
                map.serialize_entry("kty", "OKP")?;
                map.serialize_entry("crv", "Ed25519")?;
                map.serialize_entry("x", &base64url::encode(x))?;
            }
        }
        if let Some(kid) = &self.kid {
            map.serialize_entry("kid", kid)?;
        }
        map.serialize_entry("use", "sig")?;
        map.serialize_entry("alg", &self.algorithm())?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json::Unique(value) = json::Unique::deserialize(deserializer)?;
        Self::from_value(&value).map_err(D::Error::custom)
    }
}
