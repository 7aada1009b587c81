//! axum extractors (feature `axum`), for routes behind [`Verifier::layer`](crate::Verifier::layer) or
//! [`Verifier::optional_layer`](crate::Verifier::optional_layer).
//!
//! | extractor | without a token |
//! |---|---|
//! | [`Claims`] | 401 `missing_token` |
//! | `Option<Claims>` | `None` |
//! | [`Guarded<G>`](Guarded) | 401 `missing_token`; 403 if `G` says so |
//!
//! Without the layer all three are a 500, since nothing was checked.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use portcullis_verify::{Claims, Verifier, VerifyError, axum::{Guard, Guarded}};
//!
//! struct Admin;
//!
//! impl Guard for Admin {
//!     fn check(claims: &Claims) -> Result<(), VerifyError> {
//!         claims.require_role("admin")
//!     }
//! }
//!
//! async fn home(claims: Option<Claims>) -> String {
//!     claims.map_or("hello".to_owned(), |claims| format!("hello {}", claims.user_id()))
//! }
//!
//! async fn me(claims: Claims) -> String {
//!     claims.user_id().to_owned()
//! }
//!
//! async fn users(admin: Guarded<Admin>) -> Result<String, VerifyError> {
//!     admin.claims.require_scope("users:read")?;
//!     Ok(format!("all users, for {}", admin.claims.user_id()))
//! }
//!
//! fn routes(verifier: &Verifier) -> Router {
//!     Router::new()
//!         .route("/me", get(me))
//!         .route("/users", get(users))
//!         .layer(verifier.layer())
//!         .merge(Router::new().route("/", get(home)).layer(verifier.optional_layer()))
//! }
//! ```

use std::{fmt, marker::PhantomData};

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::{
    Claims, VerifyError,
    layer::{Refusal, checked, refusal, somebody},
};

/// Why an extractor refuses; a problem response.
#[derive(Clone, Debug)]
pub struct Rejection(Refusal);

impl Rejection {
    /// The refusal itself.
    pub fn error(&self) -> &VerifyError {
        &self.0.error
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl std::error::Error for Rejection {}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl IntoResponse for VerifyError {
    fn into_response(self) -> Response {
        self.to_response(None)
    }
}

impl<S: Sync> FromRequestParts<S> for Claims {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        somebody(&parts.extensions).cloned().map_err(Rejection)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Claims {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        checked(&parts.extensions).map(Option::<&Self>::cloned).map_err(Rejection)
    }
}

/// A condition on who calls, as a type.
pub trait Guard {
    /// Whether these claims meet it.
    fn check(claims: &Claims) -> Result<(), VerifyError>;
}

/// Claims that meet the condition `G`.
pub struct Guarded<G> {
    /// Who calls.
    pub claims: Claims,
    guard: PhantomData<fn() -> G>,
}

impl<G> fmt::Debug for Guarded<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("claims", &self.claims).finish_non_exhaustive()
    }
}

impl<G: Guard, S: Sync> FromRequestParts<S> for Guarded<G> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let claims = somebody(&parts.extensions).map_err(Rejection)?;
        G::check(claims).map_err(|error| Rejection(refusal(&parts.extensions, error)))?;
        Ok(Self { claims: claims.clone(), guard: PhantomData })
    }
}
