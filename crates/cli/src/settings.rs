//! From the configuration to what the use cases read.

use portcullis_app::forward_auth::{ForwardAuth, Stale};
use portcullis_app::mail::EmailSettings;
use portcullis_app::passkeys::RelyingParty;
use portcullis_app::settings::{
    ApiTokenRules, Lifetimes, LoginRules, PlanClaim, Rates, RegistrationRules, Settings, Webhook,
};
use portcullis_core::access::Rules;
use portcullis_core::password::PasswordPolicy;
use portcullis_core::rate::Rate;
use portcullis_core::registration::Mode;
use portcullis_core::user::Role;
use portcullis_jose::{Algorithm, SigningKey};
use portcullis_web::paths;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use crate::config::{
    ClaimSource, Config, ConfigError, Loaded, Origin, RateLimitConfig, RegistrationMode, SigningAlgorithm,
    StaleMode, WebhookConfig,
};

/// The settings of a node.
///
/// # Errors
/// What can only be told when the values are put to use: a private key that cannot be used, a claim whose source
/// does not exist yet.
pub(crate) fn settings(loaded: &Loaded) -> Result<Settings, ConfigError> {
    let config = &loaded.config;
    let private_key = private_key(loaded)?;
    let own = private_key.as_ref().map(SigningKey::algorithm);
    Ok(Settings {
        issuer: config.tokens.issuer.clone(),
        audiences: config.tokens.audience.clone(),
        claims: claims(loaded)?,
        plan_claims: plan_claims(config),
        algorithm: own.unwrap_or_else(|| algorithm(config.tokens.algorithm)),
        private_key,
        key_rotation: config.tokens.key_rotation,
        lifetimes: Lifetimes {
            access: config.tokens.access_ttl,
            refresh: config.tokens.refresh_ttl,
            session: config.tokens.session_max_age,
            grace: config.tokens.refresh_grace,
        },
        registration: registration(config),
        email_verification: config.registration.email_verification,
        require_email_verification: config.registration.require_email_verification,
        default_role: Role::parse("role", &config.registration.default_role).map_err(|error| {
            refused(loaded, "registration.default_role", &error.message, "choose another role")
        })?,
        password_policy: password_policy(config).map_err(|error| {
            refused(loaded, "password.min_length", &error.to_string(), "choose within these")
        })?,
        rates: config.rate_limit.enabled.then(|| rates(&config.rate_limit)),
        max_staleness: config.revocations.max_staleness,
        login: LoginRules {
            require_factor: config.login.require_factor.clone(),
            trust_device_for: config.login.trust_device_for,
        },
        api_tokens: ApiTokenRules {
            per_user: config.api_tokens.max_per_user,
            default_days: config.api_tokens.default_days,
            max_days: config.api_tokens.max_days,
        },
        scanning_keys_url: config.api_tokens.scanning_keys_url.clone(),
        bots_per_user: config.bots.max_per_user,
        status_lists: config.tokens.status_list.then(|| status_lists(config)),
        impersonation: config.impersonation.max_duration,
        impersonation_notify: config.impersonation.notify,
        notify_new_device: config.login.notify_new_device,
        relying_party: relying_party(loaded)?,
        forward_auth: forward_auth(config),
        gateway_audiences: gateway_audiences(config),
        audit_retention: config.audit.retention,
        webhooks: config.webhooks.iter().map(webhook).collect(),
        deletion_grace: config.deletion.grace,
        email: email(config),
    })
}

/// Us, as passkeys know us.
fn relying_party(loaded: &Loaded) -> Result<Option<RelyingParty>, ConfigError> {
    let config = &loaded.config;
    let Some(id) = &config.passkeys.rp_id else { return Ok(None) };
    let made = RelyingParty::new(id, &email(config).product, &config.passkeys.origins);
    made.map(Some).map_err(|_| {
        refused(
            loaded,
            "passkeys.rp_id",
            "does not hold every origin",
            "leave it out, or mend passkeys.origins",
        )
    })
}

fn registration(config: &Config) -> RegistrationRules {
    let registration = &config.registration;
    RegistrationRules {
        mode: match registration.mode {
            RegistrationMode::Open => Mode::Open,
            RegistrationMode::Invite => Mode::Invite,
            RegistrationMode::Closed => Mode::Closed,
        },
        allowed_domains: registration.allowed_domains.clone(),
        refused_domains: registration.refused_domains.clone(),
        default_plan: registration.default_plan.clone(),
        trial_days: registration.trial_days,
        hook: registration.hook.clone(),
    }
}

/// Claims that say what the account in use has subscribed to.
fn plan_claims(config: &Config) -> Vec<(String, PlanClaim)> {
    let claims = config.tokens.claims.iter().filter_map(|(name, source)| match source {
        ClaimSource::AccountPlan => Some((name.clone(), PlanClaim::Plan)),
        ClaimSource::AccountPlanStatus => Some((name.clone(), PlanClaim::Status)),
        _ => None,
    });
    claims.collect()
}

/// What mails say and where they lead.
pub(crate) fn email(config: &Config) -> EmailSettings {
    let (email, url) = (&config.email, &config.server.public_url);
    let named = email.from.as_ref().and_then(|from| from.name.clone());
    let host = || url.url().host_str().unwrap_or("Portcullis").to_owned();
    EmailSettings {
        product: named.unwrap_or_else(host),
        default_locale: email.default_locale.clone(),
        link_lifetimes: email.link_lifetimes,
        links: config.links.clone(),
        ..EmailSettings::at(&url.to_string())
    }
}

