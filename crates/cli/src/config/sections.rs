//! The checked configuration, a struct a section. Defaults and ranges stand in the key table.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_app::mail::{LinkLifetimes, Links, OverrideFile};
use portcullis_app::providers::ProviderSettings;
use portcullis_app::settings::RegistrationHook;
use portcullis_core::access::Rule;
use portcullis_core::audit::KindFilter;
use portcullis_core::registration::Domain;
use portcullis_core::standard_webhook::WebhookSecret;
use portcullis_core::subscription::Plan;
use secrecy::SecretString;

use super::signing_in::{LoginConfig, PasskeysConfig};
use super::{
    AddressRange, ClaimSource, DatabaseUrl, MailServer, Mailbox, PublicUrl, Rate, SecretKey, Upstream,
};

/// Everything an operator can set. Debug shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[tokens]`
    pub tokens: TokensConfig,
    /// `[cookies]`
    pub cookies: CookiesConfig,
    /// `[csrf]`
    pub csrf: CsrfConfig,
    /// `[registration]`
    pub registration: RegistrationConfig,
    /// `[password]`
    pub password: PasswordConfig,
    /// `[login]`
    pub login: LoginConfig,
    /// `[passkeys]`
    pub passkeys: PasskeysConfig,
    /// `[rate_limit]`
    pub rate_limit: RateLimitConfig,
    /// `[api_tokens]`
    pub api_tokens: ApiTokensConfig,
    /// `[bots]`
    pub bots: BotsConfig,
    /// `[impersonation]`
    pub impersonation: ImpersonationConfig,
    /// `[deletion]`
    pub deletion: DeletionConfig,
    /// `[forward_auth]`
    pub forward_auth: ForwardAuthConfig,
    /// `[gateway]`
    pub gateway: GatewayConfig,
    /// `[revocations]`
    pub revocations: RevocationsConfig,
    /// `[audit]`
    pub audit: AuditConfig,
    /// `[[webhooks.endpoints]]`
    pub webhooks: Vec<WebhookConfig>,
    /// `[providers.<name>]`
    pub providers: Vec<ProviderSettings>,
    /// `[outbound]`
    pub outbound: OutboundConfig,
    /// `[email]`
    pub email: EmailConfig,
    /// `[links]`
    pub links: Links,
    /// `[telemetry]`
    pub telemetry: TelemetryConfig,
}

/// `[server]`
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where connections are taken.
    pub listen: SocketAddr,
    /// How clients reach us.
    pub public_url: PublicUrl,
    /// Further `Host` values, in small letters, with a port if it is sent with one.
    pub hosts: Vec<String>,
    /// None: the caller finds or makes one, or refuses.
    pub secret_key: Option<SecretKey>,
    /// Old or coming keys.
    pub secret_keys_accepted: Vec<SecretKey>,
    /// Peers whose `client_address_header` is believed.
    pub trusted_proxies: Vec<AddressRange>,
    /// A valid header name, as written.
    pub client_address_header: String,
    /// As browsers write them.
    pub cors_origins: Vec<String>,
    /// Origins, and URLs of single pages.
    pub return_urls: Vec<String>,
    /// None: the caller takes 80 % of the open-file limit.
    pub max_connections: Option<u32>,
    /// For the request head.
    pub header_timeout: Duration,
    /// For a request in all.
    pub request_timeout: Duration,
    /// For running requests after SIGTERM; zero ends them at once.
    pub shutdown_grace: Duration,
}

/// `[database]`
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Which database.
    pub url: DatabaseUrl,
    /// None: the store chooses.
    pub max_connections: Option<u32>,
}

/// How access tokens are signed (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// HMAC with SHA-256: only for services that share the secret.
    Hs256,
}

impl SigningAlgorithm {
    /// The `alg` value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }
}

/// `[tokens]`
#[derive(Debug, Clone)]
pub struct TokensConfig {
    /// `iss`, byte for byte as it is published.
    pub issuer: String,
    /// `aud`; at least one.
    pub audience: Vec<String>,
    /// For new tokens.
    pub algorithm: SigningAlgorithm,
    /// PEM with real line ends. None: the key is made and kept in the database.
    pub private_key: Option<SecretString>,
    /// Age at which the signing key is replaced; none: never by itself.
    pub key_rotation: Option<Duration>,
    /// Life of an access token; whole seconds are not promised.
    pub access_ttl: Duration,
    /// Idle end of a session; at least `access_ttl`.
    pub refresh_ttl: Duration,
    /// Absolute end of a session; at least `access_ttl`.
    pub session_max_age: Duration,
    /// Zero is strict single use.
    pub refresh_grace: Duration,
    /// Sessions get a place in the status lists.
    pub status_list: bool,
    /// The operator's claims; none has the name of a claim of ours.
    pub claims: BTreeMap<String, ClaimSource>,
}

