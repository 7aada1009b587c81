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
    /// The page that signs people in.
    SIGN_IN_PAGE = "/sign-in",
    /// Where a page's access token is renewed if the refresh token's cookie gets no further.
    RENEW = "/auth/renew",
    /// The page that signs people up.
    SIGN_UP_PAGE = "/sign-up",
    /// The page that signs people out.
    SIGN_OUT_PAGE = "/sign-out",
    /// Who is signed in, and where.
    ACCOUNT_PAGE = "/account",
    /// The page that changes the password.
    PASSWORD_PAGE = "/account/password",
    /// The page of the user's passkeys.
    PASSKEYS_PAGE = "/account/passkeys",
    /// The page of the second factors.
    FACTORS_PAGE = "/account/factors",
    /// The page that sets up an app for codes.
    TOTP_PAGE = "/account/factors/totp",
    /// The page on which somebody shows once more that it is them.
    STEP_UP_PAGE = "/step-up",
    /// The second half of a sign-in.
    SIGN_IN_FACTOR_PAGE = "/sign-in/factor",
    /// The page that keeps an account that was to be deleted.
    KEEP_ACCOUNT_PAGE = "/keep-account",
    /// What went wrong, for people who were sent here.
    ERROR_PAGE = "/error",
    /// Sign up.
    REGISTER = "/auth/register",
    /// Sign in.
    LOGIN = "/auth/login",
    /// Show the second factor that a sign-in owes.
    LOGIN_FACTOR = "/auth/login/factor",
    /// Show once more who one is.
    STEP_UP = "/auth/step-up",
    /// The user's second factors.
    FACTORS = "/auth/factors",
    /// Set up an app for codes.
    TOTP = "/auth/factors/totp",
    /// Put it to use.
    TOTP_CONFIRM = "/auth/factors/totp/confirm",
    /// A new set of recovery codes.
    RECOVERY_CODES = "/auth/factors/recovery-codes",
    /// A device on which no factor is asked for.
    TRUSTED_DEVICE = "/auth/factors/devices/{id}",
    /// One factor.
    FACTOR = "/auth/factors/{id}",
    /// Rotate the refresh token.
    REFRESH = "/auth/refresh",
    /// The token that unsafe requests by cookie must carry.
    CSRF = "/auth/csrf",
    /// Sign out.
    LOGOUT = "/auth/logout",
    /// Sign out everywhere.
    LOGOUT_ALL = "/auth/logout/all",
    /// The user's own data.
    ME = "/auth/me",
    /// All that is stored about the user.
    ME_EXPORT = "/auth/me/export",
    /// Keep an account that was to be deleted.
    ME_KEEP = "/auth/me/keep",
    /// The user's sessions.
    SESSIONS = "/auth/sessions",
    /// One of them.
    SESSION = "/auth/sessions/{id}",
    /// End a sign-in by a mailed link.
    SESSION_NOT_ME = "/auth/sessions/not-me",
    /// API tokens.
    TOKENS = "/auth/tokens",
    /// The API token that asks.
    TOKEN_CURRENT = "/auth/tokens/current",
    /// What a scanner of source code finds API tokens by.
    TOKEN_PATTERN = "/auth/tokens/secret-scanning-pattern",
    /// API tokens that somebody has found in public.
    TOKEN_SCANNING = "/auth/tokens/secret-scanning",
    /// One API token.
    TOKEN = "/auth/tokens/{id}",
    /// Bots.
    BOTS = "/auth/bots",
    /// One bot.
    BOT = "/auth/bots/{id}",
    /// Sign in as a bot.
    BOT_TOKENS = "/auth/bots/{id}/tokens",
    /// Accounts that the caller belongs to.
    ACCOUNTS = "/auth/accounts",
    /// One of them.
    ACCOUNT = "/auth/accounts/{id}",
    /// Go over to it.
    ACCOUNT_SWITCH = "/auth/accounts/{id}/switch",
    /// Leave it.
    ACCOUNT_LEAVE = "/auth/accounts/{id}/leave",
    /// Hand it over.
    ACCOUNT_TRANSFER = "/auth/accounts/{id}/transfer",
    /// Who belongs to it.
    ACCOUNT_MEMBERS = "/auth/accounts/{id}/members",
    /// One of those.
    ACCOUNT_MEMBER = "/auth/accounts/{id}/members/{user}",
    /// Who may come.
    ACCOUNT_INVITES = "/auth/accounts/{id}/invites",
    /// One of those.
    ACCOUNT_INVITE = "/auth/accounts/{id}/invites/{invite}",
    /// Renew it.
    ACCOUNT_INVITE_RESEND = "/auth/accounts/{id}/invites/{invite}/resend",
    /// Join an account.
    INVITE_ACCEPT = "/auth/invites/accept",
    /// Stop acting as another user.
    IMPERSONATION_STOP = "/auth/impersonation/stop",
    /// Act as another user.
    ADMIN_IMPERSONATE = "/admin/api/users/{id}/impersonate",
    /// Users.
    ADMIN_USERS = "/admin/api/users",
    /// One of them.
    ADMIN_USER = "/admin/api/users/{id}",
    /// All second factors of a user.
    ADMIN_USER_FACTORS = "/admin/api/users/{id}/factors",
    /// Keep a user from signing in.
    ADMIN_USER_DISABLE = "/admin/api/users/{id}/disable",
    /// Let a user sign in again.
    ADMIN_USER_ENABLE = "/admin/api/users/{id}/enable",
    /// Service clients.
    ADMIN_CLIENTS = "/admin/api/clients",
    /// One of them.
    ADMIN_CLIENT = "/admin/api/clients/{id}",
    /// Runtime settings.
    ADMIN_SETTINGS = "/admin/api/settings",
    /// One of them.
    ADMIN_SETTING = "/admin/api/settings/{name}",
    /// All accounts.
    ADMIN_ACCOUNTS = "/admin/api/accounts",
    /// One of them.
    ADMIN_ACCOUNT = "/admin/api/accounts/{id}",
    /// What it has subscribed to.
    ADMIN_SUBSCRIPTION = "/admin/api/accounts/{id}/subscription",
    /// Invites, to the server or to accounts.
    ADMIN_INVITES = "/admin/api/invites",
    /// One of them.
    ADMIN_INVITE = "/admin/api/invites/{id}",
    /// The audit log.
    ADMIN_AUDIT = "/admin/api/audit",
    /// All of it, as JSON Lines.
    ADMIN_AUDIT_EXPORT = "/admin/api/audit/export",
    /// Get a token (RFC 6749, RFC 8693).
    OAUTH_TOKEN = "/oauth/token",
    /// Ask about a token (RFC 7662).
    OAUTH_INTROSPECT = "/oauth/introspect",
    /// End a token (RFC 7009).
    OAUTH_REVOKE = "/oauth/revoke",
    /// Change the password.
    PASSWORD_CHANGE = "/auth/password/change",
    /// Ask for a link to set a new password.
    PASSWORD_FORGOT = "/auth/password/forgot",
    /// Whether such a link is good.
    PASSWORD_VERIFY_RESET = "/auth/password/verify-reset-token",
    /// Use it.
    PASSWORD_RESET = "/auth/password/reset",
    /// Whether addresses are verified.
    VERIFICATION_STATUS = "/auth/email/verification-status",
    /// Ask for a link that verifies an address.
    SEND_VERIFICATION = "/auth/email/send-verification",
    /// Use it.
    EMAIL_VERIFY = "/auth/email/verify",
    /// Reject a registration.
    EMAIL_NOT_ME = "/auth/email/not-me",
    /// Undo a change of address.
    EMAIL_UNDO = "/auth/email/undo",
    /// The page that asks for a link to set a new password.
    FORGOT_PASSWORD_PAGE = "/forgot-password",
    /// The page behind that link.
    RESET_PASSWORD_PAGE = "/reset-password",
    /// The page behind a link that verifies an address.
    VERIFY_EMAIL_PAGE = "/verify-email",
    /// The page that rejects a registration, or ends a sign-in.
    NOT_ME_PAGE = "/not-me",
    /// The page behind a link that undoes a change of address.
    UNDO_EMAIL_PAGE = "/undo-email",
    /// The page behind the link of an invite.
    INVITE_PAGE = "/invite",
    /// Passkeys.
    PASSKEYS = "/auth/passkeys",
    /// One of them.
    PASSKEY = "/auth/passkeys/{id}",
    /// Begin to register a passkey.
    PASSKEY_REGISTER_START = "/auth/passkeys/register/start",
    /// Register it.
    PASSKEY_REGISTER_FINISH = "/auth/passkeys/register/finish",
    /// Begin to sign in with a passkey.
    PASSKEY_LOGIN_START = "/auth/passkeys/login/start",
    /// Sign in with it.
    PASSKEY_LOGIN_FINISH = "/auth/passkeys/login/finish",
    /// What a sign-in page needs to know.
    CONFIG = "/auth/config",
    /// Forward-auth.
    VERIFY = "/auth/verify",
    /// Make the first administrator.
    SET_UP = "/auth/setup",
    /// The page for that.
    SET_UP_PAGE = "/setup",
    /// Mails in the outbox, for development.
    DEV_MAIL = "/dev/mail",
    /// One of them.
    DEV_MAIL_ONE = "/dev/mail/{id}",
    /// Its HTML.
    DEV_MAIL_HTML = "/dev/mail/{id}/html",
    /// Public keys (RFC 7517).
    JWKS = "/.well-known/jwks.json",
    /// Metadata (RFC 8414).
    METADATA = "/.well-known/oauth-authorization-server",
    /// Revoked sessions, for resource servers.
    REVOCATIONS = "/.well-known/portcullis/revocations",
    /// Status lists (draft-ietf-oauth-status-list).
    STATUS_LIST = "/.well-known/portcullis/status/{list}",
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
    ALL.iter().position(|pattern| fits(pattern, path))
}

fn fits(pattern: &str, path: &str) -> bool {
    let Some((before, behind)) = pattern.split_once('{') else { return pattern == path };
    let Some(rest) = path.strip_prefix(before) else { return false };
    let (inside, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    !inside.is_empty() && fits(behind.split_once('}').map_or("", |(_, behind)| behind), rest)
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
        assert_eq!(at("/auth/tokens/current"), Some(TOKEN_CURRENT));
        assert_eq!(at("/auth/bots/123/tokens"), Some(BOT_TOKENS));
        assert_eq!(at("/auth/bots//tokens"), None);
        assert_eq!(at("/auth/accounts/1/invites/2"), Some(ACCOUNT_INVITE));
        assert_eq!(at("/auth/accounts/1/invites/2/resend"), Some(ACCOUNT_INVITE_RESEND));
        assert_eq!(at("/auth/accounts/1/invites//resend"), None);
        assert_eq!(at("/auth/accounts/1/invites/2/resend/3"), None);
        assert_eq!(at("/nothing"), None);
    }
}
