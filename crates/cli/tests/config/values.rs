//! Values other than the defaults arrive in the right field.

use std::time::Duration;

use portcullis::config::{
    DatabaseKind, ForwardAuthStyle, LogFormat, Rate, RegistrationMode, SameSitePolicy, SigningAlgorithm,
    StaleMode,
};
use portcullis_core::access::{HostPattern, Prefix, Require, Requirement, Rule};

use crate::support::Given;

#[test]
fn server() {
    let server = Given::toml(
        r#"[server]
        listen = "[::]:80"
        public_url = "https://Auth.example.com"
        trusted_proxies = ["10.0.0.0/8", "::1"]
        client_address_header = "X-Real-IP"
        max_connections = 1_000
        header_timeout = "1s"
        request_timeout = "10m"
        shutdown_grace = 0"#,
    )
    .good()
    .server;
    assert_eq!(server.listen.to_string(), "[::]:80");
    assert!(server.public_url.is_https() && server.public_url.authority() == "auth.example.com");
    assert!(server.trusted_proxies[0].contains("10.9.9.9".parse().expect("an address")));
    assert!(server.trusted_proxies[1].contains("::1".parse().expect("an address")));
    assert_eq!(server.client_address_header, "X-Real-IP");
    assert_eq!(server.max_connections, Some(1_000));
    assert_eq!(
        (server.header_timeout, server.request_timeout),
        (Duration::from_secs(1), Duration::from_mins(10))
    );
    assert!(server.shutdown_grace.is_zero());
}

#[test]
fn database_and_tokens() {
    let config = Given::toml(
        r#"[database]
        url = "postgresql://portcullis@db/portcullis"
        max_connections = 8
        [tokens]
        algorithm = "EdDSA"
        key_rotation = "90d"
        access_ttl = "2s"
        refresh_ttl = "3s"
        session_max_age = "4s"
        refresh_grace = "0"
        status_list = true"#,
    )
    .good();
    assert_eq!(
        (config.database.url.kind(), config.database.max_connections),
        (DatabaseKind::Postgres, Some(8))
    );
    let tokens = config.tokens;
    assert_eq!((tokens.algorithm, tokens.algorithm.as_str()), (SigningAlgorithm::EdDsa, "EdDSA"));
    assert_eq!(tokens.key_rotation, Some(Duration::from_hours(90 * 24)));
    assert_eq!(
        (tokens.access_ttl.as_secs(), tokens.refresh_ttl.as_secs(), tokens.session_max_age.as_secs()),
        (2, 3, 4)
    );
    assert!(tokens.refresh_grace.is_zero());
    assert!(tokens.status_list);
}

#[test]
fn registration_and_password() {
    let config = Given::toml(
        r#"[registration]
        mode = "invite"
        default_role = "guest"
        refused_domains = ["trash.example", "*.trash.example"]
        default_plan = "starter"
        trial_days = 14
        [password]
        min_length = 8
        max_length = 64
        blocklist_file = "words"
        memory_kib = 0x400
        iterations = 3
        parallelism = 2
        max_queue_wait = "500ms""#,
    )
    .with("words", "sesame\nopen\n")
    .good();
    let registration = &config.registration;
    assert_eq!((registration.mode, registration.refused_domains.len()), (RegistrationMode::Invite, 2));
    assert_eq!(registration.default_plan.as_ref().map(ToString::to_string).as_deref(), Some("starter"));
    assert_eq!(registration.trial_days, Some(14));
    assert_eq!(config.registration.default_role, "guest");
    let password = config.password;
    assert_eq!((password.min_length, password.max_length), (8, 64));
    assert_eq!((password.memory_kib, password.iterations, password.parallelism), (1_024, 3, 2));
    assert_eq!(password.max_queue_wait, Duration::from_millis(500));
    let blocklist = password.blocklist.expect("a list was named");
    assert_eq!(blocklist.text, "sesame\nopen\n");
    assert!(blocklist.path.ends_with("words") && !format!("{blocklist:?}").contains("sesame"));
}

