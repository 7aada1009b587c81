//! The edge of the application: what happens to every request, in this order.
//!
//! 1. Request id: a sane incoming one is kept.
//! 2. Host: a name that is not ours is told so (421). Health answers whoever asks.
//! 3. A trailing slash is dropped.
//! 4. What a page of a listed origin asks before it asks (CORS) is answered.
//! 5. The handler, within `server.request_timeout`; a panic becomes a 500.
//! 6. Security headers, CORS, request id, metrics. What an error has for the log is logged here, once.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::ALLOW;
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use portcullis_app::Cx;
use portcullis_core::random;
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use portcullis_edge::request_id::{RequestId, X_REQUEST_ID};
use tower::Service;

use crate::api::openapi;
use crate::api::revocations::MAX_WAIT;
use crate::cors::Cors;
use crate::failure::{Failure, Logged};
use crate::metrics::RouteMetrics;
use crate::oauth::OAuthFailure;
use crate::state::{Readiness, Web, WebConfig};
use crate::{paths, routes};

/// The application: give it to [`crate::serve::serve`].
#[derive(Clone)]
pub struct App {
    web: Web,
    router: Router,
    metrics: Arc<RouteMetrics>,
    /// Whether it answers only for names of ours.
    own_hosts_only: bool,
}

/// Makes the application.
///
/// # Errors
/// A setting that cannot be used, by name.
pub fn app(cx: Arc<Cx>, config: WebConfig) -> Result<App, String> {
    let (router, document) = routes::table().split_for_parts();
    let document = openapi::complete(document, config.version)?;
    let web = Web::new(cx, config, document)?;
    let router = router.fallback(not_found).with_state(web.clone());
    Ok(App { web, router, metrics: Arc::new(RouteMetrics::new()), own_hosts_only: true })
}

async fn not_found() -> Failure {
    Failure::new(Code::NotFound)
}

impl App {
    /// What is served on `forward_auth.listen`: proxies only, who need no secret there. They may pass the host on
    /// that they were asked for, which is none of ours.
    #[must_use]
    pub fn forward_auth(&self) -> Self {
        let router = routes::forward_auth().fallback(not_found).with_state(self.web.clone());
        Self { router, own_hosts_only: false, ..self.clone() }
    }

    /// The switch that makes the node not ready.
    pub fn readiness(&self) -> Readiness {
        self.web.readiness.clone()
    }

    /// How many requests wait for revocations.
    pub fn waiting(&self) -> usize {
        self.web.waiters.len()
    }

    /// Where mails can be read that are kept because there is no mail server, if they can.
    pub fn kept_mail_page(&self) -> Option<String> {
        let base = self.web.config.public_url.as_str().trim_end_matches('/');
        crate::pages::dev_mail::exists(&self.web).then(|| format!("{base}{}", paths::DEV_MAIL))
    }

    /// What an operator should know at start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.web.https && !portcullis_edge::host::is_loopback(&self.web.config.public_url) {
            warnings.push(
                "server.public_url is http: passwords and tokens travel in clear; use https in front"
                    .to_owned(),
            );
        }
        if !self.web.https && self.web.cookies.usable {
            warnings.push(
                "server.public_url is plain http: cookies are set without Secure, which is for development on this \
                 machine only"
                    .to_owned(),
            );
        }
        if self.web.https && self.web.config.trusted_proxies.is_empty() {
            warnings.push(
                "server.public_url is https, so a proxy is in front, but server.trusted_proxies is empty: all \
                 clients share one address"
                    .to_owned(),
            );
        }
        warnings
    }
}

impl<B> Service<Request<B>> for App
where
    B: http_body_util::BodyExt<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let app = self.clone();
        Box::pin(async move { Ok(app.answer(request.map(Body::new)).await) })
    }
}

