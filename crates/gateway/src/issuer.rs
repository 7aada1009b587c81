//! The issuer, as the gateway speaks to it: over HTTP, with the client's address and name, within limits.
//!
//! What it says is believed only in its own form: a 401 of a proxy in between ends nobody's session.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portcullis_edge::request_id::{RequestId, X_REQUEST_ID};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::forwarded::{self, FORWARDED_FOR};
use crate::session::Tokens;
use crate::{paths, tls};

/// What an issuer in the same process knows its gateway by: a secret that nobody else can have.
pub const GATEWAY_SECRET: &str = "x-portcullis-gateway";

/// How it says that it does not believe us.
const FORWARDED: &str = "x-portcullis-forwarded";

/// Longest answer that is read.
const MOST: usize = 1024 * 1024;
/// A sign-in may wait for its password to be hashed.
const PATIENCE: Duration = Duration::from_secs(15);
const KEEPALIVE: Duration = Duration::from_mins(1);
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(30);
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// For whom the issuer is asked.
#[derive(Clone)]
pub(crate) struct OnBehalf {
    pub(crate) address: IpAddr,
    agent: Option<HeaderValue>,
    language: Option<HeaderValue>,
    request: HeaderValue,
}

impl OnBehalf {
    /// The sender of a request.
    pub(crate) fn of(parts: &Parts, address: IpAddr, request: &RequestId) -> Self {
        Self {
            address,
            agent: parts.headers.get(USER_AGENT).cloned(),
            language: parts.headers.get(ACCEPT_LANGUAGE).cloned(),
            request: request.header_value(),
        }
    }
}

/// A question.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// With its query.
    pub(crate) target: &'a str,
    pub(crate) bearer: Option<&'a str>,
    pub(crate) body: Option<(HeaderValue, Bytes)>,
}

impl<'a> Ask<'a> {
    /// `POST` with JSON.
    pub(crate) fn json(target: &'a str, body: &serde_json::Value) -> Self {
        let body = Some((JSON, Bytes::from(body.to_string())));
        Self { method: Method::POST, target, bearer: None, body }
    }
}

/// A problem, or an OAuth refusal.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(alias = "error")]
    code: String,
    /// Whoever held the refused token has been given another since.
    #[serde(default)]
    superseded: bool,
}

/// What the issuer answered.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Told {
    fn refusal(&self) -> Refusal {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn unavailable(&self) -> Refused {
        let seconds = self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let code = self.refusal().code;
        Refused::Unavailable {
            why: format!("it answered {} {code}", self.status),
            retry_after: seconds.unwrap_or(2),
        }
    }
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    /// It is over: the issuer says so itself.
    Ended {
        /// The browser has been given another session, or another state of this one, which it must not lose.
        superseded: bool,
    },
    /// Nobody can tell now.
    Unavailable {
        /// For the log.
        why: String,
        /// Seconds.
        retry_after: u64,
    },
}

impl Refused {
    fn unreachable(why: String) -> Self {
        Self::Unavailable { why, retry_after: 2 }
    }
}

/// The way to the issuer.
pub(crate) struct Issuer {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    at: Uri,
    host: HeaderValue,
    secret: Option<HeaderValue>,
}

impl Issuer {
    pub(crate) fn new(issuer: &str, reach_at: Option<&str>, secret: Option<&str>) -> Result<Self, String> {
        let unusable = |what: &str| format!("gateway.issuer: {what} cannot be used");
        let named: Uri = issuer.parse().map_err(|_| unusable(issuer))?;
        let at: Uri = reach_at.unwrap_or(issuer).parse().map_err(|_| unusable(reach_at.unwrap_or(issuer)))?;
        let host = named.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        // Who is gone without a word is noticed, however long a stream is silent.
        http.set_keepalive(Some(KEEPALIVE));
        http.set_connect_timeout(Some(CONNECT_PATIENCE));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(at.scheme() == Some(&Scheme::HTTPS))?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(https);
        let secret = secret.map(|secret| {
            let mut value = HeaderValue::from_str(secret).map_err(|_| unusable("the secret"))?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        });
        Ok(Self { client, at, host: host.ok_or_else(|| unusable(issuer))?, secret: secret.transpose()? })
    }

