//! `return_to`: where somebody goes from a page of ours. A path of ours, or a URL that `server.return_urls` lists;
//! anything else would make us a springboard to other sites.

use portcullis_edge::origin::Origin;
use url::{Position, Url};

use crate::state::Web;

/// A place that people may be sent to.
pub(crate) struct Place {
    location: String,
    /// The URL, unless it is a path of ours.
    elsewhere: Option<Url>,
}

impl Place {
    /// Reads `text`; `None`: people are not sent there. What browsers would mend before they read it – a backslash, a
    /// tab, white space around it – is refused unread.
    pub(crate) fn read(web: &Web, text: &str) -> Option<Self> {
        if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return None;
        }
        if text.starts_with('/') { Self::own(web, text) } else { Self::listed(web, text) }
    }

    /// `//host` names another site, and so does a path that becomes that once its dots are gone.
    fn own(web: &Web, text: &str) -> Option<Self> {
        let public_url = &web.config.public_url;
        let url = public_url.join(text).ok()?;
        let stays = Origin::of(&url) == Origin::of(public_url);
        if !stays || text.starts_with("//") || url.path().starts_with("//") {
            return None;
        }
        Some(Self { location: url[Position::BeforePath..].to_owned(), elsewhere: None })
    }

    fn listed(web: &Web, text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| web.forward.return_urls.allow(url))?;
        Some(Self { location: url.as_str().to_owned(), elsewhere: Some(url) })
    }

    /// As `Location` says it.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// Its origin, unless it is a path of ours.
    pub(crate) fn foreign_origin(&self) -> Option<String> {
        Origin::of(self.elsewhere.as_ref()?).map(|origin| origin.as_str().to_owned())
    }

    /// Whether our cookies get there. Where they do not, whoever is sent back without being asked would be sent here
    /// again, and so on.
    pub(crate) fn gets_our_cookies(&self, web: &Web) -> bool {
        let Some(url) = &self.elsewhere else { return true };
        let (host, public_url) = (url.host_str().unwrap_or_default(), &web.config.public_url);
        let reached = match web.config.cookie_domain.as_deref().map(|domain| domain.trim_start_matches('.')) {
            Some(domain) => {
                host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
            }
            None => Some(host) == public_url.host_str(),
        };
        reached && url.scheme() == public_url.scheme()
    }
}
