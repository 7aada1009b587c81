//! Strict JWS, JWK and JWKS for OAuth 2.0 access tokens (RFC 7515, 7517, 7519, 7638, 8725, 9068).
//!
//! What lives here: the compact JWS form, public keys and key sets, and the claims of an access token.
//! Verifying is always there; private keys and signing come with the feature `sign`.
//! What may not live here: HTTP, async, a clock (the time is an argument), sessions, and any rule about
//! *who* may do what. The crate knows keys, time stamps and bytes.
//!
//! # What is different from a general JWT library
//!
//! - **Keys decide, tokens do not.** A [`VerifyingKey`] is pinned to one [`Algorithm`] when it is made. The
//!   token's `alg` is only compared with it; `none`, a switch to HS256 and keys carried in the token (`jku`,
//!   `jwk`, `x5u`, `x5c`) have no way in.
//! - **Keys are parsed once.** Verifying allocates for the claims and one buffer, signing for the token.
//! - **One form per token.** Padding, whitespace, spare base64 bits, duplicate JSON members, `crit` and `b64`
//!   are refused, so that two parsers can never read two things out of one token.
//! - **One kind of token.** [`verify`] accepts `at+jwt` only (RFC 8725 section 3.11), never an ID token;
//!   [`verify_id_token`] accepts nothing else.
//!
//! # Verifying
//!
//! ```
//! use portcullis_jose::{verify, Checks, Jwks, KeySet, VerifyError};
//!
//! let jwks = Jwks::parse(br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-01","use":"sig",
//!     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#)?;
//! let keys = KeySet::from_jwks(&jwks);
//! let checks = Checks::new("https://auth.example", ["https://api.example"]);
//!
//! let now_unix_seconds = 1_767_225_600;
//! let answer = verify("not.a.token", &keys, &checks, now_unix_seconds);
//! assert!(matches!(answer, Err(VerifyError::Malformed(_))));
//! # Ok::<(), portcullis_jose::JwkError>(())
//! ```
//!
//! # Signing (feature `sign`)
//!
//! ```
//! # #[cfg(feature = "sign")] {
//! use portcullis_jose::{verify, AccessClaims, Algorithm, Checks, KeySet, SigningKey};
//!
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! let claims = AccessClaims {
//!     iss: "https://auth.example".into(),
//!     aud: vec!["https://auth.example".into()],
//!     sub: "0192f0c1-0000-7000-8000-000000000001".into(),
//!     sid: "0192f0c1-0000-7000-8000-000000000002".into(),
//!     jti: "0192f0c1-0000-7000-8000-000000000003".into(),
//!     client_id: "first-party".into(),
//!     role: "user".into(),
//!     iat: 1_767_225_600,
//!     nbf: 1_767_225_600,
//!     exp: 1_767_226_500,
//!     ..AccessClaims::default()
//! };
//! let token = key.sign_claims(&claims)?;
//!
//! let mut keys = KeySet::new();
//! keys.insert(key.verifying_key())?;
//! let checks = Checks::new("https://auth.example", ["https://auth.example"]);
//! assert_eq!(verify(&token, &keys, &checks, 1_767_225_700)?, claims);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod algorithm;
mod base64url;
mod claims;
#[cfg(feature = "sign")]
mod der;
mod error;
mod header;
mod id_token;
mod json;
mod jwk;
mod jwks;
mod jws;
mod key;
mod key_set;
mod numeric_date;
#[cfg(feature = "sign")]
mod pem;
#[cfg(feature = "sign")]
mod private;
#[cfg(feature = "sign")]
mod sign;
mod verify;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{AccessClaims, Actor, TokenStatus};
pub use error::{JwkError, KeyError};
pub use id_token::{SignedClaims, verify_id_token};
pub use jwk::Jwk;
pub use jwks::Jwks;
pub use jws::{MAX_HEADER_BYTES, MAX_TOKEN_BYTES, verify_signature};
pub use key::VerifyingKey;
pub use key_set::KeySet;
#[cfg(feature = "sign")]
pub use sign::{SignError, SigningKey};
pub use verify::{Checks, MAX_LEEWAY_SECONDS, VerifyError, verify, verify_at_any_time};

/// The README's example is compiled with the other ones.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
