//! A browser, as far as it matters: a cookie jar, `Origin`, `Sec-Fetch-Site`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// What the browser knows the gateway as.
pub(crate) const HOST_NAME: &str = "localhost:8080";
pub(crate) const OWN_ORIGIN: &str = "http://localhost:8080";

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Null if it is no JSON.
    pub(crate) json: Value,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What the app was sent under that name, where it echoes.
    pub(crate) fn app_saw(&self, name: &str) -> Option<&str> {
        self.json["headers"][name].as_str()
    }

    pub(crate) fn sets_cookies(&self) -> bool {
        self.headers.contains_key(SET_COOKIE)
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{}", self.text());
    }
}

/// Somebody with cookies. Clones share them.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    at: SocketAddr,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
    headers: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn new(at: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { client, at, cookies: Arc::default(), headers: vec![] }
    }

    /// The same with one more header.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.retain(|(known, _)| known != name);
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    pub(crate) fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().expect("unpoisoned").clone()
    }

    /// Another browser with these cookies.
    pub(crate) fn with_cookies(&self, cookies: BTreeMap<String, String>) -> Self {
        Self { cookies: Arc::new(Mutex::new(cookies)), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, Some(("application/json", body.to_string()))).await
    }

    /// As a page's form does.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, path, Some(("application/x-www-form-urlencoded", body))).await
    }

    /// With the token that scripts get first.
    pub(crate) async fn with_csrf(&self) -> Self {
        let reply = self.get("/auth/csrf").await;
        self.with("x-csrftoken", reply.json["csrf_token"].as_str().expect("a token"))
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<(&str, String)>) -> Reply {
        let (kind, body) = body.map_or((None, String::new()), |(kind, body)| (Some(kind), body));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        read(self.open(request.body(Full::from(body)).expect("a request")).await).await
    }

    /// Sends a request and takes the cookies of the answer.
    pub(crate) async fn open(&self, mut request: Request<Full<Bytes>>) -> Response<Incoming> {
        let safe = matches!(*request.method(), Method::GET | Method::HEAD);
        let target = request.uri().path_and_query().expect("a target").clone();
        *request.uri_mut() = format!("http://{}{target}", self.at).parse().expect("a URL");
        let headers = request.headers_mut();
        headers.insert(HOST, HOST_NAME.parse().expect("a host"));
        headers.insert("user-agent", "browser/1".parse().expect("a value"));
        if !safe {
            headers.insert(ORIGIN, OWN_ORIGIN.parse().expect("an origin"));
            headers.insert("sec-fetch-site", "same-origin".parse().expect("a value"));
        }
        let cookies: Vec<String> =
            self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            headers.insert(COOKIE, cookies.join("; ").parse().expect("cookies"));
        }
        for (name, value) in &self.headers {
            let name: http::HeaderName = name.parse().expect("a name");
            if value.is_empty() {
                headers.remove(&name);
            } else {
                headers.insert(name, value.parse().expect("a value"));
            }
        }
        let response = self.client.request(request).await.expect("an answer");
        self.take_cookies(response.headers());
        response
    }

    fn take_cookies(&self, headers: &HeaderMap) {
        let mut jar = self.cookies.lock().expect("unpoisoned");
        for line in headers.get_all(SET_COOKIE) {
            let line = line.to_str().expect("ASCII");
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            if line.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Reads an answer to its end.
pub(crate) async fn read(response: Response<Incoming>) -> Reply {
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Reply { status: head.status.as_u16(), headers: head.headers, body, json }
}
