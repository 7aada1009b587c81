//! One request, from its head to the head of its answer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use metrics::{Counter, Histogram, counter, histogram};
use portcullis_core::random::{self, Random};
use portcullis_core::server_key::KeyRing;
use portcullis_core::time::Clock;
use portcullis_edge::request_id::{RequestId, X_REQUEST_ID};
use portcullis_edge::security_headers::SecurityHeaders;
use portcullis_edge::{Code, Problem, csrf};
use portcullis_verify::{OnStale, Verifier};
use serde_json::json;
use tower::Service;

use crate::answer::{self, Answer};
use crate::auth::{self, AccessCode, Asked, Brought};
use crate::body::Body;
use crate::config::{Csrf, GatewayConfig};
use crate::door::{Admitted, Door, Stopped, Wanted};
use crate::forwarded::{Addresses, Way};
use crate::guard;
use crate::headers;
use crate::hop::{App, Outgoing};
use crate::issuer::{Issuer, OnBehalf, Refused};
use crate::jar::{Jar, Others};
use crate::keeper::Keeper;
use crate::pass::Pass;
use crate::route::{self, Routes};
use crate::session::Session;
use crate::tunnel::{self, Upgrading};
use crate::upload::{self, Upload, Watched};
use crate::who::{Doorman, Somebody};
use crate::{paths, shape, who};

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
    routes: Routes,
    pub(crate) door: Door,
    pub(crate) doorman: Doorman,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) issuer_url: String,
    pub(crate) jar: Jar,
    pub(crate) keys: Arc<KeyRing>,
    addresses: Addresses,
    security: SecurityHeaders,
    random: Arc<dyn Random>,
    pub(crate) scheme: String,
    pub(crate) csrf_token_too: bool,
    limits: upload::Limits,
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
        let verifier = verifier.build().map_err(|error| format!("gateway.issuer: {error}"))?;
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
            limits: upload::Limits { most: config.max_body, replay: config.replay_limit },
            access_code: config.access_code.map(AccessCode::new),
            grace: config.grace.as_secs().cast_signed(),
            counters: Counters::new(),
        })))
    }
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
enum Reply {
    Own(Answer),
    App(Answer),
}

/// A request to an app that may pass.
struct Passing {
    parts: Parts,
    body: Incoming,
    brought: Brought,
    client: OnBehalf,
    way: Way,
    host: String,
    others: Others,
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
        let brought = Brought {
            session: self.doorman.opened(&self.jar, &presented),
            parts: presented.parts,
            device: presented.device.map(str::to_owned),
            code: match &self.access_code {
                Some(code) => code.is_known(presented.access_code, &self.keys, self.doorman.keeper.now()),
                None => true,
            },
        };
        let path = parts.uri.path();
        if !brought.code && !matches!(path, paths::ACCESS_CODE | paths::STYLE) {
            return Ok(Reply::Own(auth::before_the_code(&parts)));
        }
        if path.starts_with(paths::PREFIX) {
            return Ok(Reply::Own(self.auth(Asked { parts, brought, client, host }, body).await));
        }
        self.pass_on(Passing { parts, body, brought, client, way, host, others }, id).await
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

    async fn pass_on(&self, mut passing: Passing, id: &RequestId) -> Result<Reply, Problem> {
        let Passing { parts, brought, client, host, .. } = &passing;
        let app = self.routes.find(host, parts.uri.path()).ok_or(Code::NotFound)?;
        self.check_length(&parts.headers)?;
        let websocket = tunnel::wanted(parts);
        let changes = csrf::is_unsafe(&parts.method) || websocket;
        let by_cookie = brought.session.as_ref().filter(|_| !parts.headers.contains_key(AUTHORIZATION));
        let forged =
            by_cookie.filter(|_| changes).and_then(|session| self.check_proxied(parts, host, session).err());
        let who = self.doorman.who(&parts.headers, brought.session.as_ref(), client).await;
        let now = self.doorman.keeper.now();
        let admitted = match self.door.judge(who, Wanted { parts, host, changes, forged, now }) {
            Ok(admitted) => admitted,
            Err(stopped) => return Ok(Reply::Own(self.stopped(stopped, &passing))),
        };
        let upgrading = if websocket { Upgrading::of(&mut passing.parts) } else { None };
        match self.hop(app, passing, admitted, (upgrading, id)).await? {
            Ok(answer) => Ok(Reply::App(answer)),
            Err((stopped, passing)) => Ok(Reply::Own(self.stopped(stopped, &passing))),
        }
    }

