//! The one way out: requests to the issuer, with a time limit, a size limit and no redirects.
//!
//! hyper-util's client and hyper-rustls rather than a larger client: no redirect, cookie, proxy or decompression
//! code that would have to be turned off.

use std::{error::Error as _, fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::{
    SetupError,
    url::{self, Origin},
};

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Below the 75 s and 60 s after which usual servers and proxies close idle connections.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// The issuer did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Another status than 200.
    #[error("the issuer answered {0}")]
    Status(u16),
    /// The answer is larger than any right one.
    #[error("the answer is too large")]
    TooLarge,
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// No connection, no TLS, or an answer cut short.
    #[error("no answer: {0}")]
    Transport(String),
}

/// How much and how long one request may take.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

/// A client for one issuer.
pub(crate) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    detour: Option<Detour>,
}

/// The issuer is reached at another address than its name says.
struct Detour {
    from: Origin,
    to: Uri,
    host: HeaderValue,
}

impl Fetcher {
    /// `roots_pem`: certificates to trust beside the system's.
    pub(crate) fn new(needs_tls: bool, roots_pem: &[String]) -> Result<Self, SetupError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_LIMIT));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(needs_tls, roots_pem)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .build(https);
        Ok(Self { client, detour: None })
    }

    /// Connects to `to` for whatever is on the issuer's origin; `Host` stays the issuer's.
    pub(crate) fn detour(mut self, issuer: &str, to: &str) -> Result<Self, SetupError> {
        let (named, from) = url::parse(issuer)?;
        let (to, _) = url::parse(to)?;
        let host = named.authority().map(|authority| HeaderValue::try_from(authority.as_str()));
        let host = host.and_then(Result::ok).ok_or_else(|| SetupError::Url(issuer.to_owned()))?;
        self.detour = Some(Detour { from, to, host });
        Ok(self)
    }

    /// `GET url`; headers and body of a 200.
    pub(crate) async fn get(&self, url: &str, limits: Limits) -> Result<(HeaderMap, Bytes), FetchError> {
        self.send(request(Method::GET, url, Bytes::new())?, limits).await
    }

    /// `POST url` with a form; the body of a 200.
    pub(crate) async fn post_form(
        &self,
        url: &str,
        authorization: &HeaderValue,
        form: String,
        limits: Limits,
    ) -> Result<Bytes, FetchError> {
        let mut request = request(Method::POST, url, form.into())?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.send(request, limits).await.map(|(_, body)| body)
    }

    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<(HeaderMap, Bytes), FetchError> {
        if let Some(detour) = &self.detour {
            detour.apply(&mut request)?;
        }
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| transport(&error))?;
            let (head, body) = response.into_parts();
            if head.status != StatusCode::OK {
                return Err(FetchError::Status(head.status.as_u16()));
            }
            let body = Limited::new(body, limits.bytes).collect().await.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    FetchError::TooLarge
                } else {
                    FetchError::Transport(error.to_string())
                }
            })?;
            Ok((head.headers, body.to_bytes()))
        };
        tokio::time::timeout(limits.time, exchange).await.map_err(|_| FetchError::TimedOut)?
    }
}

impl Detour {
    fn apply(&self, request: &mut Request<Full<Bytes>>) -> Result<(), FetchError> {
        let uri = request.uri();
        if url::parse(&uri.to_string()).map_or(true, |(_, origin)| origin != self.from) {
            return Ok(());
        }
        let mut parts = uri.clone().into_parts();
        parts.scheme = self.to.scheme().cloned();
        parts.authority = self.to.authority().cloned();
        *request.uri_mut() =
            Uri::from_parts(parts).map_err(|error| FetchError::Transport(error.to_string()))?;
        request.headers_mut().insert(HOST, self.host.clone());
        Ok(())
    }
}

fn request(method: Method, url: &str, body: Bytes) -> Result<Request<Full<Bytes>>, FetchError> {
    Request::builder()
        .method(method)
        .uri(url)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("portcullis-verify/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(|error| FetchError::Transport(error.to_string()))
}

/// With the provider named here: a process may have two, or none, installed as default.
fn tls(needed: bool, roots_pem: &[String]) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    for pem in roots_pem {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| SetupError::Certificate(error.to_string()))?;
            roots.add(certificate).map_err(|error| SetupError::Certificate(error.to_string()))?;
        }
    }
    if roots.len() < roots_pem.len() {
        return Err(SetupError::Certificate("no PEM certificate found".to_owned()));
    }
    // Containers often have no bundle; it must not matter to an issuer on the same host.
    if needed {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(SetupError::NoRootCertificates);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Certificate(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The client's own text says only in which step it failed.
fn transport(error: &hyper_util::client::legacy::Error) -> FetchError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    FetchError::Transport(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_no_certificates_are_needed_and_a_bad_one_is_told() {
        assert!(Fetcher::new(false, &[]).is_ok());
        for bad in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(Fetcher::new(false, &[bad.into()]), Err(SetupError::Certificate(_))), "{bad}");
        }
    }

    #[test]
    fn a_detour_changes_where_to_and_not_whom() {
        let fetcher = Fetcher::new(false, &[]).expect("no TLS");
        let fetcher = fetcher.detour("http://auth.localhost:8400", "http://127.0.0.1:9").expect("URLs");
        let detour = fetcher.detour.expect("set");
        for (asked, sent, host) in [
            ("http://auth.localhost:8400/a?b=c", "http://127.0.0.1:9/a?b=c", Some("auth.localhost:8400")),
            ("http://other.localhost:8400/a", "http://other.localhost:8400/a", None),
        ] {
            let mut request = request(Method::GET, asked, Bytes::new()).expect("a request");
            detour.apply(&mut request).expect("applies");
            assert_eq!(request.uri().to_string(), sent);
            assert_eq!(request.headers().get(HOST).map(|host| host.to_str().expect("ASCII")), host);
        }
    }
}
