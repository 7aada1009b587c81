//! What an account has subscribed to: a plan, and how far it is. Nobody pays here; whoever takes payments tells us.

use std::fmt;

use crate::time::Timestamp;
use crate::validation::{self, FieldError};

/// The name of a plan, the operator's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan(String);

impl Plan {
    /// 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, FieldError> {
        validation::word(field, text, 64, |c| c.is_ascii_alphanumeric() || "._-".contains(c)).map(Self)
    }

    /// From a stored row, without checks.
    pub const fn from_stored(name: String) -> Self {
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a subscription is, as it was set. Whether it has run out since, [`Subscription::status`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// For nothing, until it ends.
    Trial {
        /// From when on it has expired.
        ends_at: Timestamp,
    },
    /// Paid for, or for nothing for good.
    Active {
        /// From when on it has expired; `None`: it does not end by itself.
        ends_at: Option<Timestamp>,
    },
    /// A payment is late, and the plan goes on meanwhile.
    PastDue {
        /// End of the period that was paid for.
        ends_at: Option<Timestamp>,
    },
    /// It is not renewed.
    Canceled {
        /// From when on it has expired.
        ends_at: Timestamp,
    },
}

impl Phase {
    /// When it ends by itself, or the period that was paid for.
    pub const fn ends_at(self) -> Option<Timestamp> {
        match self {
            Self::Trial { ends_at } | Self::Canceled { ends_at } => Some(ends_at),
            Self::Active { ends_at } | Self::PastDue { ends_at } => ends_at,
        }
    }

    /// Its name in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trial { .. } => "trialing",
            Self::Active { .. } => "active",
            Self::PastDue { .. } => "past_due",
            Self::Canceled { .. } => "canceled",
        }
    }

    /// The phase of that name; `None`: there is none, or it lacks its end.
    pub fn named(name: &str, ends_at: Option<Timestamp>) -> Option<Self> {
        Some(match name {
            "trialing" => Self::Trial { ends_at: ends_at? },
            "active" => Self::Active { ends_at },
            "past_due" => Self::PastDue { ends_at },
            "canceled" => Self::Canceled { ends_at: ends_at? },
            _ => return None,
        })
    }
}

/// How far a subscription is at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// On trial.
    Trialing,
    /// Paid for.
    Active,
    /// A payment is late.
    PastDue,
    /// It goes on until its end, and is not renewed.
    Canceled,
    /// It has run out.
    Expired,
}

impl Status {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }
}

/// What an account has subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// To what.
    pub plan: Plan,
    /// How far it is.
    pub phase: Phase,
    /// Since when it has been as it is.
    pub started_at: Timestamp,
}

impl Subscription {
    /// How far it is at `now`. A late payment ends nothing by itself.
    pub fn status(&self, now: Timestamp) -> Status {
        match self.phase {
            Phase::Trial { ends_at } if now < ends_at => Status::Trialing,
            Phase::Canceled { ends_at } if now < ends_at => Status::Canceled,
            Phase::Active { ends_at } if ends_at.is_none_or(|ends_at| now < ends_at) => Status::Active,
            Phase::PastDue { .. } => Status::PastDue,
            Phase::Trial { .. } | Phase::Canceled { .. } | Phase::Active { .. } => Status::Expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_status_follows_from_phase_and_time() {
        let end = Some(at(10));
        for (name, ends_at, before, after) in [
            ("trialing", end, "trialing", "expired"),
            ("active", end, "active", "expired"),
            ("active", None, "active", "active"),
            ("past_due", end, "past_due", "past_due"),
            ("past_due", None, "past_due", "past_due"),
            ("canceled", end, "canceled", "expired"),
        ] {
            let phase = Phase::named(name, ends_at).expect("a phase");
            assert_eq!((phase.as_str(), phase.ends_at()), (name, ends_at));
            let plan = Plan::parse("plan", "Pro-1.5_x").expect("a name");
            let subscription = Subscription { plan, phase, started_at: at(0) };
            assert_eq!(subscription.status(at(9)).as_str(), before, "{name}");
            assert_eq!(subscription.status(at(10)).as_str(), after, "{name}");
        }
    }

    #[test]
    fn what_must_end_says_when() {
        for name in ["trialing", "canceled", "expired", ""] {
            assert_eq!(Phase::named(name, None), None, "{name}");
        }
        assert!(Plan::parse("plan", "a b").is_err());
    }
}
