//! The server itself: two worker threads, two routes, no layer.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// What `/hello` answers unless a captured answer is given: the product's headers as they were once.
const LIKENESS: &str = "cache-control: no-store\n\
    content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\n\
    x-content-type-options: nosniff\nreferrer-policy: same-origin\n\
    permissions-policy: camera=(), geolocation=(), microphone=(), payment=(), usb=(), \
    publickey-credentials-create=(self), publickey-credentials-get=(self)\n\
    cross-origin-opener-policy: same-origin\nx-request-id: 0192f0c1-0000-7000-8000-000000000001\n\
    x-auth-user: 0192f0c1-0000-7000-8000-000000000002\nx-auth-role: user\n\
    x-auth-account: 0192f0c1-0000-7000-8000-000000000003\n\n";

/// Headers that the server writes by itself.
const OWN: &[&str] = &["content-length", "date", "connection"];

/// An answer of the product's, to be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    headers: Vec<(String, String)>,
    body: String,
}

impl Captured {
    /// Of a response's head (with or without its status line) and body.
    pub(crate) fn new(head: &str, body: &str) -> Self {
        let pairs = head.lines().filter_map(|line| line.split_once(':'));
        let pairs = pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        let headers = pairs.filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
        Self { headers, body: body.to_owned() }
    }

    pub(crate) fn to_text(&self) -> String {
        let lines = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
        lines.chain(["\n".to_owned(), self.body.clone()]).collect()
    }

    fn from_text(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        Self::new(head, body)
    }

    /// How many headers it has.
    pub(crate) const fn header_count(&self) -> usize {
        self.headers.len()
    }

    fn header_map(&self) -> Result<HeaderMap> {
        let mut map = HeaderMap::with_capacity(self.headers.len() + OWN.len());
        for (name, value) in &self.headers {
            map.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        Ok(map)
    }
}

#[derive(Clone)]
struct Hello {
    headers: Arc<HeaderMap>,
    body: Bytes,
}

async fn hello(State(hello): State<Hello>) -> Response {
    let mut response = Response::new(Body::from(hello.body));
    response.headers_mut().clone_from(&hello.headers);
    response
}

#[derive(Deserialize)]
struct Question {
    refresh_token: String,
}

/// As a token response, about 800 bytes.
#[derive(Serialize)]
struct Answer {
    access_token: String,
    token_type: &'static str,
    expires_in: u32,
    refresh_token: String,
    refresh_expires_in: u32,
    session_id: &'static str,
    must_change_password: bool,
}

async fn echo(Json(question): Json<Question>) -> Json<Answer> {
    Json(Answer {
        access_token: "e".repeat(540),
        token_type: "Bearer",
        expires_in: 900,
        refresh_token: question.refresh_token,
        refresh_expires_in: 2_592_000,
        session_id: "0192f0c1-0000-7000-8000-000000000001",
        must_change_password: false,
    })
}

#[expect(clippy::disallowed_methods, reason = "the bare framework has nothing that documents its routes")]
fn router(hello_state: Hello) -> Router {
    Router::new().route("/hello", get(hello)).route("/echo", post(echo)).with_state(hello_state)
}

/// Serves until it is killed; prints its address first.
pub(crate) fn serve(response: Option<&Path>) -> Result<()> {
    let text = match response {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => LIKENESS.to_owned(),
    };
    let captured = Captured::from_text(&text);
    let state = Hello { headers: Arc::new(captured.header_map()?), body: Bytes::from(captured.body) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router(state)).await?)
    })
}

#[cfg(test)]
mod tests {
    use super::{Captured, LIKENESS};

    #[test]
    fn a_captured_answer_survives_its_file_and_leaves_out_what_the_server_adds() {
        let head = "HTTP/1.1 200 OK\r\nX-Auth-User: a: b\r\nContent-Length: 2\r\nDate: now\r\n\r\n";
        let captured = Captured::new(head, "{}");
        assert_eq!(captured.headers, [("x-auth-user".to_owned(), "a: b".to_owned())]);
        assert_eq!(Captured::from_text(&captured.to_text()), captured);
    }

    #[test]
    fn the_likeness_is_made_of_headers() {
        let captured = Captured::from_text(LIKENESS);
        assert_eq!(captured.header_count(), 10);
        assert_eq!(captured.header_map().expect("valid headers").len(), 10);
    }
}
