//! What accounts have subscribed to: set by administrators and by services that take payments.

use std::time::Duration;

use portcullis_core::audit::EventKind;
use portcullis_core::ids::AccountId;
use portcullis_core::invite::MAX_TRIAL_DAYS;
use portcullis_core::subscription::{Phase, Plan, Subscription};
use portcullis_core::time::Timestamp;
use portcullis_core::validation::{FieldError, line};
pub use portcullis_store::accounts::Account;
use portcullis_store::sessions::hold_asker;
use portcullis_store::{StoreError, accounts, audit, subscriptions};
use thiserror::Error;

use crate::bearer::{Caller, Credential};
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;

const DAY: Duration = Duration::from_hours(24);

/// What an account shall have subscribed to.
#[derive(Clone, Debug)]
pub struct SubscriptionRequest {
    /// To what.
    pub plan: String,
    /// How far it is; `active` if it is not said.
    pub status: Option<String>,
    /// RFC 3339: end of a trial.
    pub trial_ends_at: Option<String>,
    /// Or so many days from now.
    pub trial_days: Option<i64>,
    /// RFC 3339: end of what is paid for.
    pub period_ends_at: Option<String>,
}

/// Why nothing was set.
#[derive(Debug, Error)]
pub enum SubscriptionError {
    /// Fields are wrong.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// There is no such account, or it has subscribed to nothing.
    #[error("not found")]
    NotFound,
    /// Who asks is no administrator any more, or their session has ended.
    #[error("whoever asks has changed meanwhile")]
    Moved,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for SubscriptionError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

fn time(field: &'static str, text: &str) -> Result<Timestamp, FieldError> {
    let wrong = || FieldError::new(field, "invalid", "Give a time as in 2026-01-31T12:00:00Z (RFC 3339).");
    Timestamp::parse(text).ok_or_else(wrong)
}

impl SubscriptionRequest {
    fn check(self, now: Timestamp) -> Result<Subscription, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut keep = |error: FieldError| errors.push(error);
        let plan = Plan::parse("plan", &self.plan).map_err(&mut keep).ok();
        let period = self.period_ends_at.as_deref().map(|text| time("period_ends_at", text)).transpose();
        let period = period.map_err(&mut keep).ok().flatten();
        let trial = match (&self.trial_ends_at, self.trial_days) {
            (Some(text), None) => time("trial_ends_at", text).map(Some),
            (None, Some(days)) => match u32::try_from(days) {
                Ok(days) if (1..=MAX_TRIAL_DAYS).contains(&days) => Ok(Some(now + DAY * days)),
                _ => Err(FieldError::new(
                    "trial_days",
                    "out_of_range",
                    format!("Use a whole number from 1 to {MAX_TRIAL_DAYS}."),
                )),
            },
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                let message = "Give `trial_ends_at` or `trial_days`, not both.";
                Err(FieldError::new("trial_days", "contradiction", message))
            }
        };
        let trial = trial.map_err(&mut keep).ok().flatten();
        let status = self.status.as_deref().unwrap_or("active");
        let on_trial = status == "trialing";
        if on_trial && period.is_some() {
            keep(FieldError::new("period_ends_at", "contradiction", "A trial ends at `trial_ends_at`."));
        }
        if !on_trial && trial.is_some() {
            let message = "Only what is `trialing` has an end of its trial.";
            keep(FieldError::new("trial_ends_at", "contradiction", message));
        }
        let phase = Phase::named(status, if on_trial { trial } else { period });
        if phase.is_none() && errors.is_empty() {
            errors.push(match status {
                "trialing" => FieldError::new(
                    "trial_ends_at",
                    "missing",
                    "Say when the trial ends, or give `trial_days`.",
                ),
                "canceled" => FieldError::new("period_ends_at", "missing", "Say until when it goes on."),
                _ => FieldError::new("status", "invalid", "Use trialing, active, past_due or canceled."),
            });
        }
        match (plan, phase) {
            (Some(plan), Some(phase)) if errors.is_empty() => {
                Ok(Subscription { plan, phase, started_at: now })
            }
            _ => Err(errors),
        }
    }
}

