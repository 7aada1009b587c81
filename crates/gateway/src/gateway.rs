//! One request, from its head to the head of its answer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use metrics::{Counter, Histogram, counter, histogram};
use portcullis_core::random::{self, Random};
use portcullis_core::server_key::KeyRing;
use portcullis_core::time::Clock;
use portcullis_edge::request_id::{RequestId, X_REQUEST_ID};
use portcullis_edge::security_headers::SecurityHeaders;
use portcullis_edge::{Code, Problem};
use portcullis_verify::{OnStale, SetupError, Verifier};
use serde_json::json;
use tower::Service;

use crate::answer::{self, Answer};
use crate::auth::{self, AccessCode, Asked, Brought};
use crate::body::Body;
use crate::config::{Csrf, GatewayConfig};
use crate::door::Door;
use crate::forwarded::Addresses;
use crate::hop::App;
use crate::issuer::{Issuer, OnBehalf};
use crate::jar::{Jar, Presented};
use crate::keeper::Keeper;
use crate::proxy::Passing;
use crate::route::{self, Routes};
use crate::upload;
use crate::who::Doorman;
use crate::{paths, shape};

/// A gateway: a service for whoever accepts connections. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

/// Why a gateway cannot be made: what is wrong, and how to mend it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl From<String> for StartError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

pub(crate) struct Inner {
    pub(crate) routes: Routes,
    pub(crate) door: Door,
    pub(crate) doorman: Doorman,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) issuer_url: String,
    pub(crate) jar: Jar,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) addresses: Addresses,
    security: SecurityHeaders,
    random: Arc<dyn Random>,
    pub(crate) scheme: String,
    pub(crate) csrf_token_too: bool,
    pub(crate) limits: upload::Limits,
    pub(crate) access_code: Option<AccessCode>,
    /// Seconds.
    pub(crate) grace: i64,
    counters: Counters,
}

/// How many requests were answered, and how long that took to the head of the answer.
struct Counters {
    answered: [Counter; CLASSES.len()],
    seconds: Histogram,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Counters {
    fn new() -> Self {
        let answered = CLASSES.map(|class| counter!("portcullis_gateway_requests_total", "status" => class));
        Self { answered, seconds: histogram!("portcullis_gateway_request_seconds") }
    }

    fn count(&self, status: StatusCode, took: Duration) {
        self.answered[usize::from((status.as_u16() / 100).clamp(1, 5)) - 1].increment(1);
        self.seconds.record(took.as_secs_f64());
    }
}

/// How often an issuer is asked that does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// The one clock for everything.
struct VerifyClock(Arc<dyn Clock>, Instant);

impl portcullis_verify::Clock for VerifyClock {
    fn unix_seconds(&self) -> i64 {
        self.0.now().seconds()
    }

