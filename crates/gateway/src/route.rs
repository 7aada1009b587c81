//! Which app a request is for, and whether it is for us at all.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Uri};
use portcullis_core::access::{Host, HostPattern, Path, Prefix};
use portcullis_edge::Problem;
use portcullis_edge::host::{AllowedHosts, HostRefusal};
use url::Url;

use crate::config::Target;
use crate::hop::App;

/// All apps, the most exact first.
pub(crate) struct Routes {
    allowed: AllowedHosts,
    routes: Vec<Route>,
}

struct Route {
    host: Option<HostPattern>,
    path: Prefix,
    app: App,
}

impl Routes {
    pub(crate) fn new(
        public_url: &Url,
        hosts: &[String],
        targets: &[Target],
        app: impl Fn(&Url) -> Result<App, String>,
    ) -> Result<Self, String> {
        let named = targets.iter().filter_map(|target| match &target.host {
            Some(HostPattern::Name(name)) => Some(name.clone()),
            Some(HostPattern::Address(address)) => Some(address.to_string()),
            Some(HostPattern::Under(_)) | None => None,
        });
        let hosts: Vec<String> = hosts.iter().cloned().chain(named).collect();
        let allowed =
            AllowedHosts::new(public_url, &hosts).map_err(|error| format!("gateway.upstream: {error}"))?;
        let mut targets: Vec<&Target> = targets.iter().collect();
        targets.sort_by_key(|target| std::cmp::Reverse(exactness(target)));
        let route = |target: &Target| {
            let (host, path) = (target.host.clone(), target.path.clone());
            Ok(Route { host, path, app: app(&target.url)? })
        };
        Ok(Self { allowed, routes: targets.into_iter().map(route).collect::<Result<_, String>>()? })
    }

    /// Refuses a request that is for another host.
    pub(crate) fn check_host(&self, parts: &Parts) -> Result<(), Problem> {
        match self.allowed.check(&parts.uri, &parts.headers) {
            Err(HostRefusal::Misdirected) if self.is_under_one(parts) => Ok(()),
            checked => checked.map_err(Problem::from),
        }
    }

    fn is_under_one(&self, parts: &Parts) -> bool {
        let Some(host) = host_of(parts).and_then(Host::parse) else { return false };
        let mut patterns = self.routes.iter().filter_map(|route| route.host.as_ref());
        patterns.any(|pattern| pattern.matches(&host))
    }

    /// The app for a host and a path; `None`: there is none.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<&App> {
        if let [route] = &*self.routes
            && route.host.is_none()
            && route.path == Prefix::ROOT
        {
            return Some(&route.app);
        }
        let (host, path) = (Host::parse(host), Path::parse(path));
        let fits = |route: &&Route| {
            let host =
                route.host.as_ref().is_none_or(|pattern| host.is_some_and(|host| pattern.matches(&host)));
            // A path that can be read in two ways is under none but the root.
            let under = path.as_ref().is_some_and(|path| path.is_surely_under(&route.path));
            host && (route.path == Prefix::ROOT || under)
        };
        self.routes.iter().find(fits).map(|route| &route.app)
    }
}

/// A name before a whole domain before none, then the longest path.
fn exactness(target: &Target) -> (u8, usize, usize) {
    let (rank, length) = match &target.host {
        Some(HostPattern::Name(_) | HostPattern::Address(_)) => (2, 0),
        Some(HostPattern::Under(domain)) => (1, domain.len()),
        None => (0, 0),
    };
    (rank, length, target.path.as_str().len())
}

/// The host that was asked for, with its port if one was sent.
pub(crate) fn host_of(parts: &Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(HOST)?.to_str().ok(),
    }
}

/// The same as a header's value.
pub(crate) fn host_value(uri: &Uri, host: Option<&HeaderValue>) -> Option<HeaderValue> {
    match uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => host.cloned(),
    }
}
