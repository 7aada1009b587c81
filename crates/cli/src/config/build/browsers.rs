//! What is asked of browsers: `[cookies]`, `[csrf]`.

use crate::config::entries::Entries;
use crate::config::error::{ConfigError, Problem};
use crate::config::public_url::{self, PublicUrl};
use crate::config::sections::{CookiesConfig, CsrfConfig, SameSitePolicy, ServerConfig};
use crate::config::text;

const POLICIES: [(&str, SameSitePolicy); 3] =
    [("lax", SameSitePolicy::Lax), ("strict", SameSitePolicy::Strict), ("none", SameSitePolicy::None)];

/// The two sections, and the rules between them.
pub(super) fn browsers(
    entries: &Entries,
    server: &ServerConfig,
) -> Result<(CookiesConfig, CsrfConfig), ConfigError> {
    let trusted_origins = entries.parse_list("csrf.trusted_origins", public_url::origin)?;
    let listed = !trusted_origins.is_empty();
    let same_site = entries.parse("cookies.same_site", |word| {
        let policy = text::one_of(word, &POLICIES)?;
        same_site(policy, &server.public_url, listed)
    })?;
    let path = entries.parse("cookies.path", text::cookie_path)?;
    let domain = entries.parse_optional("cookies.domain", |text| domain(text, &server.public_url))?;
    Ok((CookiesConfig { same_site, path, domain }, CsrfConfig { trusted_origins }))
}

/// Cookies that go everywhere: browsers want them secure, and whoever may use them must be known.
fn same_site(
    policy: SameSitePolicy,
    public_url: &PublicUrl,
    listed: bool,
) -> Result<SameSitePolicy, Problem> {
    match policy {
        SameSitePolicy::None if !public_url.is_https() => Err(Problem::new(
            "needs https: browsers drop such cookies otherwise",
            "give server.public_url an https URL, or use lax",
        )),
        SameSitePolicy::None if !listed => Err(Problem::new(
            "sends our cookies along from every site, and none is listed that may use them",
            "list the origins of your pages in csrf.trusted_origins, or use lax",
        )),
        policy => Ok(policy),
    }
}

fn domain(text: &str, public_url: &PublicUrl) -> Result<String, Problem> {
    let domain = text::domain(text)?;
    let host = public_url.url().host_str().unwrap_or_default();
    let ours = host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    // Browsers drop a cookie for a domain that its sender is not in.
    if ours {
        Ok(domain)
    } else {
        Err(Problem::new("is not a domain of server.public_url", "name one that its host is in"))
    }
}
