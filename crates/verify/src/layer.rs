//! A tower layer in front of any `http` service: axum, hyper, tonic.
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use portcullis_verify::{Claims, Verifier};
//! use tower::{ServiceBuilder, service_fn};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::discover("https://auth.example", "https://api.example").await?;
//! let service = ServiceBuilder::new().layer(verifier.layer()).service(service_fn(
//!     async |request: Request<Full<Bytes>>| {
//!         let user = request.extensions().get::<Claims>().map(|claims| claims.user_id().to_owned());
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(user.unwrap_or_default())))
//!     },
//! ));
//! # Ok(())
//! # }
//! ```

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Claims, Verifier, VerifyError};

/// Verifies every request and puts [`Claims`] into its extensions. A refused request does not reach the service.
///
/// A browser's CORS preflight carries no token: put the CORS layer outside of this one.
#[derive(Clone, Debug)]
pub struct VerifyLayer {
    verifier: Verifier,
    issuer: Arc<str>,
    required: bool,
}

impl Verifier {
    /// A layer that refuses requests without a token (401 `missing_token`).
    pub fn layer(&self) -> VerifyLayer {
        VerifyLayer { verifier: self.clone(), issuer: self.issuer().into(), required: true }
    }

    /// A layer that lets requests without a token pass without [`Claims`]. A token that is there must be good all the
    /// same: a caller with an expired one is told, and not taken for nobody.
    pub fn optional_layer(&self) -> VerifyLayer {
        VerifyLayer { required: false, ..self.layer() }
    }
}

impl<S> Layer<S> for VerifyLayer {
    type Service = VerifyService<S>;

    fn layer(&self, inner: S) -> VerifyService<S> {
        VerifyService { inner, layer: self.clone() }
    }
}

/// What [`VerifyLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct VerifyService<S> {
    inner: S,
    layer: VerifyLayer,
}

/// Stands in the extensions of a request that a layer has let through, with or without a token.
#[derive(Clone)]
pub(crate) struct Checked {
    pub(crate) issuer: Arc<str>,
}

/// A refusal, and the issuer whose documentation tells about it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) error: VerifyError,
    pub(crate) issuer: Option<Arc<str>>,
}

impl Refusal {
    pub(crate) fn into_response<B: From<Bytes>>(self) -> Response<B> {
        self.error.to_response(self.issuer.as_deref())
    }
}

/// The claims a layer has put there.
pub(crate) fn checked(extensions: &http::Extensions) -> Result<Option<&Claims>, Refusal> {
    if extensions.get::<Checked>().is_none() {
        tracing::error!("{}", VerifyError::NoLayer);
        return Err(Refusal { error: VerifyError::NoLayer, issuer: None });
    }
    Ok(extensions.get::<Claims>())
}

/// The same, for who needs somebody.
pub(crate) fn somebody(extensions: &http::Extensions) -> Result<&Claims, Refusal> {
    checked(extensions)?.ok_or_else(|| refusal(extensions, VerifyError::MissingToken))
}

pub(crate) fn refusal(extensions: &http::Extensions, error: VerifyError) -> Refusal {
    Refusal { error, issuer: extensions.get::<Checked>().map(|checked| checked.issuer.clone()) }
}

impl VerifyLayer {
    fn judge(&self, answer: Result<Option<Claims>, VerifyError>) -> Result<Option<Claims>, VerifyError> {
        match answer {
            Ok(None) if self.required => {
                self.verifier.refused(&VerifyError::MissingToken);
                Err(VerifyError::MissingToken)
            }
            answer => answer,
        }
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S, B, R> Service<Request<B>> for VerifyService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready must be the one that is called.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        let (mut parts, body) = request.into_parts();
        Box::pin(async move {
            let verifier = &layer.verifier;
            let answer = match verifier.verify_request_cached(&parts.method, &parts.headers) {
                Some(answer) => answer,
                None => verifier.verify_request(&parts.method, &parts.headers).await,
            };
            match layer.judge(answer) {
                Ok(claims) => {
                    // Whatever an outer layer has found, this one's word counts.
                    parts.extensions.remove::<Claims>();
                    parts.extensions.insert(Checked { issuer: layer.issuer });
                    claims.map(|claims| parts.extensions.insert(claims));
                    inner.call(Request::from_parts(parts, body)).await
                }
                Err(error) => Ok(Refusal { error, issuer: Some(layer.issuer) }.into_response()),
            }
        })
    }
}