impl App {
    async fn answer(mut self, mut request: Request<Body>) -> Response {
        let begun = Instant::now();
        let id = RequestId::of(request.headers(), || random::bytes(&*self.web.cx.random));
        if let Some(uri) = without_trailing_slash(request.uri()) {
            *request.uri_mut() = uri;
        }
        let route = paths::position(request.uri().path());
        let method = request.method().clone();
        let by_page = self.own_hosts_only && request.uri().path() != paths::VERIFY;
        let cors = if by_page { self.web.cors.by_page(&request) } else { Cors::by_proxy() };
        let mut response = match (self.check_host(&request), cors.preflight()) {
            (Err(problem), _) => refused(problem.into(), route),
            (Ok(()), Some(preflight)) => preflight,
            (Ok(()), None) => self.handle(request, route).await,
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response = method_not_allowed(&response, route);
        }
        self.web.security.apply(response.headers_mut());
        cors.apply(response.headers_mut());
        response.headers_mut().insert(X_REQUEST_ID, id.header_value());
        log(&mut response, &id, &method, route);
        self.metrics.count(route, response.status(), begun.elapsed());
        response
    }

    fn check_host(&self, request: &Request<Body>) -> Result<(), Problem> {
        if !self.own_hosts_only || matches!(request.uri().path(), paths::LIVE | paths::READY) {
            return Ok(());
        }
        self.web.hosts.check(request.uri(), request.headers()).map_err(Problem::from)
    }

    async fn handle(&mut self, request: Request<Body>, route: Option<usize>) -> Response {
        let limit = self.time_limit(request.uri().path());
        let work = AssertUnwindSafe(self.router.call(request)).catch_unwind();
        match tokio::time::timeout(limit, work).await {
            Ok(Ok(Ok(response))) => response,
            // What it said may hold anything, a secret included; where it was, the panic hook tells.
            Ok(Err(_)) => refused(Failure::logged(Code::InternalError, "a handler panicked"), route),
            Err(_) => refused(Failure::new(Code::RequestTimeout), route),
        }
    }

    /// Who asks to wait is not slow.
    fn time_limit(&self, path: &str) -> Duration {
        let limit = self.web.config.request_timeout;
        if path == paths::REVOCATIONS { limit + MAX_WAIT } else { limit }
    }
}

/// The router says which methods there are, but not in our form.
fn method_not_allowed(response: &Response, route: Option<usize>) -> Response {
    let problem = Problem::new(Code::MethodNotAllowed);
    let problem = match response.headers().get(ALLOW) {
        Some(allow) => problem.allow(allow.clone()),
        None => problem,
    };
    refused(problem.into(), route)
}

/// What no handler has answered, in the form of the route it was meant for.
fn refused(failure: Failure, route: Option<usize>) -> Response {
    match route.map(|at| paths::ALL[at]) {
        Some(paths::OAUTH_TOKEN | paths::OAUTH_INTROSPECT | paths::OAUTH_REVOKE) => {
            OAuthFailure::from(failure).into_response()
        }
        _ => failure.into_response(),
    }
}

fn without_trailing_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let short = path.strip_suffix('/').filter(|short| !short.is_empty() && !short.ends_with('/'))?;
    let text = match uri.query() {
        Some(query) => format!("{short}?{query}"),
        None => short.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

/// One line for what is ours to mend; what callers do wrong only when debugging.
fn log(response: &mut Response, id: &RequestId, method: &Method, route: Option<usize>) {
    let status = response.status().as_u16();
    let logged = response.extensions_mut().remove::<Logged>();
    let route = route.map_or("none", |at| paths::ALL[at]);
    let (id, text) = (id.as_str(), logged.as_ref().map(|logged| logged.0.as_str()));
    match (status, text) {
        (503, Some(error)) => {
            tracing::warn!(request.id = id, %method, http.route = route, status, error, "answered 503");
        }
        (500.., error) => {
            tracing::error!(request.id = id, %method, http.route = route, status, error, "answered with a fault");
        }
        (_, Some(reason)) => {
            tracing::debug!(request.id = id, %method, http.route = route, status, reason, "refused");
        }
        (_, None) => tracing::debug!(request.id = id, %method, http.route = route, status, "answered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_slash_is_dropped() {
        let short =
            |text: &'static str| without_trailing_slash(&Uri::from_static(text)).map(|uri| uri.to_string());
        assert_eq!(short("/auth/me/").as_deref(), Some("/auth/me"));
        assert_eq!(short("/auth/sessions/?limit=1").as_deref(), Some("/auth/sessions?limit=1"));
        assert_eq!(short("/"), None);
        assert_eq!(short("/auth/me"), None);
        assert_eq!(short("/auth/me//"), None);
    }
}
