//! What forward-auth needs to know at every request, made once.

use portcullis_edge::cookies::{CookieScope, CookieSpec, SameSite, Visibility};
use portcullis_edge::csrf::TrustedOrigins;
use portcullis_edge::origin::{Origin, own_origins};
use url::Url;

use super::family::{Original, Style};
use crate::return_urls::ReturnUrls;
use crate::state::WebConfig;

/// The parts of [`WebConfig`] that are for forward-auth.
pub(crate) struct Forward {
    pub(crate) style: Style,
    pub(crate) access_cookie: CookieSpec,
    pub(crate) return_urls: ReturnUrls,
    /// The page that signs people in.
    pub(crate) sign_in: Url,
    /// Ours, and `csrf.trusted_origins`.
    trusted: Vec<Origin>,
}

impl Forward {
    pub(crate) fn new(config: &WebConfig) -> Result<Self, String> {
        let scope = CookieScope {
            https: config.public_url.scheme() == "https",
            same_site: SameSite::Lax,
            path: "/".into(),
            domain: config.cookie_domain.clone(),
        };
        let access_cookie = CookieSpec::new("pc_access", Visibility::HttpOnly, &scope);
        let trusted = config.trusted_origins.iter().map(|origin| Origin::parse(origin));
        let mut trusted: Vec<Origin> =
            trusted.collect::<Result<_, _>>().map_err(|error| format!("csrf.trusted_origins: {error}"))?;
        trusted.extend(own_origins(&config.public_url));
        let sign_in =
            config.public_url.join("/sign-in").map_err(|error| format!("server.public_url: {error}"))?;
        Ok(Self {
            style: config.forward_style,
            access_cookie: access_cookie.map_err(|error| error.to_string())?,
            return_urls: ReturnUrls::new(&config.public_url, &config.return_urls)?,
            sign_in,
            trusted,
        })
    }

    /// The origins whose pages may change something there: the same one, ours, and trusted ones.
    pub(crate) fn origins_of(&self, original: &Original<'_>) -> TrustedOrigins {
        let url = Url::parse(&format!("{}://{}/", original.scheme, original.host));
        // A host that is none has been refused before; without one, ours and trusted ones are left.
        TrustedOrigins::new(url.as_ref().unwrap_or(&self.sign_in), self.trusted.clone())
    }
}
