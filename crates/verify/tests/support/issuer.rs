//! The endpoints that a verifier asks, with switches for what can go wrong.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_lc_rs::digest;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Response, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::signer::{Signer, b64, claims, with};

pub const CLIENT: &str = "a client";
pub const SECRET: &str = "its secret: +/&";

/// Killed with the value.
pub struct FakeIssuer {
    url: String,
    pub signer: Signer,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    url: String,
    state: Mutex<Knobs>,
    changed: watch::Sender<usize>,
}

/// What it answers; tests turn them.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Knobs {
    pub jwks: Value,
    pub metadata: Option<Value>,
    /// Everything is 503.
    pub down: bool,
    /// Only the revocations are.
    pub feed_down: bool,
    /// A text instead of the document, by path.
    pub instead: HashMap<&'static str, String>,
    /// What introspection says, by token.
    pub tokens: HashMap<String, Value>,
    /// `{id, upto?, exp}`, in order.
    pub revoked: Vec<Value>,
    /// The most entries in one answer; zero: no limit.
    pub page: usize,
    /// Whoever would have to wait is sent away.
    pub crowded: bool,
    /// Introspection gives no answer until it is off again and somebody wakes it.
    pub silent: bool,
    /// Counts resets of the list: a cursor of an earlier one is unknown.
    pub epoch: usize,
    /// Path and query of every request.
    pub asked: Vec<String>,
}

impl Drop for FakeIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeIssuer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let signer = Signer::new("key-1");
        let knobs = Knobs { jwks: json!({"keys": [signer.jwk()]}), ..Knobs::default() };
        let shared = Arc::new(Shared {
            url: url.clone(),
            state: Mutex::new(knobs),
            changed: watch::Sender::default(),
        });
        let app = Router::new().fallback(answer).with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        Self { url, signer, shared, server }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.shared.state.lock().expect("no test panicked in here")
    }

    pub fn claims(&self) -> Value {
        claims(&self.url)
    }

    /// A good token with some claims set or (null) removed.
    pub fn token(&self, changes: &[(&str, Value)]) -> String {
        let claims = changes.iter().fold(self.claims(), |claims, (name, value)| {
            with(&claims, name, Some(value.clone()).filter(|value| !value.is_null()))
        });
        self.signer.token(&claims)
    }

    /// An active API token, as introspection tells of it: without what only a JWT has.
    pub fn api_token(&self, token: &str, changes: &[(&str, Value)]) {
        let mut answer = with(&self.claims(), "active", Some(json!(true)));
        let own = [
            ("token_type", json!("Bearer")),
            ("sid", json!("api-token-1")),
            ("gen", json!(1)),
            ("client_id", json!("portcullis-api-token")),
            ("jti", Value::Null),
            ("iat", Value::Null),
            ("nbf", Value::Null),
        ];
        for (name, value) in own.iter().chain(changes) {
            answer = with(&answer, name, Some(value.clone()).filter(|value| !value.is_null()));
        }
        self.knobs().tokens.insert(token.to_owned(), answer);
    }

    /// Ends a session, up to a generation or wholly, and wakes who waits.
    pub fn revoke(&self, sid: &str, upto: Option<u64>) {
        let id = b64(digest::digest(&digest::SHA256, sid.as_bytes()));
        let mut entry = json!({"id": id, "exp": super::START + 1020});
        if let Some(upto) = upto {
            entry["upto"] = json!(upto);
        }
        self.knobs().revoked.push(entry);
        self.wake();
    }

    /// One request to it and its answer.
    pub async fn request(&self, path: &str) {
        let mut line = TcpStream::connect(self.url.trim_start_matches("http://")).await.expect("it listens");
        let head = format!("GET {path} HTTP/1.1\r\nHost: issuer\r\nConnection: close\r\n\r\n");
        line.write_all(head.as_bytes()).await.expect("sent");
        line.read_to_end(&mut Vec::new()).await.expect("answered");
    }

    /// Makes whoever waits for revocations look again.
    pub fn wake(&self) {
        self.shared.changed.send_modify(|count| *count += 1);
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.knobs().asked.iter().filter(|asked| asked.split('?').next() == Some(path)).count()
    }
}

