//! Issuer, gateway and app, all three on sockets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use portcullis_core::access::Prefix;
use portcullis_core::random::Random;
use portcullis_core::server_key::{KeyRing, ServerKey};
use portcullis_gateway::{Csrf, Gateway, GatewayConfig, StartError, Target};
use portcullis_testkit::{Backend, ManualClock, PASSWORD, Setup, TestApp};
use portcullis_web::App as Issuer;
use portcullis_web::serve::{ServeConfig, serve};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::Service;

use crate::browser::{Browser, Reply};
use crate::upstream::App;

pub(crate) const ISSUER: &str = "http://localhost:8400";
pub(crate) const UPSTREAM: &str = "http://localhost:8400/upstream";

/// Randomness that never repeats.
struct Counting(Mutex<u64>);

impl Random for Counting {
    fn fill(&self, dest: &mut [u8]) {
        let mut count = self.0.lock().expect("unpoisoned");
        *count += 1;
        for (at, byte) in dest.iter_mut().enumerate() {
            *byte = (count.rotate_left(at as u32 * 7) as u8).wrapping_add(at as u8);
        }
    }
}

/// The issuer's face, counted, and out of order when a test wants it.
#[derive(Clone)]
struct Watched {
    issuer: Issuer,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    down: Arc<AtomicBool>,
    /// Answers for this path wait.
    held: watch::Sender<Option<&'static str>>,
}

impl Service<Request<Incoming>> for Watched {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let path = request.uri().path().to_owned();
        *self.asked.lock().expect("unpoisoned").entry(path.clone()).or_default() += 1;
        if self.down.load(Ordering::Relaxed) {
            // A proxy in front of an issuer that is gone; some say 401 for everything.
            let answer = Response::builder().status(401).body(Body::from("<h1>nobody home</h1>"));
            return Box::pin(std::future::ready(Ok(answer.expect("an answer"))));
        }
        let (mut issuer, mut held) = (self.issuer.clone(), self.held.subscribe());
        Box::pin(async move {
            let answer = issuer.call(request).await;
            let _ = held.wait_for(|held| *held != Some(path.as_str())).await;
            answer
        })
    }
}

/// All three.
pub(crate) struct House {
    pub(crate) issuer: TestApp,
    pub(crate) app: App,
    pub(crate) at: SocketAddr,
    issuer_at: SocketAddr,
    watched: Watched,
    tasks: Vec<JoinHandle<usize>>,
}

impl Drop for House {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl House {
    /// With an app that echoes, and nothing special.
    pub(crate) async fn new() -> Self {
        Self::with(App::echo().await, |_| {}).await
    }

    pub(crate) async fn with(app: App, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::whole(Backend::Sqlite, app, |_| {}, change).await
    }

    pub(crate) async fn whole(
        backend: Backend,
        app: App,
        issuer: impl FnOnce(&mut Setup),
        change: impl FnOnce(&mut GatewayConfig),
    ) -> Self {
        let issuer = TestApp::with(backend, issuer).await;
        let issuer_app = issuer.app.clone();
        let (asked, down, held) = (Arc::default(), Arc::default(), watch::Sender::default());
        let watched = Watched { issuer: issuer_app, asked, down, held };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer_at = listener.local_addr().expect("bound");
        let serving = tokio::spawn(serve(listener, watched.clone(), ServeConfig::default(), pending()));
        let mut house = Self { issuer, app, at: issuer_at, issuer_at, watched, tasks: vec![serving] };
        house.at = house.another(change).await;
        house
    }

    /// One more gateway process, as far as it shares nothing with the others but keys and issuer.
    pub(crate) async fn another(&mut self, change: impl FnOnce(&mut GatewayConfig)) -> SocketAddr {
        let mut config = config(&self.app.url(), self.issuer_at);
        change(&mut config);
        let random = Arc::new(Counting(Mutex::new(u64::from(self.at.port()))));
        let gateway = Gateway::new(config, self.issuer.clock.clone(), random).expect("a sound configuration");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("bound");
        self.tasks.push(tokio::spawn(serve(listener, gateway, ServeConfig::default(), pending())));
        let probe = Browser::new(at);
        portcullis_testkit::eventually(Duration::from_secs(20), "the gateway is ready", async || {
            (probe.get("/auth/gateway/ready").await.status == 200).then_some(())
        })
        .await;
        at
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.at)
    }

    /// A browser that has signed up at the issuer and in here.
    pub(crate) async fn signed_in(&self, name: &str) -> Browser {
        self.issuer.sign_up(name).await;
        let browser = self.browser();
        let reply = sign_in(&browser, name).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        browser
    }

    /// How often the issuer was asked for `path`.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.watched.asked.lock().expect("unpoisoned").get(path).copied().unwrap_or(0)
    }

    /// Takes the issuer away, or brings it back.
    pub(crate) fn issuer_down(&self, down: bool) {
        self.watched.down.store(down, Ordering::Relaxed);
    }

    /// Lets the issuer's answers for `path` wait, until it is `None`.
    pub(crate) fn hold(&self, path: Option<&'static str>) {
        self.watched.held.send_replace(path);
    }

    /// What [`Self::hold`] does, for an app to do.
    pub(crate) fn holding(&self) -> watch::Sender<Option<&'static str>> {
        self.watched.held.clone()
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        use portcullis_core::time::Clock as _;
        self.issuer.clock.now().seconds()
    }

    /// Lets access tokens expire.
    pub(crate) fn expire_access_tokens(&self) {
        self.issuer.clock.advance(Duration::from_mins(16));
    }
}

pub(crate) async fn sign_in(browser: &Browser, name: &str) -> Reply {
    browser.post("/auth/login", &json!({"email": format!("{name}@example.org"), "password": PASSWORD})).await
}

/// One that is not served, whose issuer and app are nowhere.
pub(crate) fn gateway(change: impl FnOnce(&mut GatewayConfig)) -> Result<Gateway, StartError> {
    let mut config = config("http://127.0.0.1:9", SocketAddr::from(([127, 0, 0, 1], 9)));
    change(&mut config);
    Gateway::new(config, Arc::new(ManualClock::new()), Arc::new(Counting(Mutex::new(0))))
}

fn config(app: &str, issuer: SocketAddr) -> GatewayConfig {
    let key = ServerKey::new(&[9; 32]).expect("long enough");
    GatewayConfig {
        public_url: "http://localhost:8080".parse().expect("a URL"),
        hosts: vec![],
        targets: vec![Target { host: None, path: Prefix::ROOT, url: app.parse().expect("a URL") }],
        issuer: ISSUER.into(),
        reach_at: Some(format!("http://{issuer}")),
        issuer_secret: None,
        keys: KeyRing::new(key, vec![]),
        audience: UPSTREAM.into(),
        rules: vec![],
        require_sign_in: false,
        access_code: None,
        csrf: Csrf::Origin,
        trusted_origins: vec![],
        trusted_proxies: vec![],
        client_address_header: "X-Forwarded-For".into(),
        replay_limit: 64 * 1024,
        max_body: None,
        request_timeout: Duration::from_secs(30),
        upstream_timeout: Duration::from_secs(10),
        grace: Duration::from_mins(1),
        max_staleness: None,
    }
}

/// The claims of a token in an `Authorization` header.
pub(crate) fn claims(authorization: &str) -> serde_json::Value {
    use base64::Engine as _;
    let payload =
        authorization.strip_prefix("Bearer ").and_then(|token| token.split('.').nth(1)).expect("a JWT");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("claims")
}
