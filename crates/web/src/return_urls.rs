//! Where people may be sent when they have signed in: our own pages, and what `server.return_urls` lists. Anything
//! else would make us a springboard to other sites.

use portcullis_edge::origin::{Origin, own_origins};
use url::Url;

/// The places that may be returned to.
pub(crate) struct ReturnUrls {
    origins: Vec<Origin>,
    urls: Vec<Url>,
    /// The last as they are written.
    written: Vec<String>,
}

impl ReturnUrls {
    /// Our own origins and the entries: one without a path stands for its whole origin, one with a path for that
    /// URL alone.
    pub(crate) fn new(public_url: &Url, entries: &[String]) -> Result<Self, String> {
        let mut new = Self { origins: own_origins(public_url), urls: Vec::new(), written: Vec::new() };
        for entry in entries {
            if let Ok(origin) = Origin::parse(entry) {
                new.origins.push(origin);
                continue;
            }
            let url = Url::parse(entry).ok().filter(|url| Origin::of(url).is_some() && is_anonymous(url));
            new.written.push(entry.clone());
            new.urls.push(
                url.ok_or_else(|| format!("server.return_urls: `{entry}` is not an http or https URL"))?,
            );
        }
        Ok(new)
    }

    /// Whether `text` is written there, letter for letter, with a path: where a provider may send a browser with a code
    /// (RFC 9700 section 4.1.3). Another page of the same origin may pass the code on.
    pub(crate) fn lists(&self, text: &str) -> bool {
        self.written.iter().any(|entry| entry == text)
    }

    /// Whether `url` is among them.
    pub(crate) fn allow(&self, url: &Url) -> bool {
        let Some(origin) = Origin::of(url).filter(|_| is_anonymous(url)) else { return false };
        self.origins.contains(&origin) || self.urls.contains(url)
    }
}

fn is_anonymous(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_stand_for_all_their_pages_and_urls_for_themselves() {
        let own = Url::parse("https://auth.example").expect("a URL");
        let entries = ["https://app.example/".to_owned(), "https://shop.example/done?x=1".to_owned()];
        let places = ReturnUrls::new(&own, &entries).expect("usable");
        for (url, allowed) in [
            ("https://auth.example/account", true),
            ("https://app.example/", true),
            ("https://APP.example:443/any?thing", true),
            ("https://shop.example/done?x=1", true),
            ("https://shop.example/done", false),
            ("https://shop.example/", false),
            ("http://app.example/", false),
            ("https://app.example:8443/", false),
            ("https://app.example.evil.example/", false),
            ("https://app.example@evil.example/", false),
            ("https://u:p@app.example/", false),
            ("https://evil.example/https://app.example/", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
        ] {
            assert_eq!(places.allow(&Url::parse(url).expect(url)), allowed, "{url}");
        }
    }

    #[test]
    fn a_code_comes_to_a_url_that_is_written_there_and_to_no_other() {
        let own = Url::parse("https://auth.example").expect("a URL");
        let entries = ["https://app.example", "https://app.example/done"].map(str::to_owned);
        let places = ReturnUrls::new(&own, &entries).expect("usable");
        assert!(places.lists("https://app.example/done"));
        for other in [
            "https://app.example",
            "https://app.example/",
            "https://app.example/done/",
            "https://app.example/done?x",
            "https://APP.example/done",
            "https://app.example:443/done",
            "https://auth.example/auth/oauth/google/callback",
            "",
        ] {
            assert!(!places.lists(other), "{other}");
        }
    }

    #[test]
    fn entries_that_are_no_urls_are_named() {
        let own = Url::parse("https://auth.example").expect("a URL");
        for entry in
            ["", "app.example", "/path", "javascript:alert(1)", "https://u@app.example/x", "ftp://a/x"]
        {
            let error = ReturnUrls::new(&own, &[entry.to_owned()]).err().expect(entry);
            assert!(error.contains(&format!("`{entry}`")), "{error}");
        }
    }
}
