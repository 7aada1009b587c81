//! Every URL of the server, once.

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident = $path:literal),+ $(,)?) => {
        $($(#[$doc])* pub const $name: &str = $path;)+
        /// All of them: what metrics are labelled with.
        pub const ALL: &[&str] = &[$($path),+];
    };
}

paths! {
    /// A few words and where to go next.
    HOME = "/",
    /// Sign up.
    REGISTER = "/auth/register",
    /// Sign in.
    LOGIN = "/auth/login",
    /// Rotate the refresh token.
    REFRESH = "/auth/refresh",
    /// Sign out.
    LOGOUT = "/auth/logout",
    /// Sign out everywhere.
    LOGOUT_ALL = "/auth/logout/all",
    /// The user's own data.
    ME = "/auth/me",
    /// The user's sessions.
    SESSIONS = "/auth/sessions",
    /// One of them.
    SESSION = "/auth/sessions/{id}",
    /// Change the password.
    PASSWORD_CHANGE = "/auth/password/change",
    /// What a sign-in page needs to know.
    CONFIG = "/auth/config",
    /// Forward-auth.
    VERIFY = "/auth/verify",
    /// Make the first administrator.
    SET_UP = "/auth/setup",
    /// The page for that.
    SET_UP_PAGE = "/setup",
    /// Public keys (RFC 7517).
    JWKS = "/.well-known/jwks.json",
    /// Metadata (RFC 8414).
    METADATA = "/.well-known/oauth-authorization-server",
    /// Revoked sessions, for resource servers.
    REVOCATIONS = "/.well-known/portcullis/revocations",
    /// The API in `OpenAPI` form.
    OPENAPI = "/openapi.json",
    /// The API for people.
    DOCS = "/docs",
    /// All error codes for people.
    DOCS_PROBLEMS = "/docs/problems",
    /// Scripts and styles of our pages.
    ASSET = "/assets/{name}",
    /// Whether the process runs.
    LIVE = "/health/live",
    /// Whether it should get requests.
    READY = "/health/ready",
}

/// The pattern that `path` fits, as its place in [`ALL`].
pub fn position(path: &str) -> Option<usize> {
    ALL.iter().position(|pattern| match pattern.split_once('{') {
        None => *pattern == path,
        Some((prefix, _)) => {
            path.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let at = |path| position(path).map(|at| ALL[at]);
        assert_eq!(at("/auth/login"), Some(LOGIN));
        assert_eq!(at("/auth/sessions/123"), Some(SESSION));
        assert_eq!(at("/auth/sessions"), Some(SESSIONS));
        assert_eq!(at("/auth/sessions/a/b"), None);
        assert_eq!(at("/nothing"), None);
    }
}
