//! How the server is reached: its URL, where it listens, who stands in front of it.

use portcullis_app::doctor::Check;

use crate::config::{Config, SameSitePolicy, ServerConfig};

pub(super) fn checks(config: &Config) -> Vec<Check> {
    vec![public_url(&config.server), proxies(&config.server), cookies(config)]
}

/// What browsers will do with our cookies.
fn cookies(config: &Config) -> Check {
    const NAME: &str = "cookies";
    let (server, cookies) = (&config.server, &config.cookies);
    let url = &server.public_url;
    if !url.is_https() && !url.is_loopback() {
        return Check::warning(
            NAME,
            format!("{url} is not https, so that nobody can sign in by cookie"),
            "Put a proxy with TLS in front and set server.public_url to its https URL.",
        );
    }
    let stranger = |origin: &&String| !config.csrf.trusted_origins.contains(origin);
    if let Some(origin) = server.cors_origins.iter().find(stranger) {
        return Check::warning(
            NAME,
            format!(
                "pages of {origin} may read our answers, but neither sign in nor change anything by cookie"
            ),
            "List it in csrf.trusted_origins, too, unless its pages use tokens in the body alone.",
        );
    }
    if !matches!(cookies.path.as_str(), "/" | "/auth" | "/auth/") {
        return Check::warning(
            NAME,
            format!("browsers send the refresh cookie to {} only", cookies.path),
            "Check that a proxy serves /auth below that path; else set cookies.path to / or /auth.",
        );
    }
    let prefix = match (url.is_https(), cookies.path == "/" && cookies.domain.is_none()) {
        (false, _) => "without Secure, for development: ",
        (true, true) => "__Host-",
        (true, false) => "__Secure-",
    };
    let reach = cookies.domain.as_ref().map_or_else(String::new, |domain| format!(", for all of {domain}"));
    let policy = match cookies.same_site {
        SameSitePolicy::Lax => "Lax",
        SameSitePolicy::Strict => "Strict",
        SameSitePolicy::None => "None",
    };
    Check::ok(NAME, format!("{prefix}pc_refresh, SameSite={policy}, path {}{reach}", cookies.path))
}

fn public_url(server: &ServerConfig) -> Check {
    const NAME: &str = "public_url";
    let (url, listen) = (&server.public_url, server.listen);
    let port = url.url().port_or_known_default().unwrap_or(0);
    if url.is_loopback() && !listen.ip().is_loopback() {
        return Check::warning(
            NAME,
            format!("{url} is this machine only, and server.listen {listen} takes connections from others"),
            "Set server.public_url to the URL that clients use: other hosts are answered 421.",
        );
    }
    if !url.is_https() && !url.is_loopback() {
        return Check::warning(
            NAME,
            format!("{url} is not https: passwords and tokens can be read on the way"),
            "Put a proxy with TLS in front and set server.public_url to its https URL.",
        );
    }
    if url.is_loopback() && !url.is_https() && port != listen.port() {
        return Check::warning(
            NAME,
            format!("{url} and server.listen {listen} name different ports"),
            "Set both to the same port, unless something forwards one to the other.",
        );
    }
    Check::ok(NAME, format!("{url}, listening on {listen}"))
}

/// Portcullis speaks no TLS itself, so with https something stands in front of it.
fn proxies(server: &ServerConfig) -> Check {
    const NAME: &str = "proxies";
    if !server.trusted_proxies.is_empty() {
        let ranges: Vec<String> = server.trusted_proxies.iter().map(ToString::to_string).collect();
        return Check::ok(NAME, format!("{} from {}", server.client_address_header, ranges.join(", ")));
    }
    if server.public_url.is_https() || !server.listen.ip().is_loopback() {
        return Check::warning(
            NAME,
            "none is trusted: behind a proxy every client seems to have the proxy's address, and all share one \
             rate limit",
            "List the proxy's address in server.trusted_proxies, if there is a proxy.",
        );
    }
    Check::ok(NAME, "none is trusted, and none is needed")
}

#[cfg(test)]
mod tests {
    use portcullis_app::doctor::Health;

    use super::*;
    use crate::config::LoadInput;

    fn loaded(flags: &[(&str, &str)]) -> Config {
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let cwd = tempfile::tempdir().expect("a directory");
        let input = LoadInput { file: None, env: Vec::new(), flags, cwd: cwd.path() };
        Config::load(input).expect("good").config
    }

    fn with(flags: &[(&str, &str)]) -> (Health, Health) {
        let server = loaded(flags).server;
        (public_url(&server).health, proxies(&server).health)
    }

    #[test]
    fn cookies_that_will_not_come_back_are_told() {
        let https = ("server.public_url", "https://auth.example.com");
        let cors = ("server.cors_origins", "https://app.example.com");
        let trusted = ("csrf.trusted_origins", "https://app.example.com");
        for (flags, told) in [
            (&[][..], Ok("without Secure, for development: pc_refresh, SameSite=Lax, path /")),
            (&[https], Ok("__Host-pc_refresh, SameSite=Lax, path /")),
            (
                &[https, ("cookies.domain", "example.com"), ("cookies.path", "/auth")],
                Ok("__Secure-pc_refresh, SameSite=Lax, path /auth, for all of example.com"),
            ),
            (
                &[https, trusted, cors, ("cookies.same_site", "none")],
                Ok("__Host-pc_refresh, SameSite=None, path /"),
            ),
            (&[https, cors], Err("pages of https://app.example.com may read")),
            (&[https, ("cookies.path", "/api")], Err("to /api only")),
            (&[("server.public_url", "http://auth.example.com")], Err("not https")),
        ] {
            let check = cookies(&loaded(flags));
            match told {
                Ok(seen) => assert_eq!((check.health, check.seen.as_str()), (Health::Ok, seen)),
                Err(part) => {
                    assert_eq!(check.health, Health::Warning, "{}", check.seen);
                    assert!(check.seen.contains(part), "{}", check.seen);
                }
            }
        }
    }

    #[test]
    fn what_is_risky_is_told() {
        use Health::{Ok, Warning};
        let all = ("server.listen", "0.0.0.0:8400");
        let https = ("server.public_url", "https://auth.example.com");
        let trusted = ("server.trusted_proxies", "10.0.0.0/8");
        assert_eq!(with(&[]), (Ok, Ok));
        assert_eq!(with(&[all]), (Warning, Warning));
        assert_eq!(with(&[https]), (Ok, Warning));
        assert_eq!(with(&[all, https, trusted]), (Ok, Ok));
        assert_eq!(with(&[("server.public_url", "http://auth.example.com")]), (Warning, Ok));
        assert_eq!(with(&[("server.listen", "127.0.0.1:9000")]), (Warning, Ok));
    }
}
