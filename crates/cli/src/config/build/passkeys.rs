//! `[passkeys]`: what passkeys are made for, and which pages may ask for them.

use url::{Host, Url};

use crate::config::entries::Entries;
use crate::config::error::{ConfigError, Problem};
use crate::config::public_url::{self, PublicUrl};
use crate::config::signing_in::PasskeysConfig;
use crate::config::text;
use crate::config::value::Value;

const RP_ID: &str = "passkeys.rp_id";
const ORIGINS: &str = "passkeys.origins";

pub(super) fn passkeys(entries: &mut Entries, public_url: &PublicUrl) -> Result<PasskeysConfig, ConfigError> {
    if let Some(Host::Domain(host)) = public_url.url().host() {
        entries.fill_derived(RP_ID, Value::Text(host.to_owned()));
    }
    let rp_id = entries.parse_optional(RP_ID, |text| rp_id(text, public_url))?;
    let mut origins = vec![public_url.url().origin().ascii_serialization()];
    let further = entries.parse_list(ORIGINS, |text| {
        let origin = public_url::origin(text)?;
        match &rp_id {
            Some(id) if is_within(&origin, id) => Ok(origin),
            Some(id) => Err(Problem::new(
                format!("is not within passkeys.rp_id ({id}), which its browsers would not take"),
                "list origins of that domain, or set passkeys.rp_id to one that holds them all",
            )),
            None => Err(Problem::new(
                "is of no use while passkeys are off: server.public_url names an address",
                "give server.public_url a host name",
            )),
        }
    })?;
    origins.extend(further);
    Ok(PasskeysConfig { rp_id, origins })
}

/// Browsers take the host itself, or a domain that it is in (WebAuthn Level 3 section 5.1.3, step 8).
fn rp_id(text: &str, public_url: &PublicUrl) -> Result<String, Problem> {
    let host = public_url.url().host_str().unwrap_or_default();
    if matches!(public_url.url().host(), Some(Host::Domain(host)) if host == text) {
        return Ok(text.to_owned());
    }
    let domain = text::domain(text)?;
    if is_in(host, &domain) {
        Ok(domain)
    } else {
        Err(Problem::new(
            "is not a domain of server.public_url",
            "name one that its host is in, or leave it out",
        ))
    }
}

fn is_within(origin: &str, id: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| matches!(url.host(), Some(Host::Domain(host)) if is_in(host, id)))
}

fn is_in(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