    fn check_length(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        match (self.limits.most, length) {
            (Some(most), Some(length)) if length > most => {
                Err(Problem::new(Code::BodyTooLarge).detail(format!("Send at most {most} bytes.")))
            }
            _ => Ok(()),
        }
    }

    fn stopped(&self, stopped: Stopped, passing: &Passing) -> Answer {
        let parts = &passing.parts;
        let page = answer::is_for_a_page(parts);
        let place = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        match stopped {
            Stopped::Refused(problem) => answer::problem(problem),
            Stopped::ChangePassword if page => auth::to_new_password(place),
            Stopped::ChangePassword => answer::problem(Code::PasswordChangeRequired.into()),
            Stopped::SignIn { problem, max_age, gone } => {
                let mut response = if page && !parts.headers.contains_key(AUTHORIZATION) {
                    let mut query = url::form_urlencoded::Serializer::new(String::new());
                    query.append_pair("return_to", place);
                    if let Some(max_age) = max_age {
                        query.append_pair("max_age", &max_age.as_secs().to_string());
                    }
                    answer::see_other(&format!("{}?{}", paths::SIGN_IN, query.finish()))
                } else {
                    answer::problem(problem)
                };
                // At once, so that no newer sign-in can be meant by it.
                if gone {
                    self.clear_cookies(response.headers_mut(), &passing.brought);
                }
                response
            }
        }
    }

    /// The token for the app; without one to be had, a request to what is public goes on as nobody's.
    async fn pass(&self, admitted: &mut Admitted, client: &OnBehalf) -> Result<Option<Pass>, Stopped> {
        let Some(somebody) = &admitted.who else { return Ok(None) };
        let now = self.doorman.keeper.now();
        match somebody.principal.pass(&admitted.audience, &self.issuer, (now, client)).await {
            Ok(pass) => Ok(Some(pass)),
            Err(_) if admitted.public => {
                admitted.who = None;
                Ok(None)
            }
            Err(Refused::Ended) => {
                Err(Stopped::SignIn { problem: Code::InvalidToken.into(), max_age: None, gone: false })
            }
            Err(Refused::Unavailable { why, retry_after }) => Err(who::unknown(&why, retry_after).into()),
        }
    }

    async fn hop(
        &self,
        app: &App,
        mut passing: Passing,
        mut admitted: Admitted,
        (upgrading, id): (Option<Upgrading>, &RequestId),
    ) -> Result<Result<Answer, (Stopped, Passing)>, Problem> {
        let pass = match self.pass(&mut admitted, &passing.client).await {
            Ok(pass) => pass,
            Err(stopped) => return Ok(Err((stopped, passing))),
        };
        let headers = std::mem::take(&mut passing.parts.headers);
        let mut head = self.outgoing(app, &passing, headers, (upgrading.is_some(), id))?;
        if let (Some(somebody), Some(pass)) = (&admitted.who, &pass) {
            somebody.principal.tell(pass, &mut head.headers);
        }
        let (upload, watched) = Upload::new(passing.body, self.limits);
        let mut response = app.send(&head, upload, &watched).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(again) = self.with_newer(&admitted, &passing.client, (&mut head, &watched)).await
        {
            response = app.send(&head, again.0, &watched).await?;
            admitted.who = Some(again.1);
        }
        Ok(Ok(self.finish(response, &passing.brought, admitted.who.as_ref(), upgrading)?))
    }

