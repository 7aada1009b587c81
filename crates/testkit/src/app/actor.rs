//! Who calls is the variable's name: an [`Actor`] carries its tokens and speaks HTTP.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt;
use portcullis_web::App;
use portcullis_web::serve::PeerAddress;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::reply::Reply;

/// The password of everybody who signs up in a test.
pub const PASSWORD: &str = "seven purple gates";

/// Somebody at the other end of the line.
#[derive(Clone)]
pub struct Actor {
    app: App,
    headers: HeaderMap,
    peer: Option<SocketAddr>,
    /// Access token, if signed in.
    pub access_token: Option<String>,
    /// Refresh token, if signed in.
    pub refresh_token: Option<String>,
    /// What makes the device known.
    pub device_token: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// The user's id.
    pub user: Option<String>,
}

impl Actor {
    pub(super) fn new(app: App) -> Self {
        Self {
            app,
            headers: HeaderMap::new(),
            peer: None,
            access_token: None,
            refresh_token: None,
            device_token: None,
            session: None,
            user: None,
        }
    }

    /// The same somebody, speaking to another node.
    #[must_use]
    pub fn at(&self, other: &super::TestApp) -> Self {
        Self { app: other.app.clone(), ..self.clone() }
    }

    /// The same somebody, speaking to another node of which only the HTTP face is at hand.
    #[must_use]
    pub fn through(&self, app: App) -> Self {
        Self { app, ..self.clone() }
    }

    /// The same somebody, with one more header.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut actor = self.clone();
        let name: HeaderName = name.parse().expect("a header name");
        actor.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        actor
    }

    /// The same somebody, for whom a reverse proxy asks whether `method` on `host` and `target` may pass.
    #[must_use]
    pub fn proxied(&self, method: &str, host: &str, target: &str) -> Self {
        self.with_header("x-portcullis-forward", super::FORWARD_SECRET)
            .with_header("x-forwarded-method", method)
            .with_header("x-forwarded-proto", "https")
            .with_header("x-forwarded-host", host)
            .with_header("x-forwarded-uri", target)
    }

    /// The same somebody, at the other end of a connection from `address`.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn from_address(&self, address: &str) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        Self { peer: Some(SocketAddr::new(address, 50_000)), ..self.clone() }
    }

    /// The same somebody, with this access token or none.
    #[must_use]
    pub fn bearing(&self, token: Option<&str>) -> Self {
        Self { access_token: token.map(str::to_owned), ..self.clone() }
    }

    /// Takes what a token response hands out.
    pub fn take_tokens(&mut self, reply: &Reply) {
        let text = |name: &str| reply.json[name].as_str().map(str::to_owned);
        self.access_token = text("access_token");
        self.refresh_token = text("refresh_token");
        self.device_token = text("device_token").or_else(|| self.device_token.take());
        self.session = text("session_id");
        self.user = reply.json["user"]["id"].as_str().map(str::to_owned);
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    /// `POST` with JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, Some(body)).await
    }

    /// `PATCH` with JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    /// Rotates the refresh token in hand, and takes the next if there is one.
    pub async fn refresh(&mut self) -> Reply {
        let reply = self.refresh_with(self.refresh_token.clone().as_deref().unwrap_or_default()).await;
        if reply.status == 200 {
            self.take_tokens(&reply);
        }
        reply
    }

    /// Presents a refresh token.
    pub async fn refresh_with(&self, token: &str) -> Reply {
        self.post("/auth/refresh", &json!({"refresh_token": token})).await
    }

    /// Waits until `path` is refused to this token, at most a second: the promise of every revocation.
    ///
    /// # Panics
    /// If it is still answered after that.
    pub async fn until_refused(&self, path: &str) {
        let promise = std::time::Duration::from_secs(1);
        let refused = async {
            while self.get(path).await.status != 401 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(promise, refused).await.expect("a revoked token is refused within a second");
    }

    /// Any method, with JSON or without a body.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        match body {
            Some(body) => self.send_bytes(method, path, "application/json", body.to_string().into()).await,
            None => self.exchange(Request::builder().method(method).uri(path), Body::empty()).await,
        }
    }

    /// Any bytes under any content type.
    pub async fn send_bytes(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Reply {
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        self.exchange(request, Body::from(body)).await
    }

    /// Any request; headers that are not there are filled in.
    ///
    /// # Panics
    /// If the request cannot be made.
    pub async fn exchange(&self, request: http::request::Builder, body: Body) -> Reply {
        let mut request = request.body(body).expect("a request");
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(PeerAddress(peer));
        }
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        if !headers.contains_key("host") {
            headers.insert("host", HeaderValue::from_static("localhost:8400"));
        }
        if !headers.contains_key("user-agent") {
            headers.insert("user-agent", HeaderValue::from_static("portcullis-tests"));
        }
        if let Some(token) = self.access_token.as_ref().filter(|_| !headers.contains_key("authorization")) {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token");
            headers.insert("authorization", value);
        }
        let response = self.app.clone().oneshot(request).await.expect("the service never fails");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Reply::new(parts.status.as_u16(), parts.headers, body)
    }
}