/// When browsers send our cookies along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSitePolicy {
    /// From our own site, and when a link leads to us.
    Lax,
    /// From our own site only.
    Strict,
    /// From everywhere: with https, and for listed origins.
    None,
}

/// `[cookies]`
#[derive(Debug, Clone)]
pub struct CookiesConfig {
    /// When browsers send them along.
    pub same_site: SameSitePolicy,
    /// Of the refresh cookie; begins with `/`.
    pub path: String,
    /// In small letters; the host of `public_url` is in it. None: cookies stay with that host.
    pub domain: Option<String>,
}

/// `[csrf]`
#[derive(Debug, Clone)]
pub struct CsrfConfig {
    /// As browsers write them.
    pub trusted_origins: Vec<String>,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Everyone.
    Open,
    /// Whoever has an invite.
    Invite,
    /// No one.
    Closed,
}

/// `[registration]`
#[derive(Debug, Clone)]
pub struct RegistrationConfig {
    /// Who may register.
    pub mode: RegistrationMode,
    /// Nobody signs in before they have shown that their address is theirs. Needs `email_verification`.
    pub require_email_verification: bool,
    /// People are asked to.
    pub email_verification: bool,
    /// Never `admin`.
    pub default_role: String,
    /// None: all.
    pub allowed_domains: Vec<Domain>,
    /// Also if they are allowed.
    pub refused_domains: Vec<Domain>,
    /// Of the account of whoever registers.
    pub default_plan: Option<Plan>,
    /// For which it is on trial.
    pub trial_days: Option<u32>,
    /// The service that is asked before anybody is made.
    pub hook: Option<RegistrationHook>,
}

/// Passwords that are refused, beside the built-in list.
#[derive(Clone)]
pub struct PasswordBlocklist {
    /// Where they were read from.
    pub path: PathBuf,
    /// One password a line.
    pub text: String,
}

impl fmt::Debug for PasswordBlocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordBlocklist").field("path", &self.path).finish_non_exhaustive()
    }
}

/// `[password]`
#[derive(Debug, Clone)]
pub struct PasswordConfig {
    /// In characters.
    pub min_length: u32,
    /// In characters; at least `min_length`.
    pub max_length: u32,
    /// The file named by `blocklist_file`, read.
    pub blocklist: Option<PasswordBlocklist>,
    /// Argon2id m, in KiB; at least 8 a lane (RFC 9106 section 3.1).
    pub memory_kib: u32,
    /// Argon2id t.
    pub iterations: u32,
    /// Argon2id p.
    pub parallelism: u32,
    /// Longest wait for a hash.
    pub max_queue_wait: Duration,
}

/// `[rate_limit]`
#[derive(Debug, Clone)]
pub struct RateLimitConfig {
    /// False turns off all but the slowing of wrong passwords.
    pub enabled: bool,
    /// Per address.
    pub login: Rate,
    /// Per address.
    pub register: Rate,
    /// Rotations, per session.
    pub refresh: Rate,
    /// Replays inside the grace, per session.
    pub refresh_replays: Rate,
    /// Tokens with a wrong MAC, per address.
    pub refresh_forgeries: Rate,
    /// Per address.
    pub password_change: Rate,
    /// Asked for, per address.
    pub password_forgot: Rate,
    /// Used, per address.
    pub password_reset: Rate,
    /// Used, per address.
    pub email_verify: Rate,
    /// Asked for, per address.
    pub send_verification: Rate,
    /// By password, per address.
    pub token_create: Rate,
    /// Failures, per address.
    pub oauth_token: Rate,
}

/// `[api_tokens]`
#[derive(Debug, Clone)]
pub struct ApiTokensConfig {
    /// Live ones.
    pub max_per_user: u32,
    /// At most `max_days`.
    pub default_days: u32,
    /// In days.
    pub max_days: u32,
    /// Where scanners of source code have their keys.
    pub scanning_keys_url: Option<String>,
}

/// `[bots]`
#[derive(Debug, Clone, Copy)]
pub struct BotsConfig {
    /// Zero: there are none.
    pub max_per_user: u32,
}