#[test]
fn a_blocklist_that_cannot_be_read() {
    assert_eq!(
        Given::nothing().flag("password.blocklist_file", "absent").error(),
        "flag --password.blocklist_file: password.blocklist_file = \"absent\": \
         cannot be read: No such file or directory (os error 2); \
         name an existing file that the user running Portcullis may read"
    );
}

#[test]
fn each_limit_goes_to_its_own_field() {
    let keys = ["login", "register", "refresh", "refresh_replays", "refresh_forgeries", "password_change"];
    let given = keys.iter().zip(1..).fold(Given::nothing(), |given, (key, count): (_, u32)| {
        given.flag(&format!("rate_limit.{key}"), &format!("{count}/h"))
    });
    let limits = given.flag("rate_limit.enabled", "false").good().rate_limit;
    assert!(!limits.enabled);
    let all = [
        limits.login,
        limits.register,
        limits.refresh,
        limits.refresh_replays,
        limits.refresh_forgeries,
        limits.password_change,
    ];
    assert_eq!(all, [1, 2, 3, 4, 5, 6].map(|count| Rate { count, per: Duration::from_hours(1) }));
}

#[test]
fn the_rest() {
    let config = Given::toml(
        r#"revocations.max_staleness = "5s"
        [telemetry]
        log = "json"
        level = "info,portcullis_store=debug"
        listen = "127.0.0.1:9400""#,
    )
    .good();
    assert_eq!(config.revocations.max_staleness, Duration::from_secs(5));
    assert_eq!(config.telemetry.log, LogFormat::Json);
    assert_eq!(config.telemetry.level, "info,portcullis_store=debug");
    assert_eq!(config.telemetry.listen.map(|address| address.port()), Some(9400));
}

#[test]
fn forward_auth() {
    let config = Given::toml(
        r#"[server]
        public_url = "https://auth.example.com"
        cors_origins = ["https://App.example.com/", "http://localhost:5173"]
        return_urls = ["https://App.example.com", "https://shop.example.com/done?x=1"]
        [cookies]
        domain = "Example.com"
        same_site = "none"
        path = "/auth"
        [csrf]
        trusted_origins = ["https://App.example.com:443/"]
        [revocations]
        stale = "refuse"
        [forward_auth]
        listen = "127.0.0.1:8401"
        style = "caddy"
        [[forward_auth.rules]]
        path = "/public/"
        require = "public"
        [[forward_auth.rules]]
        host = "*.Example.com"
        path = "/admin"
        methods = ["GET", "POST"]
        require = ["role:admin|support", "scope:files:read", "fresh:10m"]
        audience = "https://files.example.com"
        [[forward_auth.rules]]
        require = "signed-in""#,
    )
    .good();
    assert_eq!(config.server.return_urls.len(), 2);
    assert_eq!(config.server.cors_origins, ["https://app.example.com", "http://localhost:5173"]);
    assert_eq!(config.cookies.domain.as_deref(), Some("example.com"));
    assert_eq!((config.cookies.same_site, config.cookies.path.as_str()), (SameSitePolicy::None, "/auth"));
    assert_eq!(config.csrf.trusted_origins, ["https://app.example.com"]);
    assert_eq!(config.revocations.stale, StaleMode::Refuse);
    let forward = config.forward_auth;
    assert_eq!(forward.listen.map(|address| address.port()), Some(8401));
    assert_eq!(forward.style, ForwardAuthStyle::Caddy);
    let plain = |path, require| Rule {
        host: None,
        path: Prefix::parse(path).expect(path),
        methods: vec![],
        require,
        audience: None,
    };
    let demands = vec![
        Requirement::Role(vec!["admin".into(), "support".into()]),
        Requirement::Scope("files:read".into()),
        Requirement::Fresh(Duration::from_mins(10)),
    ];
    let admin = Rule {
        host: HostPattern::parse("*.example.com").ok(),
        methods: vec!["GET".into(), "POST".into()],
        audience: Some("https://files.example.com".into()),
        ..plain("/admin", Require::SignedIn(demands))
    };
    let expected = [plain("/public", Require::Public), admin, plain("/", Require::SignedIn(vec![]))];
    assert_eq!(forward.rules, expected);
}
