//! `[forward_auth]`

use portcullis_core::access::Rule;

use crate::config::entries::Entries;
use crate::config::error::{ConfigError, Problem};
use crate::config::sections::{ForwardAuthConfig, ForwardAuthStyle};
use crate::config::{network, secret_key, text};

const STYLES: [(&str, ForwardAuthStyle); 4] = [
    ("nginx", ForwardAuthStyle::Nginx),
    ("traefik", ForwardAuthStyle::Traefik),
    ("caddy", ForwardAuthStyle::Caddy),
    ("envoy", ForwardAuthStyle::Envoy),
];

pub(super) fn forward_auth(entries: &Entries, issuer: &str) -> Result<ForwardAuthConfig, ConfigError> {
    let rules = rules(entries, "forward_auth.rules", issuer)?;
    Ok(ForwardAuthConfig {
        listen: entries.parse_optional("forward_auth.listen", network::socket_address)?,
        secret: entries.parse_optional("forward_auth.secret", secret_key::forward_secret)?,
        style: entries.parse("forward_auth.style", |word| text::one_of(word, &STYLES))?,
        rules,
    })
}

/// Access rules, none of which names the issuer as its audience.
pub(super) fn rules(entries: &Entries, name: &str, issuer: &str) -> Result<Vec<Rule>, ConfigError> {
    let rules = entries.rules(name);
    // Our own API would take the token that the service behind is given.
    if let Some(at) = rules.iter().position(|rule| rule.audience.as_deref() == Some(issuer)) {
        let problem = format!("rule {}: audience is the issuer", at + 1);
        return Err(entries.fault(name, Problem::new(problem, "name the service behind the proxy")));
    }
    Ok(rules)
}
