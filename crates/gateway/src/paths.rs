//! The URLs that are ours; all others are the app's.

/// Everything under it is ours.
pub(crate) const PREFIX: &str = "/auth/";
/// The sign-in page.
pub(crate) const SIGN_IN: &str = "/auth/sign-in";
/// The page of who must change the password before anything else.
pub(crate) const CHANGE_PASSWORD: &str = "/auth/change-password";
/// Where the access code is sent.
pub(crate) const ACCESS_CODE: &str = "/auth/access-code";
/// The style of our pages.
pub(crate) const STYLE: &str = "/auth/gateway/style.css";
/// Whether the process runs.
pub(crate) const LIVE: &str = "/auth/gateway/live";
/// Whether it should get requests.
pub(crate) const READY: &str = "/auth/gateway/ready";
/// The CSRF token.
pub(crate) const CSRF: &str = "/auth/csrf";
/// Sign in; also what the issuer calls it.
pub(crate) const LOGIN: &str = "/auth/login";
/// The second step of a sign-in.
pub(crate) const FACTOR: &str = "/auth/login/factor";
/// Show once more who one is; answers with tokens.
pub(crate) const STEP_UP: &str = "/auth/step-up";
/// Put an app for codes to use; answers with tokens.
pub(crate) const TOTP_CONFIRM: &str = "/auth/factors/totp/confirm";
pub(crate) const PASSKEY_REGISTERED: &str = "/auth/passkeys/register/finish";
/// Begin to show a passkey: as a sign-in, or as the second factor of one.
pub(crate) const PASSKEY_START: &str = "/auth/passkeys/login/start";
/// Sign in by a passkey.
pub(crate) const PASSKEY_LOGIN: &str = "/auth/passkeys/login/finish";
/// Fresh cookies.
pub(crate) const REFRESH: &str = "/auth/refresh";
/// Sign out.
pub(crate) const LOGOUT: &str = "/auth/logout";
/// Sign out everywhere.
pub(crate) const LOGOUT_ALL: &str = "/auth/logout/all";
/// Change the password; answers with tokens.
pub(crate) const PASSWORD_CHANGE: &str = "/auth/password/change";
/// Token endpoint of the issuer.
pub(crate) const OAUTH_TOKEN: &str = "/oauth/token";
/// What the issuer's sign-in page knows.
pub(crate) const CONFIG: &str = "/auth/config";
/// Of the issuer's own, and not for browsers that come through here.
pub(crate) const NOT_PASSED_ON: [&str; 2] = ["/auth/verify", "/auth/setup"];