fn webhook(config: &WebhookConfig) -> Webhook {
    let WebhookConfig { name, url, secrets, kinds } = config.clone();
    Webhook { name, url, secrets, kinds }
}

fn status_lists(config: &Config) -> String {
    let path = paths::STATUS_LIST.trim_end_matches("/{list}");
    format!("{}{path}", config.server.public_url)
}

fn forward_auth(config: &Config) -> ForwardAuth {
    let audience = format!("{}/upstream", config.server.public_url);
    ForwardAuth {
        rules: Rules::new(&audience, config.forward_auth.rules.clone()),
        stale: match config.revocations.stale {
            StaleMode::Serve => Stale::Serve,
            StaleMode::Refuse => Stale::Refuse,
        },
    }
}

/// What stands behind the gateway, here or elsewhere, that speaks to this server.
fn gateway_audiences(config: &Config) -> Vec<String> {
    let gateway = &config.gateway;
    let rules = gateway.rules.iter().filter_map(|rule| rule.audience.clone());
    std::iter::once(gateway.audience.clone()).chain(rules).collect()
}

fn password_policy(config: &Config) -> Result<PasswordPolicy, portcullis_core::password::PolicyError> {
    let password = &config.password;
    let policy = PasswordPolicy::new(password.min_length as usize, password.max_length as usize)?;
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    Ok(match &password.blocklist {
        Some(list) => policy.with_extra(lines(&list.text)),
        None => policy,
    })
}

const fn algorithm(configured: SigningAlgorithm) -> Algorithm {
    match configured {
        SigningAlgorithm::Es256 => Algorithm::Es256,
        SigningAlgorithm::EdDsa => Algorithm::EdDsa,
        SigningAlgorithm::Rs256 => Algorithm::Rs256,
        SigningAlgorithm::Hs256 => Algorithm::Hs256,
    }
}

/// The operator's own key. Its algorithm follows from it; one that was set and is another is a contradiction.
fn private_key(loaded: &Loaded) -> Result<Option<SigningKey>, ConfigError> {
    const KEY: &str = "tokens.private_key";
    const ALGORITHM: &str = "tokens.algorithm";
    let tokens = &loaded.config.tokens;
    let Some(pem) = &tokens.private_key else { return Ok(None) };
    let key = SigningKey::from_pem(pem.expose_secret()).map_err(|error| {
        let text = error.to_string();
        let (problem, remedy) = text.split_once(": ").unwrap_or((&text, "give a private key in PEM"));
        refused(loaded, KEY, problem, remedy)
    })?;
    let wanted = algorithm(tokens.algorithm);
    let was_set = loaded.origins.get(ALGORITHM).is_some_and(|origin| *origin != Origin::Default);
    if was_set && wanted != key.algorithm() {
        let problem = format!("is not the algorithm of tokens.private_key, which is {}", key.algorithm());
        return Err(refused(loaded, ALGORITHM, &problem, "leave it out, or give a key that fits"));
    }
    Ok(Some(key))
}

fn claims(loaded: &Loaded) -> Result<Map<String, Value>, ConfigError> {
    let mut claims = Map::new();
    for (name, source) in &loaded.config.tokens.claims {
        let value = match source {
            ClaimSource::Text(text) => Value::from(text.clone()),
            ClaimSource::Integer(number) => Value::from(*number),
            ClaimSource::Boolean(value) => Value::from(*value),
            ClaimSource::AccountPlan | ClaimSource::AccountPlanStatus => continue,
            ClaimSource::LegacyId | ClaimSource::LegacyIdNumber => {
                let key = format!("tokens.claims.{name}");
                let problem = "is a source that comes in a later version";
                return Err(refused(loaded, &key, problem, "leave it out, or give a static value"));
            }
        };
        claims.insert(name.clone(), value);
    }
    Ok(claims)
}

fn rates(limits: &RateLimitConfig) -> Rates {
    let rate = |rate: crate::config::Rate| Rate::new(rate.count, rate.per);
    Rates {
        login: rate(limits.login),
        register: rate(limits.register),
        refresh: rate(limits.refresh),
        refresh_replays: rate(limits.refresh_replays),
        refresh_forgeries: rate(limits.refresh_forgeries),
        password_change: rate(limits.password_change),
        password_forgot: rate(limits.password_forgot),
        password_reset: rate(limits.password_reset),
        email_verify: rate(limits.email_verify),
        send_verification: rate(limits.send_verification),
        token_create: rate(limits.token_create),
        oauth_token: rate(limits.oauth_token),
    }
}

/// A refusal in the form of all others: where, key, value, what is wrong, what to do.
fn refused(loaded: &Loaded, key: &str, problem: &str, remedy: &str) -> ConfigError {
    let shown = loaded.show().into_iter().find(|shown| shown.key == key);
    ConfigError {
        origin: loaded.origins.get(key).unwrap_or(&Origin::Default).to_string(),
        key: Some(key.to_owned()),
        // A secret is masked there already.
        value: Some(shown.map_or_else(String::new, |shown| shown.value.to_string())),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    }
}
