//! What a gateway is made of.

use std::time::Duration;

use portcullis_core::access::{HostPattern, Prefix, Rule};
use portcullis_core::server_key::KeyRing;
use url::Url;

/// One app behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// For which hosts; `None`: all.
    pub host: Option<HostPattern>,
    /// For which paths.
    pub path: Prefix,
    /// Where it is: `http`, `https`, or `h2c` for HTTP/2 without TLS. Scheme, host and port alone.
    pub url: Url,
}

/// What proxied requests with a cookie must show to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Csrf {
    /// That a page of the same origin made them.
    Origin,
    /// The token of `GET /auth/csrf`, too.
    Token,
}

/// The choices of a gateway. Holds secrets, and so has no `Debug`.
pub struct GatewayConfig {
    /// How browsers reach it; its scheme decides https mode. Plain http is for this machine alone.
    pub public_url: Url,
    /// Further hosts, beside those that the targets name.
    pub hosts: Vec<String>,
    /// The apps. The most exact one that fits is asked: a host before none, a longer path before a shorter one.
    pub targets: Vec<Target>,
    /// Whose tokens they are: the issuer's URL, byte for byte.
    pub issuer: String,
    /// Where the issuer is reached, if not under its own URL.
    pub reach_at: Option<String>,
    /// What an issuer in the same process knows this gateway by.
    pub issuer_secret: Option<String>,
    /// Keys of the gateway's own: cookies are sealed under the current one.
    pub keys: KeyRing,
    /// Audience of the tokens for the apps; never the issuer.
    pub audience: String,
    /// Who may ask for what; none: everybody for everything.
    pub rules: Vec<Rule>,
    /// Nobody gets anything without being signed in.
    pub require_sign_in: bool,
    /// What everybody must know before anything else.
    pub access_code: Option<String>,
    /// What proxied requests must show.
    pub csrf: Csrf,
    /// Further origins whose pages may change something.
    pub trusted_origins: Vec<String>,
    /// Peers that may name the client.
    pub trusted_proxies: Vec<String>,
    /// In this header.
    pub client_address_header: String,
    /// Bodies up to this size can be sent once more, in bytes.
    pub replay_limit: usize,
    /// Largest body of a request, in bytes; `None`: any.
    pub max_body: Option<u64>,
    /// How long a request under `/auth/` may take to come in.
    pub request_timeout: Duration,
    /// How long an app may think.
    pub upstream_timeout: Duration,
    /// How long a refresh token may come twice: `tokens.refresh_grace` of the issuer.
    pub grace: Duration,
    /// Without news of revocations for this long, tokens are refused; `None`: they are not.
    pub max_staleness: Option<Duration>,
}
