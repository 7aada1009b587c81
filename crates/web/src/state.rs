//! What every handler is given.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use portcullis_app::Cx;
use portcullis_edge::client_address::ClientAddressRule;
use portcullis_edge::cookies::SameSite;
use portcullis_edge::csrf::TrustedOrigins;
use portcullis_edge::host::AllowedHosts;
use portcullis_edge::origin::Origin;
use portcullis_edge::proxies::TrustedProxies;
use portcullis_edge::security_headers::SecurityHeaders;
use tokio::sync::watch;
use url::Url;

use crate::api::revocations::{Answers, Waiters};
use crate::api::verify::{Forward, Style as ForwardStyle};
use crate::cookies::Cookies;
use crate::cors::Cors;

/// How the server is reached, and what it tells. Holds a secret, and so has no `Debug`.
#[derive(Clone)]
pub struct WebConfig {
    /// How clients reach us; its scheme decides https mode.
    pub public_url: Url,
    /// Further `Host` values.
    pub hosts: Vec<String>,
    /// Peers that may name the client.
    pub trusted_proxies: Vec<String>,
    /// In this header.
    pub client_address_header: String,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// `forward_auth.secret`.
    pub forward_secret: Option<String>,
    /// What a gateway in the same process shows, to be believed about its clients.
    pub gateway_secret: Option<String>,
    /// `forward_auth.style`.
    pub forward_style: ForwardStyle,
    /// `server.return_urls`.
    pub return_urls: Vec<String>,
    /// `csrf.trusted_origins`.
    pub trusted_origins: Vec<String>,
    /// `server.cors_origins`.
    pub cors_origins: Vec<String>,
    /// `cookies.same_site`.
    pub cookie_same_site: SameSite,
    /// `cookies.path`.
    pub cookie_path: String,
    /// `cookies.domain`.
    pub cookie_domain: Option<String>,
    /// Shortest password.
    pub password_min_length: u32,
    /// Longest password.
    pub password_max_length: u32,
    /// Our version.
    pub version: &'static str,
}

/// The state behind every handler. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Web(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) cx: Arc<Cx>,
    pub(crate) config: WebConfig,
    pub(crate) https: bool,
    pub(crate) hosts: AllowedHosts,
    pub(crate) client_address: ClientAddressRule,
    pub(crate) security: SecurityHeaders,
    pub(crate) cookies: Cookies,
    pub(crate) trusted_origins: TrustedOrigins,
    pub(crate) cors: Cors,
    pub(crate) forward: Forward,
    pub(crate) openapi: Bytes,
    pub(crate) readiness: Readiness,
    pub(crate) untrusted_proxy_seen: AtomicBool,
    pub(crate) waiters: Waiters,
    pub(crate) answers: Answers,
}

impl std::ops::Deref for Web {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Web {
    pub(crate) fn new(cx: Arc<Cx>, config: WebConfig, openapi: Bytes) -> Result<Self, String> {
        let proxies = TrustedProxies::parse(&config.trusted_proxies)
            .map_err(|error| format!("server.trusted_proxies: {error}"))?;
        let client_address = ClientAddressRule::new(proxies, &config.client_address_header)
            .map_err(|error| format!("server.client_address_header: {error}"))?;
        let hosts = AllowedHosts::new(&config.public_url, &config.hosts)
            .map_err(|error| format!("server.hosts: {error}"))?;
        let https = config.public_url.scheme() == "https";
        let trusted = origins("csrf.trusted_origins", &config.trusted_origins)?;
        let cookies = Cookies::new(&config).map_err(|error| error.to_string())?;
        let cors = Cors::new(origins("server.cors_origins", &config.cors_origins)?);
        let forward = Forward::new(&config, &trusted)?;
        Ok(Self(Arc::new(Inner {
            cx,
            https,
            hosts,
            client_address,
            security: SecurityHeaders::new(https),
            cookies,
            trusted_origins: TrustedOrigins::new(&config.public_url, trusted),
            cors,
            forward,
            openapi,
            config,
            readiness: Readiness::default(),
            untrusted_proxy_seen: AtomicBool::new(false),
            waiters: Waiters::default(),
            answers: Answers::default(),
        })))
    }
}

fn origins(key: &str, entries: &[String]) -> Result<Vec<Origin>, String> {
    let parsed = entries.iter().map(|entry| Origin::parse(entry));
    parsed.collect::<Result<_, _>>().map_err(|error| format!("{key}: {error}"))
}

/// Whether this node wants requests.
#[derive(Clone, Default)]
pub struct Readiness(Arc<watch::Sender<bool>>);

impl Readiness {
    /// From now on `/health/ready` says no, and nobody is kept waiting: the node is going down.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when the node goes down.
    pub(crate) async fn stopped(&self) {
        // An error would mean that there is no sender, and we hold it.
        let _ = self.0.subscribe().wait_for(|stopping| *stopping).await;
    }
}
