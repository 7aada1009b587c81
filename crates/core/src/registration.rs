//! Who may register: everybody, who has an invite, nobody; and from which domains.

use crate::subscription::{Phase, Plan, Subscription};
use crate::time::Timestamp;
use crate::user::Email;
use std::time::Duration;

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everybody.
    Open,
    /// Whoever has an invite, to the platform or to an account.
    Invite,
    /// Nobody.
    Closed,
}

/// A domain of addresses, as an operator writes it: `example.org`, or `*.example.org` for all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    name: String,
    below: bool,
}

impl Domain {
    /// `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let below = text.strip_prefix("*.");
        // An address at it is read as all addresses are, and compared by the same key.
        let email = Email::parse("domain", &format!("a@{}", below.unwrap_or(text))).ok()?;
        let name = domain_of(&email).to_owned();
        Some(Self { name, below: below.is_some() })
    }

    fn covers(&self, domain: &str) -> bool {
        if !self.below {
            return domain == self.name;
        }
        domain.strip_suffix(&self.name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

fn domain_of(email: &Email) -> &str {
    email.key().rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Whether `email` is of a domain that may register. What is refused stays refused if it is allowed, too; an empty
/// list of allowed ones allows all.
pub fn may_come(email: &Email, allowed: &[Domain], refused: &[Domain]) -> bool {
    let domain = domain_of(email);
    let among = |domains: &[Domain]| domains.iter().any(|one| one.covers(domain));
    !among(refused) && (allowed.is_empty() || among(allowed))
}

/// What a new account begins with at `now`: `plan`, for good or on trial.
pub fn beginning(plan: Plan, trial_days: Option<u32>, now: Timestamp) -> Subscription {
    let phase = match trial_days.filter(|days| *days > 0) {
        Some(days) => Phase::Trial { ends_at: now + Duration::from_hours(24) * days },
        None => Phase::Active { ends_at: None },
    };
    Subscription { plan, phase, started_at: now }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(list: &[&str]) -> Vec<Domain> {
        list.iter().map(|text| Domain::parse(text).expect("a domain")).collect()
    }

    #[test]
    fn domains_allowed_and_refused() {
        for (address, allowed, refused, may) in [
            ("a@example.org", &[][..], &[][..], true),
            ("A@EXAMPLE.org", &["Example.ORG"][..], &[][..], true),
            ("a@sub.example.org", &["example.org"][..], &[][..], false),
            ("a@sub.example.org", &["*.example.org"][..], &[][..], true),
            ("a@example.org", &["*.example.org"][..], &[][..], false),
            ("a@notexample.org", &["*.example.org", "example.org"][..], &[][..], false),
            ("a@example.org", &["example.org"][..], &["example.org"][..], false),
            ("a@x.trash.example", &[][..], &["*.trash.example"][..], false),
            ("a@trash.example", &[][..], &["*.trash.example"][..], true),
        ] {
            let email = Email::parse("email", address).expect("an address");
            assert_eq!(may_come(&email, &domains(allowed), &domains(refused)), may, "{address} {allowed:?}");
        }
        for text in ["", "*.", "*", "a b", "@example.org", "example..org"] {
            assert_eq!(Domain::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_trial_of_no_days_is_none() {
        let (plan, now) = (Plan::from_stored("pro".into()), Timestamp::from_seconds(0));
        let phase = |days| beginning(plan.clone(), days, now).phase;
        assert_eq!(phase(None), Phase::Active { ends_at: None });
        assert_eq!(phase(Some(0)), Phase::Active { ends_at: None });
        assert_eq!(phase(Some(2)), Phase::Trial { ends_at: Timestamp::from_seconds(172_800) });
    }
}
