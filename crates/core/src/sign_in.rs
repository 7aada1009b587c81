//! The one decision on every sign-in, whatever way it came: password, set-up, later tokens, providers,
//! exchange. New ways in go through this door.

use crate::user::User;

/// A factor that may be owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// A time-based code or a recovery code.
    Totp,
    /// A passkey.
    Passkey,
}

/// Whether a user who has proved who they are may have a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// Yes; with this flag the password must be changed before anything else.
    Allowed {
        /// Only `me`, `password/change`, `refresh` and `logout` work until it is done.
        must_change_password: bool,
    },
    /// The user is disabled. Told to nobody: answered like a wrong password.
    Disabled,
    /// The address must be proved first.
    Unverified,
    /// One of these factors must be shown first.
    FactorOwed(Vec<Factor>),
}

/// What the installation asks of a sign-in.
#[derive(Clone, Debug, Default)]
pub struct SignInRules {
    /// The address must have been proved.
    pub require_verified_email: bool,
}

/// Decides. `factors` are those the user has set up and not shown in this sign-in.
pub fn decide(user: &User, factors: &[Factor], rules: &SignInRules) -> SignIn {
    if user.disabled_at.is_some() {
        return SignIn::Disabled;
    }
    // A bot has no address.
    if rules.require_verified_email && user.email_verified_at.is_none() && !user.is_bot() {
        return SignIn::Unverified;
    }
    if !factors.is_empty() {
        return SignIn::FactorOwed(factors.to_vec());
    }
    SignIn::Allowed { must_change_password: user.must_change_password }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;
    use crate::time::Timestamp;
    use crate::user::{Email, Profile, Role};
    use uuid::Uuid;

    fn user() -> User {
        let now = Timestamp::from_seconds(1);
        User {
            id: UserId::from_uuid(Uuid::nil()),
            email: Email::parse("email", "ada@example.org").expect("valid"),
            email_verified_at: None,
            username: None,
            profile: Profile::default(),
            role: Role::from_stored(Role::USER),
            account: None,
            must_change_password: true,
            credential_epoch: 0,
            version: 0,
            disabled_at: None,
            created_at: now,
            last_login_at: None,
            owner: None,
        }
    }

    #[test]
    fn table() {
        let verified = SignInRules { require_verified_email: true };
        let open = SignInRules::default();
        let disabled = User { disabled_at: Some(Timestamp::from_seconds(2)), ..user() };
        assert_eq!(decide(&user(), &[], &open), SignIn::Allowed { must_change_password: true });
        assert_eq!(decide(&disabled, &[Factor::Totp], &verified), SignIn::Disabled);
        assert_eq!(decide(&user(), &[Factor::Totp], &verified), SignIn::Unverified);
        assert_eq!(decide(&user(), &[Factor::Totp], &open), SignIn::FactorOwed(vec![Factor::Totp]));
    }
}
