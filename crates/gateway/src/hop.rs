//! To the app and back: one connection pool per app, HTTP/1.1 or HTTP/2, bodies as they come.
//!
//! A request is sent a second time only where the first cannot have done anything, or may be done twice: nothing of
//! it was sent; or its method is idempotent (RFC 9110 section 9.2.2), the connection was a pooled one that had gone
//! stale, and all of its body is at hand.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::UPGRADE;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portcullis_edge::{Code, Problem};
use rustls::pki_types::ServerName;
use tower::Service;
use url::Url;

use crate::throttle::Throttle;
use crate::upload::{Upload, Watched};
use crate::{issuer, tls};

const KEEPALIVE: Duration = Duration::from_mins(1);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Below the 5 s after which Node closes idle connections; who is asked often keeps them busy anyway.
const IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept per app and host.
const MOST_IDLE: usize = 1024;
/// What a client may send ahead over HTTP/2 before the app has taken it, in bytes.
const WINDOW: u32 = 1024 * 1024;

static SLOW: Throttle = Throttle::new();
static LOST: Throttle = Throttle::new();

/// The way to one app.
#[derive(Clone)]
pub(crate) struct App {
    client: Client<HttpsConnector<Fixed>, Upload>,
    /// Over HTTP/1.1 alone, where connections can be upgraded.
    upgradable: Client<HttpsConnector<Fixed>, Upload>,
    scheme: Scheme,
    authority: Authority,
    patience: Duration,
}

impl App {
    /// Of an `http`, `https` or `h2c` URL.
    pub(crate) fn new(url: &Url, patience: Duration) -> Result<Self, String> {
        let unusable = || format!("gateway.upstream: {url} cannot be used; write scheme, host and port");
        let (scheme, http2) = match url.scheme() {
            "http" => (Scheme::HTTP, false),
            "https" => (Scheme::HTTPS, false),
            "h2c" => (Scheme::HTTP, true),
            _ => return Err(unusable()),
        };
        let host = url.host_str().ok_or_else(unusable)?;
        let usual = if scheme == Scheme::HTTPS { 443 } else { 80 };
        let port = url.port().unwrap_or(usual);
        let authority: Authority = format!("{host}:{port}").parse().map_err(|_| unusable())?;
        let at =
            Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/").build();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        // Who is gone without a word is noticed, however long a stream is silent.
        http.set_keepalive(Some(KEEPALIVE));
        http.set_connect_timeout(Some(CONNECT_PATIENCE));
        let fixed = Fixed { http, at: at.map_err(|_| unusable())? };
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(|_| unusable())?;
        let tls = tls::config(scheme == Scheme::HTTPS)?;
        let builder = || {
            let resolver = FixedServerNameResolver::new(name.clone());
            let builder = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
            builder.with_server_name_resolver(resolver)
        };
        let upgradable = pool().build(builder().enable_http1().wrap_connector(fixed.clone()));
        let connector = if http2 {
            builder().enable_http2().wrap_connector(fixed)
        } else {
            builder().enable_all_versions().wrap_connector(fixed)
        };
        let client = pool().http2_only(http2).build(connector);
        Ok(Self { client, upgradable, scheme, authority, patience })
    }

    /// The URL to ask for: the client's host stays, whoever is connected to.
    pub(crate) fn uri(&self, host: &str, target: Option<&PathAndQuery>) -> Option<Uri> {
        let authority = host.parse().unwrap_or_else(|_| self.authority.clone());
        let target = target.cloned().unwrap_or(PathAndQuery::from_static("/"));
        Uri::builder().scheme(self.scheme.clone()).authority(authority).path_and_query(target).build().ok()
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        head: &Outgoing,
        body: Upload,
        watched: &Watched,
    ) -> Result<Response<Incoming>, Problem> {
        let first = match self.send_once(head.with(body), watched).await {
            Err(Failure::Lost(error)) if is_idempotent(&head.method) && is_stale(&error) => error,
            answered => return answered.map_err(|failure| failure.told(watched)),
        };
        match Upload::again(watched) {
            Some(body) => {
                self.send_once(head.with(body), watched).await.map_err(|failure| failure.told(watched))
            }
            None => Err(Failure::Lost(first).told(watched)),
        }
    }

    async fn send_once(
        &self,
        request: Request<Upload>,
        watched: &Watched,
    ) -> Result<Response<Incoming>, Failure> {
        let upgrades = request.headers().contains_key(UPGRADE);
        let client = if upgrades { &self.upgradable } else { &self.client };
        let mut answer = std::pin::pin!(client.request(request));
        let mut seen = 0;
        loop {
            match tokio::time::timeout(self.patience, answer.as_mut()).await {
                Ok(answer) => return answer.map_err(Failure::Lost),
                Err(_) => match watched {
                    // The app may take as long as the client does to send.
                    Some(progress) if !progress.is_whole() && progress.seen() > seen => {
                        seen = progress.seen();
                    }
                    _ => return Err(Failure::Slow),
                },
            }
        }
    }
}

/// A request but for its body, to be sent once or twice.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

impl Outgoing {
    fn with(&self, body: Upload) -> Request<Upload> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

enum Failure {
    Lost(Error),
    Slow,
}

impl Failure {
    fn told(self, watched: &Watched) -> Problem {
        if let Some(progress) = watched {
            if progress.was_too_large() {
                return Problem::new(Code::BodyTooLarge).detail("The body is larger than this site takes.");
            }
            if progress.was_idle() || progress.was_broken() {
                return Code::RequestTimeout.into();
            }
        }
        match self {
            Self::Slow => {
                if SLOW.pass() {
                    tracing::warn!("the app has not answered in time");
                }
                Code::GatewayTimeout.into()
            }
            Self::Lost(error) => {
                if LOST.pass() {
                    tracing::warn!(reason = issuer::told(&error), "the app cannot be asked");
                }
                Code::BadGateway.into()
            }
        }
    }
}

/// The app closed a kept connection just when we took it.
fn is_stale(error: &Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return error.is_incomplete_message()
                || error.is_closed()
                || error.is_canceled()
                || has_reset(error);
        }
        cause = error.source();
    }
    false
}

fn has_reset(error: &hyper::Error) -> bool {
    let io = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| {
        matches!(io.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe)
    })
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

fn pool() -> Builder {
    let mut pool = Client::builder(TokioExecutor::new());
    pool.pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MOST_IDLE)
        .set_host(false)
        .http2_initial_stream_window_size(WINDOW)
        .http2_initial_connection_window_size(WINDOW * 4);
    pool
}

/// Connects to the app, whatever host the request names.
#[derive(Clone)]
struct Fixed {
    http: HttpConnector,
    at: Uri,
}

type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Service<Uri> for Fixed {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Connecting<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = self.http.call(self.at.clone());
        Box::pin(connecting)
    }
}
