//! What runs when nothing is set: section 9 of the contract.

use std::time::Duration;

use portcullis::config::{
    DatabaseKind, ForwardAuthStyle, LogFormat, Rate, RegistrationMode, SameSitePolicy, SigningAlgorithm,
    StaleMode,
};

use crate::support::Given;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

#[test]
fn server_and_database() {
    let config = Given::nothing().good();
    let server = config.server;
    assert_eq!(server.listen.to_string(), "127.0.0.1:8400");
    assert_eq!(server.public_url.as_str(), "http://localhost:8400");
    assert!(server.public_url.is_loopback() && !server.public_url.is_https());
    assert!(server.hosts.is_empty() && server.trusted_proxies.is_empty());
    assert!(server.secret_key.is_none() && server.secret_keys_accepted.is_empty());
    assert_eq!(server.client_address_header, "X-Forwarded-For");
    assert_eq!(server.max_connections, None);
    assert_eq!(
        (server.header_timeout, server.request_timeout, server.shutdown_grace),
        (Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(20))
    );
    assert_eq!(config.database.url.kind(), DatabaseKind::Sqlite);
    assert_eq!(config.database.url.expose(), "sqlite://data/portcullis.db");
    assert_eq!(config.database.max_connections, None);
}

#[test]
fn tokens() {
    let tokens = Given::nothing().good().tokens;
    assert_eq!(tokens.issuer, "http://localhost:8400");
    assert_eq!(tokens.audience, ["http://localhost:8400"]);
    assert_eq!(tokens.algorithm, SigningAlgorithm::Es256);
    assert!(tokens.private_key.is_none() && tokens.key_rotation.is_none() && tokens.claims.is_empty());
    assert!(!tokens.status_list);
    assert_eq!(
        (tokens.access_ttl, tokens.refresh_ttl, tokens.session_max_age, tokens.refresh_grace),
        (15 * MINUTE, 30 * DAY, 180 * DAY, MINUTE)
    );
}

#[test]
fn registration_and_password() {
    let config = Given::nothing().good();
    assert_eq!(config.registration.mode, RegistrationMode::Open);
    assert!(!config.registration.require_email_verification);
    assert_eq!(config.registration.default_role, "user");
    assert!(config.registration.allowed_domains.is_empty() && config.registration.refused_domains.is_empty());
    assert!(config.registration.default_plan.is_none() && config.registration.trial_days.is_none());
    let password = config.password;
    assert_eq!((password.min_length, password.max_length), (15, 128));
    assert_eq!((password.memory_kib, password.iterations, password.parallelism), (19_456, 2, 1));
    assert_eq!(password.max_queue_wait, Duration::from_secs(2));
    assert!(password.blocklist.is_none());
}

#[test]
fn limits_and_the_rest() {
    let config = Given::nothing().good();
    let limits = config.rate_limit;
    assert!(limits.enabled);
    let a_minute = |count| Rate { count, per: MINUTE };
    assert_eq!(limits.login, a_minute(10));
    assert_eq!(limits.register, a_minute(3));
    assert_eq!(limits.refresh, a_minute(20));
    assert_eq!(limits.refresh_replays, a_minute(600));
    assert_eq!(limits.refresh_forgeries, a_minute(30));
    assert_eq!(limits.password_change, a_minute(5));
    let forward = config.forward_auth;
    assert!(forward.secret.is_none() && forward.listen.is_none() && forward.rules.is_empty());
    assert_eq!(forward.style, ForwardAuthStyle::Traefik);
    assert_eq!(config.revocations.stale, StaleMode::Serve);
    assert!(config.cookies.domain.is_none() && config.csrf.trusted_origins.is_empty());
    assert_eq!((config.cookies.same_site, config.cookies.path.as_str()), (SameSitePolicy::Lax, "/"));
    assert!(config.server.cors_origins.is_empty());
    assert_eq!(config.revocations.max_staleness, MINUTE);
    assert_eq!((config.telemetry.log, config.telemetry.level.as_str()), (LogFormat::Auto, "info"));
    assert_eq!(config.telemetry.listen, None);
}