    /// The request as the app gets it, but for who asks.
    fn outgoing(
        &self,
        app: &App,
        passing: &Passing,
        mut headers: HeaderMap,
        (websocket, id): (bool, &RequestId),
    ) -> Result<Outgoing, Problem> {
        let Parts { method, uri, .. } = &passing.parts;
        headers::clean_request(&mut headers);
        headers.remove(AUTHORIZATION);
        match &passing.others {
            Others::All => {}
            Others::Some(others) => drop(headers.insert(COOKIE, others.clone())),
            Others::None => drop(headers.remove(COOKIE)),
        }
        let host = route::host_value(uri, headers.get(HOST));
        if let Some(host) = &host {
            headers.insert(HOST, host.clone());
        }
        self.addresses.tell(&passing.way, &mut headers, host);
        headers.insert(X_REQUEST_ID, id.header_value());
        if websocket {
            tunnel::ask(&mut headers);
        }
        let uri = target(app, &passing.host, uri).ok_or(Code::MalformedRequest)?;
        Ok(Outgoing { method: method.clone(), uri, headers })
    }

    /// After a 401: whoever has a newer token, or an old one that could be renewed, is asked for once more.
    async fn with_newer(
        &self,
        admitted: &Admitted,
        client: &OnBehalf,
        (head, watched): (&mut Outgoing, &Watched),
    ) -> Option<(Upload, Somebody)> {
        let session = admitted.who.as_ref()?.session.as_ref()?;
        let body = Upload::again(watched)?;
        let keeper = &self.doorman.keeper;
        let recent = keeper.now() - session.issued_at <= self.grace;
        let newer = match self.doorman.newer(session) {
            Some(newer) => newer,
            None if recent => return None,
            None => keeper.renewed(session, client).await.ok()?,
        };
        let principal = self.doorman.principal(&newer).await.ok()?;
        let pass = principal.pass(&admitted.audience, &self.issuer, (keeper.now(), client)).await.ok()?;
        principal.tell(&pass, &mut head.headers);
        Some((body, Somebody { principal, session: Some(newer) }))
    }

    /// The app's answer as the client gets it, with the newest cookies.
    fn finish(
        &self,
        mut response: Response<Incoming>,
        brought: &Brought,
        who: Option<&Somebody>,
        upgrading: Option<Upgrading>,
    ) -> Result<Answer, Problem> {
        let claims = who.map(|somebody| (&self.doorman.verifier, &somebody.principal.claims));
        let agreed = tunnel::agreed(&response);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(upgrading) = upgrading.filter(|_| agreed) else {
                tracing::warn!("the app switches to a protocol that nobody asked for");
                return Err(Code::BadGateway.into());
            };
            upgrading
                .join(&mut response, claims.map(|(verifier, claims)| guard::session_end(verifier, claims)));
        }
        let (head, body) = response.into_parts();
        let mut answer = Response::new(if agreed { Body::empty() } else { guard::guarded(body, claims) });
        *answer.status_mut() = head.status;
        let mut headers = head.headers;
        headers::clean_response(&mut headers);
        if agreed {
            tunnel::ask(&mut headers);
        }
        self.set_newest(&mut headers, brought, who.and_then(|somebody| somebody.session.as_ref()));
        *answer.headers_mut() = headers;
        Ok(answer)
    }

    /// Sets the newest cookies of the session that the request came with, if its own are older. `used`: a state of it
    /// that has served the request.
    pub(crate) fn set_newest(&self, headers: &mut HeaderMap, brought: &Brought, used: Option<&Arc<Session>>) {
        let Some(session) = &brought.session else { return };
        let used = used.filter(|used| used.sid == session.sid && used.age() > session.age());
        let Some(newest) = self.doorman.newer(session).or_else(|| used.cloned()) else { return };
        let Some(lines) = self.jar.write(&newest, self.doorman.keeper.now()) else { return };
        answer::set(headers, lines);
        let superfluous: Vec<_> = self.jar.clear(brought.parts, lines.len()).collect();
        answer::set(headers, &superfluous);
        // What sets a session's cookies is nobody else's to keep.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// `OPTIONS *` stays what it is.
fn target(app: &App, host: &str, uri: &Uri) -> Option<Uri> {
    app.uri(host, uri.path_and_query())
}
