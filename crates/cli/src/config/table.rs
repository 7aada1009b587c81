//! The table of keys: a key exists when it stands here.

use std::time::Duration;

use super::keys::Kind::{Boolean, Claim, Integer, List, Rate, Rules, Size, Text, Upstreams, Webhooks};
use super::keys::{KeySpec, Kind, Secrecy};

const DAY: u64 = 24 * 60 * 60;

const fn secs(from: u64, to: u64) -> Kind {
    Kind::Duration(Duration::from_secs(from), Duration::from_secs(to))
}

const fn millis(from: u64, to: u64) -> Kind {
    Kind::Duration(Duration::from_millis(from), Duration::from_millis(to))
}

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> KeySpec {
    KeySpec::new(name, kind, default, doc)
}

const fn unset(name: &'static str, kind: Kind, doc: &'static str) -> KeySpec {
    KeySpec::unset(name, kind, doc)
}

/// Every key, in the order in which it is shown.
pub const KEYS: &[KeySpec] = &[
    key("server.listen", Text, "127.0.0.1:8400", "address and port that are listened on"),
    key(
        "server.public_url",
        Text,
        "http://localhost:8400",
        "the URL that clients use; its scheme decides https mode",
    ),
    key("server.hosts", List, "", "further Host values that are answered"),
    unset("server.secret_key", Text, "32 bytes or more, from which all MAC and at-rest keys come")
        .secrecy(Secrecy::Secret),
    key("server.secret_keys_accepted", List, "", "secret keys that are still, or already, accepted")
        .secrecy(Secrecy::Secret),
    key("server.trusted_proxies", List, "", "addresses or ranges whose client address header is believed"),
    key(
        "server.client_address_header",
        Text,
        "X-Forwarded-For",
        "the one header a trusted proxy names the client in",
    ),
    key(
        "server.cors_origins",
        List,
        "",
        "origins whose pages may ask across origins, with cookies sent along",
    ),
    key("server.return_urls", List, "", "where people may return to from a sign-in, beside our own pages"),
    unset(
        "server.max_connections",
        Integer(1, 1_000_000),
        "connections at a time; 80 % of the open-file limit",
    ),
    key("server.header_timeout", secs(1, 300), "10s", "time a client has to send its request head"),
    key("server.request_timeout", secs(1, 600), "30s", "time a request may take in all"),
    key("server.shutdown_grace", secs(0, 600), "20s", "time running requests have after SIGTERM"),
    key("database.url", Text, "sqlite://data/portcullis.db", "sqlite:// path, or postgres:// URL")
        .secrecy(Secrecy::UrlPassword),
    unset(
        "database.max_connections",
        Integer(1, 10_000),
        "size of the connection pool; chosen by database and cores",
    ),
    unset("tokens.issuer", Text, "iss of access tokens; server.public_url"),
    unset("tokens.audience", List, "aud of access tokens; the issuer"),
    key("tokens.algorithm", Text, "ES256", "signature of access tokens: ES256, EdDSA, RS256 or HS256"),
    unset("tokens.private_key", Text, "signing key as PEM; made and kept in the database")
        .secrecy(Secrecy::Secret),
    key("tokens.key_rotation", secs(3_600, 3_650 * DAY), "off", "age at which the signing key is replaced")
        .or_off(),
    key("tokens.access_ttl", secs(1, DAY), "15m", "life of an access token"),
    key(
        "tokens.refresh_ttl",
        secs(1, 3_650 * DAY),
        "30d",
        "a session ends when it was not refreshed for this long",
    ),
    key("tokens.session_max_age", secs(1, 3_650 * DAY), "180d", "a session ends this long after sign-in"),
    key("tokens.refresh_grace", secs(0, 600), "60s", "time in which a replayed refresh gets the same answer"),
    key("tokens.status_list", Boolean, "false", "publishes revocations as IETF token status lists, too"),
    unset("tokens.claims.<name>", Claim, "a claim of your own: a static value, or where it comes from"),
    key("cookies.same_site", Text, "lax", "when browsers send our cookies along: lax, strict or none"),
    key("cookies.path", Text, "/", "path of the refresh cookie, which narrows where it is sent"),
    unset(
        "cookies.domain",
        Text,
        "domain of our cookies; without it they stay with the host of server.public_url",
    ),
    key("csrf.trusted_origins", List, "", "further origins whose pages may change something by cookie"),
    key("registration.mode", Text, "open", "who may register: open, invite or closed"),
    key(
        "registration.require_email_verification",
        Boolean,
        "false",
        "a mailed link before the first sign-in",
    ),
    key(
        "registration.email_verification",
        Boolean,
        "true",
        "people are asked by mail to show that their address is theirs",
    ),
    key("registration.default_role", Text, "user", "role of those who register"),
    key("registration.allowed_domains", List, "", "only addresses of these domains may register; all"),
    key("registration.refused_domains", List, "", "addresses of these domains may not register"),
    unset(
        "registration.default_plan",
        Text,
        "plan of the account of whoever registers without an invite to one",
    ),
    unset("registration.trial_days", Integer(1, 3_650), "days for which that plan is on trial; it is active"),
    unset("registration.hook_url", Text, "a service of yours that is asked before anybody is made"),
    unset("registration.hook_secret", Text, "whsec_…, by which that service knows who asks")
        .secrecy(Secrecy::Secret),
    key("password.min_length", Integer(8, 64), "15", "characters a new password needs"),
    key("password.max_length", Integer(64, 256), "128", "characters a new password may have"),
    unset(
        "password.blocklist_file",
        Text,
        "passwords that are refused, one a line, beside the built-in list",
    ),
    key("password.memory_kib", Integer(8, 262_144), "19456", "Argon2id memory of a hash, in KiB"),
    key("password.iterations", Integer(1, 16), "2", "Argon2id passes"),
    key("password.parallelism", Integer(1, 16), "1", "Argon2id lanes"),
    key(
        "password.max_queue_wait",
        millis(10, 60_000),
        "2s",
        "longest wait for a hash before 503 hashing_busy",
    ),
    key("login.require_factor", List, "", "roles whose users must have a second factor"),
    key(
        "login.trust_device_for",
        secs(0, 365 * DAY),
        "30d",
        "time in which a device that a user trusts is asked for no second factor; 0: never",
    ),
    key(
        "login.reveal_providers",
        Boolean,
        "false",
        "whoever tries a password where there is none is told by which providers the user signs in",
    ),
    key(
        "login.notify_new_device",
        Boolean,
        "true",
        "users are told of a sign-in from a device that was not seen before",
    ),
    unset("passkeys.rp_id", Text, "domain that passkeys are made for; the host of server.public_url"),
    key("passkeys.origins", List, "", "further origins whose pages may ask for passkeys"),
    key(
        "rate_limit.enabled",
        Boolean,
        "true",
        "false turns off all limits but the slowing of wrong passwords",
    ),
    key("rate_limit.login", Rate, "10/min", "sign-ins per address"),
    key("rate_limit.register", Rate, "3/min", "registrations per address"),
    key("rate_limit.refresh", Rate, "20/min", "rotations per session"),
    key("rate_limit.refresh_replays", Rate, "600/min", "replays inside the grace per session"),
    key("rate_limit.refresh_forgeries", Rate, "30/min", "refresh tokens with a wrong MAC per address"),
    key("rate_limit.password_change", Rate, "5/min", "password changes per address"),
    key("rate_limit.password_forgot", Rate, "3/min", "links to set a new password asked for, per address"),
    key("rate_limit.password_reset", Rate, "5/min", "links to set a new password used, per address"),
    key("rate_limit.email_verify", Rate, "10/min", "links that verify an address used, per address"),
    key("rate_limit.send_verification", Rate, "3/min", "links that verify an address asked for, per address"),
    key("rate_limit.token_create", Rate, "5/min", "API tokens by password per address"),
    key("rate_limit.oauth_token", Rate, "30/min", "failures at the OAuth endpoints per address"),
    key("api_tokens.max_per_user", Integer(1, 1_000), "20", "live API tokens a user may have"),
    key("api_tokens.default_days", Integer(1, 3_650), "90", "lifetime of an API token that asks for none"),
    key("api_tokens.max_days", Integer(1, 3_650), "365", "longest lifetime of an API token"),
    unset(
        "api_tokens.scanning_keys_url",
        Text,
        "keys of scanners of source code that report API tokens; nobody does",
    ),
    key("bots.max_per_user", Integer(0, 1_000), "5", "bots a user may have"),
    key("impersonation.max_duration", secs(60, 86_400), "60m", "longest time acting as another user"),
    key("impersonation.notify", Boolean, "true", "users are told when an administrator acts in their name"),
    key(
        "deletion.grace",
        secs(0, 365 * DAY),
        "30d",
        "time in which users may keep an account they wanted deleted",
    ),
    key("forward_auth.listen", Text, "off", "address and port on which proxies ask without a secret")
        .or_off(),
    unset("forward_auth.secret", Text, "value of X-Portcullis-Forward that opens /auth/verify")
        .secrecy(Secrecy::Secret),
    key("forward_auth.style", Text, "traefik", "whose headers are read: nginx, traefik, caddy or envoy"),
    unset("forward_auth.rules", Rules, "who may ask for what; the first rule that covers a request decides"),
    unset("gateway.upstream", Upstreams, "the app behind the gateway: one URL, or tables by host and path"),
    key("gateway.listen", Text, "127.0.0.1:8080", "address and port that the gateway listens on"),
    key("gateway.public_url", Text, "http://localhost:8080", "the URL that browsers reach the gateway under"),
    unset("gateway.issuer", Text, "whose tokens the gateway works with; tokens.issuer"),
    unset("gateway.reach_at", Text, "where the gateway reaches the issuer; gateway.issuer"),
    unset("gateway.secret_key", Text, "32 bytes or more, under which the gateway's cookies are sealed")
        .secrecy(Secrecy::Secret),
    key("gateway.secret_keys_accepted", List, "", "keys whose cookies are still, or already, accepted")
        .secrecy(Secrecy::Secret),
    unset("gateway.audience", Text, "aud of the tokens for the app; <issuer>/upstream"),
    unset("gateway.rules", Rules, "who may ask for what; the first rule that covers a request decides"),
    key("gateway.require_sign_in", Boolean, "false", "closes the whole site to whoever is not signed in"),
    unset("gateway.access_code", Text, "a code that everybody must know before anything else")
        .secrecy(Secrecy::Secret),
    key("gateway.csrf", Text, "origin", "what requests with a cookie must show: origin, or token, too"),
    key(
        "gateway.replay_limit",
        Size(0, 16 << 20),
        "64 KiB",
        "largest body that can be sent once more after a 401",
    ),
    key("gateway.max_body", Size(1, 1 << 40), "off", "largest body of a request").or_off(),
    key("gateway.upstream_timeout", secs(1, 3_600), "60s", "time the app has to begin its answer"),
    key(
        "revocations.max_staleness",
        secs(1, 3_600),
        "60s",
        "longest time without news before our API answers 503",
    ),
    key("revocations.stale", Text, "serve", "what forward-auth and gateway do without news: serve or refuse"),
    key("audit.retention", secs(DAY, 36_500 * DAY), "off", "age at which audit events are deleted").or_off(),
    unset("webhooks.endpoints", Webhooks, "who is told of audit events, and by which secrets they know us"),
    unset("providers.<name>.kind", Text, "google, microsoft, github, facebook, oidc or oauth2"),
    unset("providers.<name>.title", Text, "what people call it; its kind's, or its name"),
    unset("providers.<name>.client_id", Text, "who we are to it"),
    unset("providers.<name>.client_secret", Text, "by which it knows us").secrecy(Secrecy::Secret),
    unset("providers.<name>.scopes", List, "what we ask to be told; as its kind needs"),
    unset("providers.<name>.hosted_domain", Text, "google: only people of this Google Workspace; everybody"),
    unset("providers.<name>.tenant", Text, "microsoft: common, organizations, consumers or a directory's id"),
    unset("providers.<name>.issuer", Text, "oidc, oauth2: as it is published; github: an Enterprise Server"),
    unset(
        "providers.<name>.client_authentication",
        Text,
        "oidc, oauth2: how we show who we are: basic or post",
    ),
    unset("providers.<name>.email_vouched", Boolean, "oidc, oauth2: whether it vouches for addresses"),
    unset("providers.<name>.authorization_endpoint", Text, "oauth2: where people are sent"),
    unset("providers.<name>.token_endpoint", Text, "oauth2: where codes are redeemed"),
    unset("providers.<name>.userinfo_endpoint", Text, "oauth2: where the profile is"),
    unset("providers.<name>.pkce", Boolean, "oauth2: whether it is sent a code challenge; true"),
    unset("providers.<name>.profile.subject", Text, "oauth2: where the profile has the person's id"),
    unset("providers.<name>.profile.email", Text, "oauth2: where the profile has the address"),
    unset(
        "providers.<name>.profile.email_verified",
        Text,
        "oauth2: where the profile vouches for the address",
    ),
    unset("providers.<name>.profile.name", Text, "oauth2: where the profile has the full name"),
    unset("providers.<name>.profile.locale", Text, "oauth2: where the profile has the language"),
    key("outbound.allow", List, "", "addresses or ranges that we fetch from although they are not public"),
    unset("email.url", Text, "mail server, smtps:// or smtp://; without one mails are kept in the outbox")
        .secrecy(Secrecy::UrlPassword),
    unset(
        "email.from",
        Text,
        "whom mails are from; what stands before the address is the installation's name",
    ),
    unset("email.reply_to", Text, "where answers to mails go; email.from"),
    unset("email.templates", Text, "folder with mail templates of your own"),
    key("email.default_locale", Text, "en", "language of mails to people without one"),
    key("email.link_ttl.verify_email", secs(60, 365 * DAY), "24h", "life of a link that proves an address"),
    key(
        "email.link_ttl.register",
        secs(60, 365 * DAY),
        "24h",
        "life of a link that completes a registration",
    ),
    key(
        "email.link_ttl.reset_password",
        secs(60, 365 * DAY),
        "1h",
        "life of a link that sets a new password",
    ),
    key(
        "email.link_ttl.change_email",
        secs(60, 365 * DAY),
        "24h",
        "life of a link that confirms a new address",
    ),
    key(
        "email.link_ttl.undo_email",
        secs(60, 365 * DAY),
        "7d",
        "life of a link that brings back an address that was changed",
    ),
    key("email.link_ttl.account_invite", secs(60, 365 * DAY), "7d", "life of a link that joins an account"),
    key(
        "email.link_ttl.keep_account",
        secs(60, 365 * DAY),
        "30d",
        "life of a link that keeps an account that was to be deleted",
    ),
    key(
        "email.link_ttl.not_me",
        secs(60, 365 * DAY),
        "7d",
        "life of a link that ends a sign-in that its user knows nothing of",
    ),
    unset("links.sign_in", Text, "where mails send people to sign in; a page of ours"),
    unset("links.verify_email", Text, "where links lead that prove an address; a page of ours"),
    unset("links.reset_password", Text, "where links lead that set a new password; a page of ours"),
    unset("links.undo_email", Text, "where links lead that bring back an address; a page of ours"),
    unset("links.invite", Text, "where links lead that join an account; a page of ours"),
    unset("links.keep_account", Text, "where links lead that keep an account; a page of ours"),
    unset("links.not_me", Text, "where links lead that end a sign-in; a page of ours"),
    key("telemetry.log", Text, "auto", "text, json, or auto: text on a terminal, else json"),
    key("telemetry.level", Text, "info", "log level, or target=level pairs with commas"),
    key("telemetry.listen", Text, "off", "address and port of /metrics").or_off(),
];
