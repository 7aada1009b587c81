//! From the configuration to what the gateway reads, alone or beside the server.

use portcullis_core::random::Random;
use portcullis_core::server_key::{KeyRing, ServerKey};
use portcullis_gateway::{Csrf, GatewayConfig, Target};
use secrecy::ExposeSecret as _;

use crate::config::{Config, GatewayCsrf, SecretKey, StaleMode};
use crate::failure::Failure;
use crate::server_keys;

/// The file of a key that is generated for a gateway alone.
const FILE: &str = "gateway_key";

/// How the issuer is reached.
pub(crate) struct Issuer {
    /// None: under its own URL.
    pub(crate) reach_at: Option<String>,
    /// What it knows a gateway in its own process by.
    pub(crate) secret: Option<String>,
}

/// The keys of a gateway: `gateway.secret_key`, else what follows from the server's, else one that is made here.
pub(crate) fn keys(config: &Config, random: &dyn Random) -> Result<KeyRing, Failure> {
    let gateway = &config.gateway;
    let current = match (&gateway.secret_key, &config.server.secret_key) {
        (Some(key), _) => key.clone(),
        (None, Some(_)) => return keys_of_server(config, random),
        (None, None) => server_keys::read_or_make(&server_keys::data_directory(config).join(FILE), random)?,
    };
    ring("gateway.secret_key", &current, &gateway.secret_keys_accepted)
}

/// The keys of a gateway beside the server, whose own key is at hand.
pub(crate) fn keys_of_server(config: &Config, random: &dyn Random) -> Result<KeyRing, Failure> {
    let gateway = &config.gateway;
    if let Some(current) = &gateway.secret_key {
        return ring("gateway.secret_key", current, &gateway.secret_keys_accepted);
    }
    let server = server_keys::ring(config, false, random)?;
    let accepted = server.iter().skip(1).map(ServerKey::for_gateway);
    let own = gateway.secret_keys_accepted.iter().map(|key| derived("gateway.secret_keys_accepted", key));
    let accepted = accepted.map(Ok).chain(own).collect::<Result<_, Failure>>()?;
    Ok(KeyRing::new(server.current().for_gateway(), accepted))
}

fn ring(name: &str, current: &SecretKey, accepted: &[SecretKey]) -> Result<KeyRing, Failure> {
    let accepted = accepted.iter().map(|key| derived("gateway.secret_keys_accepted", key));
    Ok(KeyRing::new(derived(name, current)?, accepted.collect::<Result<_, _>>()?))
}

/// The same whether a key is the gateway's own or the server's.
fn derived(name: &str, key: &SecretKey) -> Result<ServerKey, Failure> {
    server_keys::server_key(name, key).map(|key| key.for_gateway())
}

/// What the gateway is made of.
pub(crate) fn settings(config: &Config, keys: KeyRing, issuer: Issuer) -> Result<GatewayConfig, Failure> {
    let gateway = &config.gateway;
    let url = gateway.public_url.url();
    let own = url.origin();
    if url::Url::parse(&gateway.issuer).is_ok_and(|issuer| issuer.origin() == own) {
        return Err(Failure::mend(
            format_args!("gateway.public_url = \"{}\" is the issuer's, too", gateway.public_url),
            "give the gateway a host name or a port of its own",
        ));
    }
    let target = |upstream: &crate::config::Upstream| Target {
        host: upstream.host.clone(),
        path: upstream.path.clone(),
        url: upstream.url.clone(),
    };
    Ok(GatewayConfig {
        public_url: url.clone(),
        hosts: Vec::new(),
        targets: gateway.upstreams.iter().map(target).collect(),
        issuer: gateway.issuer.clone(),
        reach_at: issuer.reach_at,
        issuer_secret: issuer.secret,
        keys,
        audience: gateway.audience.clone(),
        rules: gateway.rules.clone(),
        require_sign_in: gateway.require_sign_in,
        access_code: gateway.access_code.as_ref().map(|code| code.expose_secret().to_owned()),
        csrf: match gateway.csrf {
            GatewayCsrf::Origin => Csrf::Origin,
            GatewayCsrf::Token => Csrf::Token,
        },
        trusted_origins: config.csrf.trusted_origins.clone(),
        trusted_proxies: config.server.trusted_proxies.iter().map(ToString::to_string).collect(),
        client_address_header: config.server.client_address_header.clone(),
        replay_limit: usize::try_from(gateway.replay_limit).unwrap_or(usize::MAX),
        max_body: gateway.max_body,
        request_timeout: config.server.request_timeout,
        upstream_timeout: gateway.upstream_timeout,
        grace: config.tokens.refresh_grace,
        max_staleness: match config.revocations.stale {
            StaleMode::Serve => None,
            StaleMode::Refuse => Some(config.revocations.max_staleness),
        },
    })
}