    /// Asks; the text of an error is for the log.
    pub(crate) async fn ask(&self, ask: Ask<'_>, client: &OnBehalf) -> Result<Told, String> {
        let request = self.request(ask, client).ok_or("the request cannot be made")?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| told(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MOST).collect().await.map_err(|error| error.to_string())?;
            Ok(Told { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| "no answer in time".to_owned())?
    }

    fn request(&self, ask: Ask<'_>, client: &OnBehalf) -> Option<Request<Full<Bytes>>> {
        let mut uri = self.at.clone().into_parts();
        uri.path_and_query = Some(PathAndQuery::try_from(ask.target).ok()?);
        let mut request = Request::new(Full::default());
        *request.method_mut() = ask.method;
        *request.uri_mut() = Uri::from_parts(uri).ok()?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
        headers.insert(FORWARDED_FOR, forwarded::one_hop(client.address));
        headers.insert(X_REQUEST_ID, client.request.clone());
        let mut optional = |name: HeaderName, value: &Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        };
        optional(USER_AGENT, &client.agent);
        optional(ACCEPT_LANGUAGE, &client.language);
        optional(HeaderName::from_static(GATEWAY_SECRET), &self.secret);
        if let Some(bearer) = ask.bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {bearer}")).ok()?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some((kind, body)) = ask.body {
            headers.insert(CONTENT_TYPE, kind);
            *request.body_mut() = Full::new(body);
        }
        Some(request)
    }

    /// Whether it takes our word for who the client is; `None`: it does not answer.
    pub(crate) async fn believes(&self) -> Option<bool> {
        // An address for documentation (RFC 5737): nobody's.
        let client = OnBehalf {
            address: [192, 0, 2, 1].into(),
            agent: None,
            language: None,
            request: HeaderValue::from_static("gateway-start"),
        };
        let ask = Ask { method: Method::GET, target: paths::CONFIG, bearer: None, body: None };
        let told = self.ask(ask, &client).await.ok().filter(|told| told.status == StatusCode::OK)?;
        Some(!told.headers.contains_key(FORWARDED))
    }

    /// Rotates a refresh token. Asked once more where the answer was lost: within the grace it is the same.
    pub(crate) async fn refresh(&self, token: &str, client: &OnBehalf) -> Result<Tokens, Refused> {
        let body = serde_json::json!({ "refresh_token": token });
        let mut told = self.ask(Ask::json(paths::REFRESH, &body), client).await;
        if told.is_err() {
            told = self.ask(Ask::json(paths::REFRESH, &body), client).await;
        }
        let told = told.map_err(Refused::unreachable)?;
        match told.status {
            StatusCode::OK => serde_json::from_slice(&told.body)
                .map_err(|error| Refused::unreachable(format!("no token response: {error}"))),
            StatusCode::UNAUTHORIZED => match told.refusal() {
                Refusal { code, superseded } if is_ending(&code) => Err(Refused::Ended { superseded }),
                _ => Err(told.unavailable()),
            },
            _ => Err(told.unavailable()),
        }
    }

    /// A token for `audience` in exchange for `subject` (RFC 8693).
    pub(crate) async fn exchange(
        &self,
        subject: &str,
        audience: &str,
        client: &OnBehalf,
    ) -> Result<String, Refused> {
        #[derive(Deserialize)]
        struct Issued {
            access_token: String,
        }
        let form = Serializer::new(String::new())
            .append_pair("grant_type", EXCHANGE)
            .append_pair("subject_token", subject)
            .append_pair("subject_token_type", ACCESS_TOKEN)
            .append_pair("audience", audience)
            .finish();
        let body = Some((FORM, Bytes::from(form)));
        let ask = Ask { method: Method::POST, target: paths::OAUTH_TOKEN, bearer: None, body };
        let told = self.ask(ask, client).await.map_err(Refused::unreachable)?;
        match (told.status, told.refusal().code.as_str()) {
            (StatusCode::OK, _) => serde_json::from_slice::<Issued>(&told.body)
                .map(|issued| issued.access_token)
                .map_err(|error| Refused::unreachable(format!("no token response: {error}"))),
            // RFC 8693 section 2.2.2: the subject token is not good.
            (StatusCode::BAD_REQUEST, "invalid_request") => Err(Refused::Ended { superseded: false }),
            (StatusCode::BAD_REQUEST, "invalid_target") => Err(Refused::unreachable(format!(
                "it makes no tokens for {audience}: name it as gateway.audience, or in gateway.rules, there too"
            ))),
            _ => Err(told.unavailable()),
        }
    }
}

/// Codes by which the issuer says that a refresh token is good for nothing any more.
fn is_ending(code: &str) -> bool {
    matches!(code, "invalid_token" | "refresh_revoked" | "refresh_expired" | "refresh_reused")
}

/// The client's own text says only in which step it failed.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
