//! The one decision on every sign-in, whatever way it came: password, set-up, later tokens, providers,
//! exchange. New ways in go through this door.

use crate::factor::Factors;
use crate::user::User;

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
    FactorOwed(Factors),
}

/// What a sign-in has shown of second factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// None.
    Nothing,
    /// One of them, or none was to be shown: the device is trusted, or it is not the user who really acts.
    Enough,
}

/// What the installation asks of a sign-in.
#[derive(Clone, Debug, Default)]
pub struct SignInRules {
    /// The address must have been proved.
    pub require_verified_email: bool,
}

/// Decides.
pub fn decide(user: &User, shown: Shown, rules: &SignInRules) -> SignIn {
    if user.disabled_at.is_some() {
        return SignIn::Disabled;
    }
    // A bot has no address.
    if rules.require_verified_email && user.email_verified_at.is_none() && !user.is_bot() {
        return SignIn::Unverified;
    }
    if !user.factors.is_empty() && shown == Shown::Nothing {
        return SignIn::FactorOwed(user.factors);
    }
    SignIn::Allowed { must_change_password: user.must_change_password }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::Factor;
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
            factors: Factors::NONE,
        }
    }

    #[test]
    fn table() {
        let verified = SignInRules { require_verified_email: true };
        let open = SignInRules::default();
        let disabled = User { disabled_at: Some(Timestamp::from_seconds(2)), ..user() };
        let totp = Factors::NONE.with(Factor::Totp);
        let with_totp = User { factors: totp, ..user() };
        let disabled = User { factors: totp, ..disabled };
        let allowed = SignIn::Allowed { must_change_password: true };
        for (user, shown, rules, expected) in [
            (&user(), Shown::Nothing, &open, allowed.clone()),
            (&disabled, Shown::Nothing, &verified, SignIn::Disabled),
            (&with_totp, Shown::Nothing, &verified, SignIn::Unverified),
            (&with_totp, Shown::Enough, &verified, SignIn::Unverified),
            (&with_totp, Shown::Nothing, &open, SignIn::FactorOwed(totp)),
            (&with_totp, Shown::Enough, &open, allowed),
        ] {
            assert_eq!(decide(user, shown, rules), expected, "{shown:?} {rules:?}");
        }
    }
}
