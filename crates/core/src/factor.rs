//! Second factors: what a user shows beside what they sign in with.

use std::fmt;
use std::str::FromStr;

use crate::session::UnknownWord;

/// A kind of second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Factor {
    /// An app that makes time-based codes (RFC 6238).
    Totp,
    /// A passkey (WebAuthn).
    Passkey,
}

impl Factor {
    /// Every kind, in the order in which they are named.
    pub const ALL: [Self; 2] = [Self::Totp, Self::Passkey];

    /// The word for it in requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
        }
    }

    const fn bit(self) -> i64 {
        match self {
            Self::Totp => 1,
            Self::Passkey => 2,
        }
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kinds of factors that a user has set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factors(i64);

impl Factors {
    /// None.
    pub const NONE: Self = Self(0);

    /// From a stored row. What a later version has written there counts too: it is not known how it is shown, but
    /// it is owed.
    pub const fn from_stored(bits: i64) -> Self {
        Self(bits)
    }

    /// As it is stored.
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `factor` is among them.
    pub const fn has(self, factor: Factor) -> bool {
        self.0 & factor.bit() != 0
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, factor: Factor) -> Self {
        Self(self.0 | factor.bit())
    }

    /// Without one.
    #[must_use]
    pub const fn without(self, factor: Factor) -> Self {
        Self(self.0 & !factor.bit())
    }

    /// Those of [`Factor::ALL`] that are among them.
    pub fn iter(self) -> impl Iterator<Item = Factor> {
        Factor::ALL.into_iter().filter(move |factor| self.has(*factor))
    }
}

/// How a factor is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A code of a TOTP app.
    Totp,
    /// One of the codes that are kept for the day when the factors are gone.
    RecoveryCode,
    /// A passkey.
    Passkey,
}

impl Method {
    /// The word for it in requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey => "passkey",
        }
    }

    /// What it adds to `amr` (RFC 8176 section 2). A recovery code is something one has, like the app.
    pub const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Totp => &["otp", "mfa"],
            Self::RecoveryCode => &["recovery", "mfa"],
            Self::Passkey => &["hwk", "mfa"],
        }
    }

    /// How a user with `factors` may show one: recovery codes stand for any of them.
    pub fn of(factors: Factors) -> Vec<Self> {
        let own = factors.iter().map(|factor| match factor {
            Factor::Totp => Self::Totp,
            Factor::Passkey => Self::Passkey,
        });
        own.chain((!factors.is_empty()).then_some(Self::RecoveryCode)).collect()
    }
}

impl FromStr for Method {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Totp, Self::RecoveryCode, Self::Passkey]
            .into_iter()
            .find(|method| method.as_str() == word)
            .ok_or(UnknownWord)
    }
}

/// `amr` of who has signed in by `first` and then shown a factor: each value once.
pub fn methods_with(first: &[String], shown: &[&str]) -> Vec<String> {
    let mut methods = first.to_vec();
    for method in shown {
        if !methods.iter().any(|known| known == method) {
            methods.push((*method).to_owned());
        }
    }
    methods
}

/// Whether a session in which the user has signed in by `methods` has seen a second factor.
pub fn has_shown_factor(methods: &[String]) -> bool {
    methods.iter().any(|method| method == "mfa")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_factors() {
        let both = Factors::NONE.with(Factor::Totp).with(Factor::Passkey);
        assert_eq!(both.bits(), 3);
        assert_eq!(both.iter().collect::<Vec<_>>(), [Factor::Totp, Factor::Passkey]);
        assert_eq!(both.without(Factor::Totp), Factors::NONE.with(Factor::Passkey));
        assert!(both.without(Factor::Totp).without(Factor::Passkey).is_empty());
        assert!(!Factors::from_stored(4).is_empty());
    }

    #[test]
    fn how_factors_are_shown() {
        assert_eq!(Method::of(Factors::NONE), []);
        assert_eq!(Method::of(Factors::NONE.with(Factor::Totp)), [Method::Totp, Method::RecoveryCode]);
        assert_eq!(Method::of(Factors::NONE.with(Factor::Passkey)), [Method::Passkey, Method::RecoveryCode]);
        // Nothing that this version knows; a code that was kept still opens.
        assert_eq!(Method::of(Factors::from_stored(4)), [Method::RecoveryCode]);
        for method in [Method::Totp, Method::RecoveryCode, Method::Passkey] {
            assert_eq!(method.as_str().parse().ok(), Some(method));
        }
        assert!("sms".parse::<Method>().is_err());
    }

    #[test]
    fn amr_says_each_method_once() {
        let first = vec!["pwd".to_owned()];
        let both = methods_with(&first, Method::Totp.amr());
        assert_eq!(both, ["pwd", "otp", "mfa"]);
        assert_eq!(methods_with(&both, Method::RecoveryCode.amr()), ["pwd", "otp", "mfa", "recovery"]);
        assert!(has_shown_factor(&both) && !has_shown_factor(&first));
    }
}
