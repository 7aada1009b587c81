//! Who may pass: layers that go inside of [`Verifier::layer`](crate::Verifier::layer).
//!
//! ```no_run
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::{delete, get}};
//! use portcullis_verify::{RequireRole, RequireScope, Verifier};
//!
//! # async fn list() {}
//! # async fn remove() {}
//! # fn routes(verifier: &Verifier) -> Router {
//! Router::new()
//!     .route("/orders", get(list).route_layer(RequireScope::new("orders:read")))
//!     .route("/orders/{id}", delete(remove).route_layer(RequireRole::new("admin")))
//!     .layer(verifier.layer())
//! # }
//! # }
//! ```

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Claims, VerifyError,
    layer::{refusal, somebody},
};

/// Lets only users with one of these roles pass; 403 `forbidden` for others.
#[derive(Clone, Debug)]
pub struct RequireRole(Arc<[String]>);

impl RequireRole {
    /// This role.
    pub fn new(role: impl Into<String>) -> Self {
        Self::any_of([role.into()])
    }

    /// Any of these roles. None of none.
    pub fn any_of<R: Into<String>>(roles: impl IntoIterator<Item = R>) -> Self {
        Self(roles.into_iter().map(Into::into).collect())
    }
}

/// Lets only tokens with all of these scopes pass, and unrestricted ones; 403 `insufficient_scope` for others.
#[derive(Clone, Debug)]
pub struct RequireScope(Arc<[String]>);

impl RequireScope {
    /// This scope.
    pub fn new(scope: impl Into<String>) -> Self {
        Self::all_of([scope.into()])
    }

    /// All of these scopes.
    pub fn all_of<R: Into<String>>(scopes: impl IntoIterator<Item = R>) -> Self {
        Self(scopes.into_iter().map(Into::into).collect())
    }
}

/// What [`RequireRole`] and [`RequireScope`] make of a service.
#[derive(Clone, Debug)]
pub struct GuardService<S, R> {
    inner: S,
    rule: R,
}

/// A rule that a token meets or not.
pub trait Rule {
    /// Whether these claims meet it.
    fn check(&self, claims: &Claims) -> Result<(), VerifyError>;
}

impl Rule for RequireRole {
    fn check(&self, claims: &Claims) -> Result<(), VerifyError> {
        if self.0.iter().any(|role| role == claims.role()) { Ok(()) } else { Err(VerifyError::Forbidden) }
    }
}

impl Rule for RequireScope {
    fn check(&self, claims: &Claims) -> Result<(), VerifyError> {
        if self.0.iter().all(|scope| claims.has_scope(scope)) {
            return Ok(());
        }
        Err(VerifyError::InsufficientScope { needed: self.0.join(" ") })
    }
}

impl<S> Layer<S> for RequireRole {
    type Service = GuardService<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService { inner, rule: self.clone() }
    }
}

impl<S> Layer<S> for RequireScope {
    type Service = GuardService<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService { inner, rule: self.clone() }
    }
}

impl<S, G, B, R> Service<Request<B>> for GuardService<S, G>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    G: Rule,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let extensions = request.extensions();
        let checked = somebody(extensions)
            .and_then(|claims| self.rule.check(claims).map_err(|error| refusal(extensions, error)));
        match checked {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(refusal) => {
                let response = refusal.into_response();
                Box::pin(async move { Ok(response) })
            }
        }
    }
}