/// `[outbound]`
#[derive(Debug, Clone)]
pub struct OutboundConfig {
    /// Not public, and fetched from all the same.
    pub allow: Vec<AddressRange>,
}

/// `[impersonation]`
#[derive(Debug, Clone, Copy)]
pub struct ImpersonationConfig {
    /// Whatever is refreshed.
    pub max_duration: Duration,
    /// By mail, when it begins.
    pub notify: bool,
}

/// `[deletion]`
#[derive(Debug, Clone, Copy)]
pub struct DeletionConfig {
    /// In which users may change their mind.
    pub grace: Duration,
}

/// Whose headers forward-auth reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardAuthStyle {
    /// `auth_request` of nginx.
    Nginx,
    /// `ForwardAuth` of Traefik.
    Traefik,
    /// `forward_auth` of Caddy.
    Caddy,
    /// `ext_authz` of Envoy.
    Envoy,
}

/// `[forward_auth]`
#[derive(Debug, Clone)]
pub struct ForwardAuthConfig {
    /// Where proxies ask without a secret; none: nowhere.
    pub listen: Option<SocketAddr>,
    /// Value of `X-Portcullis-Forward`; none: `/auth/verify` is 404. Visible ASCII.
    pub secret: Option<SecretString>,
    /// Whose headers are read.
    pub style: ForwardAuthStyle,
    /// In order; none has the issuer as its audience.
    pub rules: Vec<Rule>,
}

/// What requests with the gateway's cookies must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayCsrf {
    /// That a page of the site made them.
    Origin,
    /// The token, too.
    Token,
}

/// `[gateway]`
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The apps; none: there is no gateway.
    pub upstreams: Vec<Upstream>,
    /// Where connections are taken.
    pub listen: SocketAddr,
    /// How browsers reach it.
    pub public_url: PublicUrl,
    /// Byte for byte as it is published.
    pub issuer: String,
    /// None: under its own URL.
    pub reach_at: Option<String>,
    /// None: the caller finds or makes one.
    pub secret_key: Option<SecretKey>,
    /// Old or coming keys.
    pub secret_keys_accepted: Vec<SecretKey>,
    /// Never the issuer.
    pub audience: String,
    /// In order; none has the issuer as its audience.
    pub rules: Vec<Rule>,
    /// Nobody gets anything without being signed in.
    pub require_sign_in: bool,
    /// None: the site is open.
    pub access_code: Option<SecretString>,
    /// What requests with a cookie must show.
    pub csrf: GatewayCsrf,
    /// In bytes.
    pub replay_limit: u64,
    /// In bytes; none: any.
    pub max_body: Option<u64>,
    /// To the head of the answer.
    pub upstream_timeout: Duration,
}

/// What forward-auth and the gateway do without news of revocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleMode {
    /// Goes on by what it knows.
    Serve,
    /// Answers 503.
    Refuse,
}

/// `[revocations]`
#[derive(Debug, Clone)]
pub struct RevocationsConfig {
    /// Without news for longer than this our own protected endpoints answer 503.
    pub max_staleness: Duration,
    /// For forward-auth and the gateway, in that case.
    pub stale: StaleMode,
}

/// `[email]`
#[derive(Clone)]
pub struct EmailConfig {
    /// None: mails are kept in the outbox.
    pub server: Option<MailServer>,
    /// There if `server` is.
    pub from: Option<Mailbox>,
    /// None: answers go to `from`.
    pub reply_to: Option<Mailbox>,
    /// The folder's files, read and not looked at yet.
    pub templates: Vec<OverrideFile>,
    /// BCP 47.
    pub default_locale: String,
    /// By what links do.
    pub link_lifetimes: LinkLifetimes,
}

impl fmt::Debug for EmailConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailConfig")
            .field("server", &self.server)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// `[audit]`
#[derive(Debug, Clone, Copy)]
pub struct AuditConfig {
    /// None: events are kept for ever.
    pub retention: Option<Duration>,
}

/// One of `[[webhooks.endpoints]]`.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// No other has it.
    pub name: String,
    /// `https`, or `http` to `outbound.allow`.
    pub url: String,
    /// At least one.
    pub secrets: Vec<WebhookSecret>,
    /// None: all.
    pub kinds: Vec<KindFilter>,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// `[telemetry]`
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// The form of the log.
    pub log: LogFormat,
    /// A filter as `tracing_subscriber::EnvFilter` reads it.
    pub level: String,
    /// Where `/metrics` is served; none: nowhere.
    pub listen: Option<SocketAddr>,
}