pub const METADATA: &str = "/.well-known/oauth-authorization-server";
pub const JWKS: &str = "/keys";
pub const FEED: &str = "/.well-known/portcullis/revocations";
pub const INTROSPECT: &str = "/introspect";

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    {
        let mut knobs = shared.state.lock().expect("no test panicked in here");
        knobs.asked.push(format!("{path}?{query}"));
        if knobs.down || (knobs.feed_down && path == FEED) {
            return status(StatusCode::SERVICE_UNAVAILABLE);
        }
        if let Some(text) = knobs.instead.get(path.as_str()) {
            return Response::new(Body::from(text.clone()));
        }
    }
    match path.as_str() {
        METADATA => {
            let url = &shared.url;
            let usual = json!({"issuer": url, "jwks_uri": format!("{url}{JWKS}"),
                "introspection_endpoint": format!("{url}{INTROSPECT}")});
            document(&shared.state.lock().expect("sound").metadata.clone().unwrap_or(usual))
        }
        JWKS => document(&shared.state.lock().expect("sound").jwks),
        FEED => feed(&shared, &query).await,
        INTROSPECT => introspect(&shared, request).await,
        _ => status(StatusCode::NOT_FOUND),
    }
}

async fn feed(shared: &Shared, query: &str) -> Response<Body> {
    let pairs: HashMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let wait = pairs.get("wait").and_then(|wait| wait.parse().ok()).expect("a wait");
    assert!(wait <= 30);
    let mut changed = shared.changed.subscribe();
    // `:` and `/` arrive encoded, as a cursor may hold anything.
    let cursor = pairs.get("after").map(|cursor| cursor.replace("%3A", ":").replace("%2F", "/"));
    if let Some(answer) = news(shared, cursor.as_deref()) {
        return document(&answer);
    }
    let known = cursor.clone().unwrap_or_default();
    let nothing = json!({"cursor": known, "complete": false, "sessions": []});
    if shared.state.lock().expect("sound").crowded {
        let mut response = document(&nothing);
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        return response;
    }
    let _ = tokio::time::timeout(Duration::from_secs(wait), changed.changed()).await;
    document(&news(shared, cursor.as_deref()).unwrap_or(nothing))
}

/// Nothing if there is nothing after the cursor.
fn news(shared: &Shared, cursor: Option<&str>) -> Option<Value> {
    let knobs = shared.state.lock().expect("sound");
    let after = cursor
        .and_then(|cursor| cursor.split_once(":/"))
        .filter(|(epoch, _)| *epoch == knobs.epoch.to_string())
        .and_then(|(_, at)| at.parse::<usize>().ok());
    let at = after.unwrap_or(0);
    let entries = knobs.revoked.get(at..).unwrap_or_default();
    if after.is_some() && entries.is_empty() {
        return None;
    }
    let page = &entries[..if knobs.page == 0 { entries.len() } else { knobs.page.min(entries.len()) }];
    let mut answer = json!({"cursor": format!("{}:/{}", knobs.epoch, at + page.len()),
        "complete": after.is_none(), "sessions": page});
    if page.len() < entries.len() {
        answer["more"] = json!(true);
    }
    Some(answer)
}

async fn introspect(shared: &Shared, request: Request) -> Response<Body> {
    let expected = format!("Basic {}", STANDARD.encode("a%20client:its%20secret%3A%20%2B%2F%26"));
    if request.headers().get(header::AUTHORIZATION).is_none_or(|sent| sent != expected.as_str()) {
        return status(StatusCode::UNAUTHORIZED);
    }
    let mut changed = shared.changed.subscribe();
    while shared.state.lock().expect("sound").silent {
        changed.changed().await.expect("the sender is there");
    }
    let body = axum::body::to_bytes(request.into_body(), 65536).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("a form");
    let token = body.split('&').find_map(|pair| pair.strip_prefix("token=")).expect("a token");
    document(shared.state.lock().expect("sound").tokens.get(token).unwrap_or(&json!({"active": false})))
}

fn document(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("max-age=300"));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The text of an API token, one for each number.
pub fn opaque(number: usize) -> String {
    let body = format!("{number:044}");
    // CRC-32 bit by bit, as in no product of ours.
    let mut sum = !body.bytes().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    });
    let alphabet: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let mut digits = String::new();
    for _ in 0..6 {
        digits.insert(0, alphabet[(sum % 62) as usize]);
        sum /= 62;
    }
    format!("pct_{body}{digits}")
}
