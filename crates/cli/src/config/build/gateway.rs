//! `[gateway]`.

use super::forward_auth;
use crate::config::entries::Entries;
use crate::config::error::{ConfigError, Problem};
use crate::config::public_url::{self, PublicUrl};
use crate::config::secret_key::{self, parse_secret_key};
use crate::config::sections::{GatewayConfig, GatewayCsrf};
use crate::config::value::Value;
use crate::config::{network, text};

const CSRF: [(&str, GatewayCsrf); 2] = [("origin", GatewayCsrf::Origin), ("token", GatewayCsrf::Token)];
const AUDIENCE: &str = "gateway.audience";

pub(super) fn gateway(entries: &mut Entries, own_issuer: &str) -> Result<GatewayConfig, ConfigError> {
    entries.fill_derived("gateway.issuer", Value::Text(own_issuer.to_owned()));
    let issuer = entries.parse("gateway.issuer", public_url::issuer)?;
    entries.fill_derived(AUDIENCE, Value::Text(format!("{}/upstream", issuer.trim_end_matches('/'))));
    let audience = entries.parse(AUDIENCE, text::audience)?;
    if audience == issuer {
        let problem = Problem::new("is the issuer, whose API would take the app's token", "name the app");
        return Err(entries.fault(AUDIENCE, problem));
    }
    Ok(GatewayConfig {
        upstreams: entries.upstreams("gateway.upstream"),
        listen: entries.parse("gateway.listen", network::socket_address)?,
        public_url: entries.parse("gateway.public_url", PublicUrl::parse)?,
        reach_at: entries.parse_optional("gateway.reach_at", public_url::origin)?,
        secret_key: entries.parse_optional("gateway.secret_key", parse_secret_key)?,
        secret_keys_accepted: entries.parse_list("gateway.secret_keys_accepted", parse_secret_key)?,
        audience,
        rules: forward_auth::rules(entries, "gateway.rules", &issuer)?,
        issuer,
        require_sign_in: entries.boolean("gateway.require_sign_in"),
        access_code: entries.parse_optional("gateway.access_code", secret_key::access_code)?,
        csrf: entries.parse("gateway.csrf", |word| text::one_of(word, &CSRF))?,
        replay_limit: entries.size("gateway.replay_limit").unwrap_or(0),
        max_body: entries.size("gateway.max_body"),
        upstream_timeout: entries.duration("gateway.upstream_timeout"),
    })
}
