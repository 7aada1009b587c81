//! From entries to [`Config`]: each section's own parsers, and the rules between keys.

mod browsers;
mod email;
mod forward_auth;
mod gateway;
mod passkeys;
mod password;
mod providers;
mod server;
mod tokens;
mod webhooks;

use std::path::Path;

use portcullis_app::settings::RegistrationHook;

use super::entries::Entries;
use super::error::{ConfigError, Problem};
use super::sections::{
    ApiTokensConfig, AuditConfig, BotsConfig, Config, DeletionConfig, ImpersonationConfig, LogFormat,
    OutboundConfig, RateLimitConfig, RegistrationConfig, RegistrationMode, RevocationsConfig, StaleMode,
    TelemetryConfig,
};
use super::signing_in::LoginConfig;
use super::{network, text};

/// Builds every section. Defaults that are worked out from other keys are written back, so that
/// they can be shown.
pub(super) fn config(entries: &mut Entries, cwd: &Path) -> Result<Config, ConfigError> {
    let server = server::server(entries)?;
    let tokens = tokens::tokens(entries, &server.public_url)?;
    let (cookies, csrf) = browsers::browsers(entries, &server)?;
    let links = email::links(entries, &server.public_url)?;
    let passkeys = passkeys::passkeys(entries, &server.public_url)?;
    Ok(Config {
        links,
        email: email::email(entries, cwd)?,
        cookies,
        csrf,
        passkeys,
        forward_auth: forward_auth::forward_auth(entries, &tokens.issuer)?,
        gateway: gateway::gateway(entries, &tokens.issuer)?,
        server,
        tokens,
        database: server::database(entries)?,
        registration: registration(entries)?,
        password: password::password(entries, cwd)?,
        login: LoginConfig {
            require_factor: entries.parse_list("login.require_factor", text::role)?,
            trust_device_for: entries.duration("login.trust_device_for"),
            reveal_providers: entries.boolean("login.reveal_providers"),
            notify_new_device: entries.boolean("login.notify_new_device"),
        },
        rate_limit: rate_limit(entries),
        api_tokens: api_tokens(entries)?,
        bots: BotsConfig { max_per_user: entries.integer("bots.max_per_user") },
        audit: AuditConfig { retention: entries.optional_duration("audit.retention") },
        webhooks: webhooks::webhooks(entries, cwd)?,
        providers: providers::providers(entries)?,
        outbound: OutboundConfig {
            allow: entries.parse_list("outbound.allow", network::AddressRange::parse)?,
        },
        impersonation: ImpersonationConfig {
            max_duration: entries.duration("impersonation.max_duration"),
            notify: entries.boolean("impersonation.notify"),
        },
        deletion: DeletionConfig { grace: entries.duration("deletion.grace") },
        revocations: revocations(entries)?,
        telemetry: telemetry(entries)?,
    })
}

