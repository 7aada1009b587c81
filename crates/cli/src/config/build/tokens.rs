//! `[tokens]`, with the rules between its lives.

use std::time::Duration;

use crate::config::entries::Entries;
use crate::config::error::{ConfigError, Problem};
use crate::config::origin::Origin;
use crate::config::public_url::{self, PublicUrl};
use crate::config::secret_key;
use crate::config::sections::{SigningAlgorithm, TokensConfig};
use crate::config::value::Value;
use crate::config::{duration, text};

const ALGORITHMS: [(&str, SigningAlgorithm); 4] = [
    ("ES256", SigningAlgorithm::Es256),
    ("EdDSA", SigningAlgorithm::EdDsa),
    ("RS256", SigningAlgorithm::Rs256),
    ("HS256", SigningAlgorithm::Hs256),
];

pub(super) fn tokens(entries: &mut Entries, public_url: &PublicUrl) -> Result<TokensConfig, ConfigError> {
    entries.fill_derived("tokens.issuer", Value::Text(public_url.to_string()));
    let issuer = entries.parse("tokens.issuer", public_url::issuer)?;
    entries.fill_derived("tokens.audience", Value::List(vec![issuer.clone()]));
    let audience = entries.parse_list("tokens.audience", text::audience)?;
    if audience.is_empty() {
        let problem = Problem::new("names no one", "name at least one service or leave the key out");
        return Err(entries.fault("tokens.audience", problem));
    }
    let access_ttl = entries.duration("tokens.access_ttl");
    Ok(TokensConfig {
        issuer,
        audience,
        algorithm: entries.parse("tokens.algorithm", |word| text::one_of(word, &ALGORITHMS))?,
        private_key: entries.parse_optional("tokens.private_key", secret_key::private_key_pem)?,
        key_rotation: entries.optional_duration("tokens.key_rotation"),
        access_ttl,
        refresh_ttl: not_under_access(entries, "tokens.refresh_ttl", access_ttl)?,
        session_max_age: not_under_access(entries, "tokens.session_max_age", access_ttl)?,
        refresh_grace: entries.duration("tokens.refresh_grace"),
        status_list: entries.boolean("tokens.status_list"),
        claims: entries.claims.iter().map(|(name, (source, _))| (name.clone(), source.clone())).collect(),
    })
}

/// A session that ends before its access token does would end nothing.
fn not_under_access(entries: &Entries, name: &str, access_ttl: Duration) -> Result<Duration, ConfigError> {
    const ACCESS: &str = "tokens.access_ttl";
    let life = entries.duration(name);
    if life >= access_ttl {
        return Ok(life);
    }
    // The one that was set is the one to look at.
    if entries.get(name).is_some_and(|entry| entry.origin == Origin::Default) {
        let problem = format!("is longer than {name} ({})", duration::format(life));
        return Err(entries.fault(ACCESS, Problem::new(problem, format!("shorten it or set {name}"))));
    }
    let problem = format!("is shorter than {ACCESS} ({})", duration::format(access_ttl));
    Err(entries.fault(name, Problem::new(problem, format!("lengthen it or shorten {ACCESS}"))))
}
