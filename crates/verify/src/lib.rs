//! Accept the access tokens of a Portcullis server in a Rust service, without asking it per request.
//!
//! What lives here: a [`Verifier`] that checks tokens offline, follows the issuer's keys and revocations, asks about
//! API tokens, a tower layer and axum extractors. What may not live here: anything of the server – this crate speaks
//! to it over its public endpoints and depends on `portcullis-jose` alone.
//!
//! # In an axum service
//!
//! ```toml
//! [dependencies]
//! portcullis-verify = { version = "0.1", features = ["axum"] }
//! ```
//!
//! ```no_run
//! # #[cfg(feature = "axum")] mod example {
//! use axum::{Router, routing::get};
//! use portcullis_verify::{Claims, RequireRole, Verifier};
//!
//! async fn me(claims: Claims) -> String {
//!     format!("{} with role {}", claims.user_id(), claims.role())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let verifier = Verifier::discover("http://localhost:8400", "http://localhost:8400").await?;
//!     let app = Router::new()
//!         .route("/me", get(me))
//!         .route("/admin", get(me).route_layer(RequireRole::new("admin")))
//!         .layer(verifier.layer());
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! # }
//! ```
//!
//! Any other `tower` service takes the same [`layer`](Verifier::layer) and finds [`Claims`] in the request's
//! extensions; without tower, call [`Verifier::verify_request`] or [`Verifier::verify`].
//!
//! # What is checked
//!
//! | check | where it comes from |
//! |---|---|
//! | form: three segments, canonical base64url, JSON without duplicate members, at most 64 KiB | RFC 7515, `portcullis-jose` |
//! | `typ` is `at+jwt`; `crit` and `b64` are refused; `jku`, `jwk`, `x5u` have no effect | RFC 9068, RFC 8725 |
//! | `kid` names a key of the issuer, and `alg` is that key's | JWKS of the issuer |
//! | signature, `iss`, `aud`, `exp`, `nbf` (5 s of leeway), the type of every claim | [`Builder::leeway`] |
//! | the session has not ended and the token's rights have not changed | the issuer's revocations, within a second |
//! | `pwd_change`: 403 until the user has chosen a new password, or with `factor_setup` set up a second factor | always |
//! | `read_only`: 403 for anything but GET, HEAD, OPTIONS, TRACE | the layer, [`Claims::require_method`] |
//!
//! # What callers are told
//!
//! `application/problem+json` (RFC 9457) with a stable `code`, as the Portcullis server itself answers:
//!
//! | status | code | when |
//! |---|---|---|
//! | 401 | `missing_token` | no `Authorization` header |
//! | 401 | `malformed_authorization` | not exactly one `Bearer <token>` or `Token <token>` |
//! | 401 | `invalid_token` | expired, revoked, forged, unknown: all the same to the caller |
//! | 403 | `password_change_required`, `read_only_session`, `forbidden`, `insufficient_scope` | see above, [`RequireRole`], [`RequireScope`] |
//! | 503 | `issuer_unavailable` | the keys were never fetched, an API token cannot be asked about, or revocations were never heard or are unknown for too long |
//!
//! # When the issuer is down
//!
//! Keys stay good and tokens are still verified. Whether tokens are accepted while nobody knows which sessions have
//! ended is for the service to choose: [`OnStale`]. API tokens get 503 once the last answer about them is five seconds
//! old. A service that has to start while the issuer is down uses [`Builder::build`] instead of
//! [`discover`](Builder::discover).
//!
//! # API tokens
//!
//! Long-lived tokens (`pct_…`) are accepted when the service has client credentials:
//! [`Builder::introspect_with`]. The answer is kept for five seconds, and dropped as soon as the token's id is among
//! the revocations.
//!
//! # Long responses
//!
//! Server-sent events and WebSockets outlive the check at their start. [`Verifier::watch`] tells when to close them.
//!
//! # Cost
//!
//! A token seen before costs less than a microsecond, another one its signature. In the background: one request that
//! waits for revocations, and the keys every five minutes. Verified tokens are held in memory until they are displaced
//! ([`Builder::cache_capacity`]).
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | (none) | [`Verifier`], the layers, [`Claims`] |
//! | `axum` | the extractors in [`axum`], `IntoResponse` for [`VerifyError`] |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod api_token;
mod authorization;
#[cfg(feature = "axum")]
pub mod axum;
mod backoff;
mod builder;
mod cache;
mod claims;
mod clock;
mod core;
mod error;
mod fetch;
mod flight;
mod follow;
mod guard;
mod introspect;
mod keys;
mod layer;
mod metadata;
mod metrics;
mod problem;
mod revocations;
mod url;
mod verifier;
mod watch;

pub use self::{
    builder::Builder,
    claims::{Claims, TokenKind},
    clock::{Clock, SystemClock},
    core::OnStale,
    error::{Cause, MetadataError, Outage, SetupError, VerifyError},
    fetch::FetchError,
    guard::{GuardService, RequireRole, RequireScope, Rule},
    layer::{VerifyLayer, VerifyService},
    metrics::{Fetch, Metrics, Source},
    verifier::Verifier,
    watch::Ended,
};

/// The crate underneath: keys, claims and the check of a signature alone.
pub use portcullis_jose as jose;

/// The README's example is compiled with the other ones.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