    fn elapsed(&self) -> Duration {
        self.1.elapsed()
    }
}

impl Gateway {
    /// Makes a gateway, inside of a Tokio runtime. The issuer need not be up yet.
    ///
    /// # Errors
    /// What of the configuration cannot be used.
    pub fn new(
        config: GatewayConfig,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StartError> {
        let https = config.public_url.scheme() == "https";
        if !https {
            check_plain_http(&config.public_url)?;
        }
        let keys = Arc::new(config.keys);
        let issuer =
            Issuer::new(&config.issuer, config.reach_at.as_deref(), config.issuer_secret.as_deref())?;
        let issuer = Arc::new(issuer);
        let door = Door::new(
            (&config.audience, config.rules),
            config.require_sign_in,
            &config.issuer,
            (&config.public_url, &config.trusted_origins),
        )?;
        let audience = door.audiences()[0].clone();
        let mut verifier = Verifier::builder(&config.issuer)
            .audience(&config.issuer)
            .clock(VerifyClock(clock.clone(), Instant::now()))
            .on_stale(config.max_staleness.map_or(OnStale::Accept, |after| OnStale::Refuse { after }))
            .cache_capacity(0);
        for audience in door.audiences() {
            verifier = verifier.audience(&**audience);
        }
        if let Some(at) = &config.reach_at {
            verifier = verifier.reach_at(at).allow_plain_http();
        }
        let verifier = verifier.build().map_err(|error| match error {
            SetupError::PlainHttp(url) => format!(
                "gateway.issuer = {url:?} is not https: whoever is on the way could hand out keys of their own; use \
                 https, or name where it is reached in gateway.reach_at if that network is trusted"
            ),
            error => format!("gateway.issuer: {error}"),
        })?;
        let keeper = Keeper::new(issuer.clone(), clock, audience.clone(), config.grace);
        let patience = config.upstream_timeout;
        let app = |url: &url::Url| App::new(url, patience);
        Ok(Self(Arc::new(Inner {
            routes: Routes::new(&config.public_url, &config.hosts, &config.targets, app)?,
            door,
            doorman: Doorman::new(verifier, keeper, issuer.clone(), audience),
            issuer,
            issuer_url: config.issuer,
            jar: Jar::new(https, keys.clone(), random.clone())?,
            keys,
            addresses: Addresses::new(&config.trusted_proxies, &config.client_address_header, https)?,
            security: SecurityHeaders::new(https),
            random,
            scheme: config.public_url.scheme().to_owned(),
            csrf_token_too: config.csrf == Csrf::Token,
            limits: upload::Limits {
                most: config.max_body,
                replay: config.replay_limit,
                patience: config.request_timeout,
            },
            access_code: config.access_code.map(AccessCode::new),
            grace: config.grace.as_secs().cast_signed(),
            counters: Counters::new(),
        })))
    }
}

/// On plain http the cookies are not `Secure`, and everybody on the way can read them.
fn check_plain_http(public_url: &url::Url) -> Result<(), StartError> {
    if !portcullis_edge::host::is_loopback(public_url) {
        return Err(StartError(format!(
            "gateway.public_url = \"{public_url}\" is plain http: sessions would travel in clear; write the https URL \
             by which browsers come, or use localhost"
        )));
    }
    tracing::warn!(
        "gateway.public_url is plain http: cookies are set without Secure, which is for development on this machine only"
    );
    Ok(())
}

impl Gateway {
    /// Asks the issuer, once it answers, whether it believes what this gateway says about clients, and tells the
    /// operator if it does not.
    pub async fn warn_if_disbelieved(self) {
        loop {
            match self.0.issuer.believes().await {
                Some(true) => return,
                Some(false) => {
                    tracing::warn!(
                        issuer = self.0.issuer_url,
                        "the issuer does not believe this gateway: all clients share one address there; add the \
                         gateway's address to server.trusted_proxies of the issuer"
                    );
                    return;
                }
                None => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }
}

impl Service<Request<Incoming>> for Gateway {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { Ok(inner.answer(request).await) })
    }
}

/// Whose answer it is: the app's goes on with the app's own headers.
pub(crate) enum Reply {
    Own(Answer),
    App(Answer),
}

impl Reply {
    fn headers_mut(&mut self) -> &mut HeaderMap {
        match self {
            Self::Own(answer) | Self::App(answer) => answer.headers_mut(),
        }
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let begun = Instant::now();
        let id = RequestId::of(request.headers(), || random::bytes(&*self.random));
        let reply = match self.handle(request, &id).await {
            Ok(reply) => reply,
            Err(problem) => Reply::Own(answer::problem(problem)),
        };
        let mut response = match reply {
            Reply::App(response) => response,
            Reply::Own(mut response) => {
                self.security.apply(response.headers_mut());
                response
            }
        };
        response.headers_mut().insert(X_REQUEST_ID, id.header_value());
        self.counters.count(response.status(), begun.elapsed());
        response
    }

    async fn handle(&self, request: Request<Incoming>, id: &RequestId) -> Result<Reply, Problem> {
        shape::check(&request)?;
        let (parts, body) = request.into_parts();
        if let Some(told) = self.health(&parts) {
            return Ok(Reply::Own(told));
        }
        self.routes.check_host(&parts)?;
        let host = route::host_of(&parts).ok_or(Code::MalformedRequest)?.to_owned();
        let way = self.addresses.way(&parts);
        let client = OnBehalf::of(&parts, way.address, id);
        let presented = self.jar.read(&parts.headers)?;
        let others = presented.others.clone();
        let brought = Arc::new(self.brought(&presented));
        let path = parts.uri.path();
        if !brought.code && !matches!(path, paths::ACCESS_CODE | paths::STYLE) {
            return Ok(Reply::Own(auth::before_the_code(&parts)));
        }
        // Whatever comes of the request: a session that was refreshed for it goes out with the answer.
        let mut used = None;
        let mut reply = if path.starts_with(paths::PREFIX) {
            let asked = Asked { parts, brought: brought.clone(), client, host };
            Reply::Own(self.auth(asked, body).await)
        } else {
            let passing = Passing { parts, body, brought: brought.clone(), client, way, host, others };
            let passed = self.pass_on(passing, id, &mut used).await;
            passed.unwrap_or_else(|problem| Reply::Own(answer::problem(problem)))
        };
        self.set_newest(reply.headers_mut(), &brought, used).await;
        Ok(reply)
    }

    fn brought(&self, presented: &Presented<'_>) -> Brought {
        let now = self.doorman.keeper.now();
        let known = |code: &AccessCode| code.is_known(presented.access_code, &self.keys, now);
        Brought {
            session: self.doorman.opened(&self.jar, presented),
            parts: presented.parts,
            device: presented.device.map(str::to_owned),
            challenge: presented.challenge.and_then(|sealed| self.jar.open_challenge(sealed)),
            code: self.access_code.as_ref().is_none_or(known),
        }
    }

    /// For probes, which know no host.
    fn health(&self, parts: &Parts) -> Option<Answer> {
        let ready = match parts.uri.path() {
            paths::LIVE => true,
            paths::READY => self.doorman.verifier.is_ready(),
            _ => return None,
        };
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Some(answer::json(status, &json!({ "status": if ready { "ok" } else { "waiting for the issuer" } })))
    }
}
