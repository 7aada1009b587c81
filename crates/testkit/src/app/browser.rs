//! A browser: it keeps cookies and sends them along, and says where a request comes from. Its tabs share the cookies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::actor::{Actor, PASSWORD};
use super::jar::{Cookie, Jar};
use super::reply::Reply;

/// Where the tests' server is.
pub const OWN_ORIGIN: &str = "http://localhost:8400";

/// A tab of a browser, with a page in it.
#[derive(Clone)]
pub struct Browser {
    actor: Actor,
    jar: Arc<Mutex<Jar>>,
    /// `Origin`, `Sec-Fetch-Site` and what else the page's requests say.
    page: Vec<(String, String)>,
    csrf_token: Option<String>,
}

impl Browser {
    pub(super) fn new(actor: Actor) -> Self {
        let browser = Self { actor, jar: Arc::default(), page: Vec::new(), csrf_token: None };
        browser.saying(&[("origin", OWN_ORIGIN), ("sec-fetch-site", "same-origin")])
    }

    /// Another tab, whose page's requests say this of where they come from, and nothing else.
    #[must_use]
    pub fn saying(&self, page: &[(&str, &str)]) -> Self {
        let page = page.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { page, ..self.clone() }
    }

    /// Another tab, whose page knows this CSRF token or none.
    #[must_use]
    pub fn knowing(&self, csrf_token: Option<&str>) -> Self {
        Self { csrf_token: csrf_token.map(str::to_owned), ..self.clone() }
    }

    /// The same browser with the cookies it holds now: what it gets from here on, the first one does not.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self { jar: Arc::new(Mutex::new(self.jar().clone())), ..self.clone() }
    }

    /// The same browser, which sends one more header.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        Self { actor: self.actor.with_header(name, value), ..self.clone() }
    }

    /// The same browser, whose page has this access token.
    #[must_use]
    pub fn bearing(&self, token: Option<&str>) -> Self {
        Self { actor: self.actor.bearing(token), ..self.clone() }
    }

    /// The same browser, speaking to another node.
    #[must_use]
    pub fn at(&self, other: &super::TestApp) -> Self {
        Self { actor: self.actor.at(other), ..self.clone() }
    }

    /// Its cookies.
    pub fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of its cookies.
    pub fn cookie(&self, name: &str) -> Option<Cookie> {
        self.jar().get(name).cloned()
    }

    /// The value of one of its cookies.
    ///
    /// # Panics
    /// If it does not hold it.
    pub fn value(&self, name: &str) -> String {
        self.cookie(name).unwrap_or_else(|| panic!("no cookie {name}")).value
    }

    /// Asks for the CSRF token, and sends it from now on.
    ///
    /// # Panics
    /// If there is none.
    pub async fn fetch_csrf_token(&mut self) -> String {
        let reply = self.get("/auth/csrf").await;
        let token = reply.json["csrf_token"].as_str().expect("a token").to_owned();
        self.csrf_token = Some(token.clone());
        token
    }

    /// Signs in as `name`, and takes the CSRF token of the new session.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn sign_in(&mut self, name: &str, delivery: &str) -> Reply {
        let body =
            json!({"email": format!("{name}@example.org"), "password": PASSWORD, "delivery": delivery});
        self.fetch_csrf_token().await;
        let reply = self.post("/auth/login", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        self.fetch_csrf_token().await;
        reply
    }

    /// Rotates the refresh token in its cookie.
    pub async fn refresh(&self) -> Reply {
        self.send(Method::POST, "/auth/refresh", None).await
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

    /// Any method, with JSON or without a body.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.exchange(request, body).await
    }

    /// Any request; cookies and what a page says of itself are added.
    ///
    /// # Panics
    /// If the request cannot be made.
    pub async fn exchange(&self, mut request: http::request::Builder, body: Body) -> Reply {
        let path = request.uri_ref().expect("a path").path().to_owned();
        let line = self.jar().line(&path);
        for (name, value) in &self.page {
            request = request.header(name, value);
        }
        if let Some(line) = line {
            request = request.header("cookie", line);
        }
        if let Some(token) = &self.csrf_token {
            request = request.header("x-csrftoken", token);
        }
        let reply = self.actor.exchange(request, body).await;
        self.jar().take(&reply.headers);
        reply
    }
}
