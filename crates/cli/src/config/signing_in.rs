//! What is set of how people sign in beside passwords.

use std::time::Duration;

use portcullis_core::user::Role;

/// `[login]`
#[derive(Debug, Clone)]
pub struct LoginConfig {
    /// Roles.
    pub require_factor: Vec<Role>,
    /// Zero: no device is.
    pub trust_device_for: Duration,
    /// To whoever tries a password where there is none.
    pub reveal_providers: bool,
    /// By mail, of a sign-in from a device that was not seen before.
    pub notify_new_device: bool,
}

/// `[passkeys]`
#[derive(Debug, Clone)]
pub struct PasskeysConfig {
    /// The domain passkeys are made for; none: they cannot be used here.
    pub rp_id: Option<String>,
    /// Whose pages may ask for them: ours first.
    pub origins: Vec<String>,
}
