//! The cookies of a browser, as far as tests need them: by name, path and domain, as RFC 6265bis keeps them apart.

use http::HeaderMap;
use http::header::SET_COOKIE;

/// One cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name, with the prefix.
    pub name: String,
    /// Its value.
    pub value: String,
    /// `Path=/; HttpOnly; …` as it was set, without `Max-Age`.
    pub attributes: String,
    /// Seconds.
    pub max_age: Option<u64>,
}

impl Cookie {
    /// Reads a `Set-Cookie` line.
    ///
    /// # Panics
    /// If it is none of ours: they have attributes in one order.
    pub fn parse(line: &str) -> Self {
        let (pair, rest) = line.split_once("; ").expect("attributes");
        let (name, value) = pair.split_once('=').expect("a pair");
        let (attributes, max_age) = match rest.split_once("; Max-Age=") {
            Some((attributes, seconds)) => (attributes, Some(seconds.parse().expect("seconds"))),
            None => (rest, None),
        };
        Self { name: name.into(), value: value.into(), attributes: attributes.into(), max_age }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.split("; ").find_map(|one| one.strip_prefix(name)?.strip_prefix('='))
    }

    /// Which cookie it is: one that is set takes the place of another only if all of this is equal.
    fn identity(&self) -> (&str, Option<&str>, Option<&str>) {
        (&self.name, self.attribute("Path"), self.attribute("Domain"))
    }

    fn goes_to(&self, path: &str) -> bool {
        let of = self.attribute("Path").unwrap_or("/").trim_end_matches('/');
        path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }
}

/// The cookies of a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jar(Vec<Cookie>);

impl Jar {
    /// Takes what an answer sets, and lets go of what it clears.
    ///
    /// # Panics
    /// If that is none of our lines.
    pub fn take(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            let cookie = Cookie::parse(line.to_str().expect("visible ASCII"));
            self.0.retain(|held| held.identity() != cookie.identity());
            if cookie.max_age != Some(0) {
                self.0.push(cookie);
            }
        }
    }

    /// The `Cookie` line of a request for `path`; `None`: there is nothing to send.
    pub fn line(&self, path: &str) -> Option<String> {
        let sent = self.0.iter().filter(|cookie| cookie.goes_to(path));
        let pairs: Vec<_> = sent.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// One cookie by its name on the wire.
    pub fn get(&self, name: &str) -> Option<&Cookie> {
        self.0.iter().find(|cookie| cookie.name == name)
    }

    /// Puts a value under a name, as if it had been set for the whole host.
    pub fn put(&mut self, name: &str, value: &str) {
        self.0.retain(|cookie| cookie.name != name);
        let attributes = "Path=/".to_owned();
        self.0.push(Cookie { name: name.into(), value: value.into(), attributes, max_age: None });
    }

    /// Lets go of a cookie.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|cookie| cookie.name != name);
    }

    /// The names of all, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|cookie| cookie.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}
