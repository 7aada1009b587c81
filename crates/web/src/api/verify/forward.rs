//! What forward-auth needs to know at every request, made once.

use portcullis_edge::csrf::TrustedOrigins;
use portcullis_edge::origin::{Origin, own_origins};
use url::Url;

use super::family::{Original, Style};
use crate::paths;
use crate::return_urls::ReturnUrls;
use crate::state::WebConfig;

/// The parts of [`WebConfig`] that are for forward-auth.
pub(crate) struct Forward {
    pub(crate) style: Style,
    pub(crate) return_urls: ReturnUrls,
    /// The page that signs people in.
    pub(crate) sign_in: Url,
    /// The page that changes passwords.
    pub(crate) change_password: Url,
    /// Ours, and `csrf.trusted_origins`.
    trusted: Vec<Origin>,
}

impl Forward {
    pub(crate) fn new(config: &WebConfig, trusted: &[Origin]) -> Result<Self, String> {
        let trusted = trusted.iter().cloned().chain(own_origins(&config.public_url)).collect();
        let page = |path| config.public_url.join(path).map_err(|error| format!("server.public_url: {error}"));
        Ok(Self {
            style: config.forward_style,
            return_urls: ReturnUrls::new(&config.public_url, &config.return_urls)?,
            sign_in: page(paths::SIGN_IN_PAGE)?,
            change_password: page(paths::PASSWORD_PAGE)?,
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