fn registration(entries: &Entries) -> Result<RegistrationConfig, ConfigError> {
    const ALLOWED_DOMAINS: &str = "registration.allowed_domains";
    const HOOK_URL: &str = "registration.hook_url";
    const TRIAL_DAYS: &str = "registration.trial_days";
    let modes = [
        ("open", RegistrationMode::Open),
        ("invite", RegistrationMode::Invite),
        ("closed", RegistrationMode::Closed),
    ];
    let mode = entries.parse("registration.mode", |mode| text::one_of(mode, &modes))?;
    let email_verification = entries.boolean("registration.email_verification");
    let require_email_verification = entries.boolean("registration.require_email_verification");
    if require_email_verification && !email_verification {
        let problem = "contradicts registration.email_verification, which is false";
        let remedy = "set that to true, or this to false";
        return Err(entries.fault("registration.require_email_verification", Problem::new(problem, remedy)));
    }
    let allowed_domains = entries.parse_list(ALLOWED_DOMAINS, text::email_domain)?;
    if !allowed_domains.is_empty() && !require_email_verification {
        let problem = Problem::new(
            "holds nobody off who may claim any address",
            "set registration.require_email_verification to true, too",
        );
        return Err(entries.fault(ALLOWED_DOMAINS, problem));
    }
    let default_plan = entries.parse_optional("registration.default_plan", text::plan)?;
    let trial_days = entries.optional_integer(TRIAL_DAYS);
    if trial_days.is_some() && default_plan.is_none() {
        let problem = Problem::new("is a trial of nothing", "name the plan in registration.default_plan");
        return Err(entries.fault(TRIAL_DAYS, problem));
    }
    let url = entries.parse_optional(HOOK_URL, network::fetched_url)?;
    let secret = entries.parse_optional("registration.hook_secret", text::webhook_secret)?;
    let hook = match (url, secret) {
        (Some(url), Some(secret)) => Some(RegistrationHook::new(url, secret)),
        (Some(_), None) => {
            let problem = Problem::new("would not know who asks it", "set registration.hook_secret, too");
            return Err(entries.fault(HOOK_URL, problem));
        }
        (None, _) => None,
    };
    Ok(RegistrationConfig {
        hook,
        allowed_domains,
        refused_domains: entries.parse_list("registration.refused_domains", text::email_domain)?,
        default_plan,
        trial_days,
        mode,
        require_email_verification,
        email_verification,
        default_role: entries.parse("registration.default_role", text::default_role)?,
    })
}

fn rate_limit(entries: &Entries) -> RateLimitConfig {
    RateLimitConfig {
        enabled: entries.boolean("rate_limit.enabled"),
        login: entries.rate("rate_limit.login"),
        register: entries.rate("rate_limit.register"),
        refresh: entries.rate("rate_limit.refresh"),
        refresh_replays: entries.rate("rate_limit.refresh_replays"),
        refresh_forgeries: entries.rate("rate_limit.refresh_forgeries"),
        password_change: entries.rate("rate_limit.password_change"),
        password_forgot: entries.rate("rate_limit.password_forgot"),
        password_reset: entries.rate("rate_limit.password_reset"),
        email_verify: entries.rate("rate_limit.email_verify"),
        send_verification: entries.rate("rate_limit.send_verification"),
        token_create: entries.rate("rate_limit.token_create"),
        oauth_token: entries.rate("rate_limit.oauth_token"),
    }
}

fn api_tokens(entries: &Entries) -> Result<ApiTokensConfig, ConfigError> {
    const DEFAULT: &str = "api_tokens.default_days";
    const MAX: &str = "api_tokens.max_days";
    let (default_days, max_days) = (entries.integer(DEFAULT), entries.integer(MAX));
    if default_days > max_days {
        let problem = format!("is longer than {MAX} ({max_days})");
        return Err(entries.fault(DEFAULT, Problem::new(problem, format!("shorten it or raise {MAX}"))));
    }
    Ok(ApiTokensConfig {
        max_per_user: entries.integer("api_tokens.max_per_user"),
        default_days,
        max_days,
        scanning_keys_url: entries.parse_optional("api_tokens.scanning_keys_url", network::fetched_url)?,
    })
}

fn revocations(entries: &Entries) -> Result<RevocationsConfig, ConfigError> {
    let modes = [("serve", StaleMode::Serve), ("refuse", StaleMode::Refuse)];
    Ok(RevocationsConfig {
        max_staleness: entries.duration("revocations.max_staleness"),
        stale: entries.parse("revocations.stale", |word| text::one_of(word, &modes))?,
    })
}

fn telemetry(entries: &Entries) -> Result<TelemetryConfig, ConfigError> {
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    Ok(TelemetryConfig {
        log: entries.parse("telemetry.log", |word| text::one_of(word, &formats))?,
        level: entries.parse("telemetry.level", text::log_level)?,
        listen: entries.parse_optional("telemetry.listen", network::socket_address)?,
    })
}