impl Cx {
    /// Any account.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault> {
        Ok(self.store.account(id).await?)
    }

    /// All accounts, newest first, made before one.
    pub async fn all_accounts(&self, before: Option<AccountId>, limit: i64) -> Result<Vec<Account>, Fault> {
        Ok(self.store.accounts(before, limit).await?)
    }

    /// Subscribes an account, in the place of what it had.
    pub async fn subscribe(
        &self,
        account: AccountId,
        request: SubscriptionRequest,
        by: &Caller,
        client: &Client,
    ) -> Result<Subscription, SubscriptionError> {
        let new = request.check(self.clock.now()).map_err(SubscriptionError::Invalid)?;
        let said = [("plan", new.plan.as_str()), ("status", new.phase.as_str())];
        self.steward(account, Change::Subscribe(new.clone()), &said, (by, client)).await?;
        Ok(new)
    }

    /// Ends what an account has subscribed to.
    pub async fn unsubscribe(
        &self,
        account: AccountId,
        by: &Caller,
        client: &Client,
    ) -> Result<(), SubscriptionError> {
        self.steward(account, Change::Unsubscribe, &[], (by, client)).await
    }

    /// Names any account anew.
    pub async fn rename_any_account(
        &self,
        account: AccountId,
        name: &str,
        by: &Caller,
        client: &Client,
    ) -> Result<Account, SubscriptionError> {
        let name = line("name", name, portcullis_core::account::LONGEST_NAME)
            .map_err(|error| SubscriptionError::Invalid(vec![error]))?;
        self.steward(account, Change::Rename(name), &[], (by, client)).await?;
        self.store.account(account).await?.ok_or(SubscriptionError::NotFound)
    }

    async fn steward(
        &self,
        account: AccountId,
        change: Change,
        said: &[(&str, &str)],
        (by, client): (&Caller, &Client),
    ) -> Result<(), SubscriptionError> {
        let mut event = self.account_event(change.kind(), account, by, client);
        for (name, value) in said {
            event.detail.insert((*name).into(), (*value).into());
        }
        let is_client = matches!(by.credential, Credential::Client);
        if is_client {
            event.detail.insert("client".into(), by.user.to_string().into());
            event.actor = None;
        }
        // A client's end is on the list of revocations; an administrator may have become none since.
        let asker = if is_client { None } else { Some(by.asker().ok_or(SubscriptionError::Moved)?) };
        let done = self.store.write(move |tx| {
            let (change, event) = (change.clone(), event.clone());
            Box::pin(async move {
                if let Some(asker) = asker
                    && hold_asker(tx, asker, true, event.at).await?.is_none()
                {
                    return Ok(None);
                }
                let done = match &change {
                    Change::Subscribe(new) => subscriptions::put(tx, account, new).await?,
                    Change::Unsubscribe => subscriptions::delete(tx, account).await?,
                    Change::Rename(name) => accounts::rename(tx, account, name).await?,
                };
                if done {
                    audit::append(tx, &event).await?;
                }
                Ok(Some(done))
            })
        });
        match done.await? {
            Some(true) => Ok(()),
            Some(false) => Err(SubscriptionError::NotFound),
            None => Err(SubscriptionError::Moved),
        }
    }
}

/// What becomes of an account.
#[derive(Clone)]
enum Change {
    Subscribe(Subscription),
    Unsubscribe,
    Rename(String),
}

impl Change {
    const fn kind(&self) -> EventKind {
        match self {
            Self::Subscribe(_) | Self::Unsubscribe => EventKind::SubscriptionChanged,
            Self::Rename(_) => EventKind::AccountUpdated,
        }
    }
}
