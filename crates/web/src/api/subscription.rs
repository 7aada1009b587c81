//! `/admin/api/accounts/{id}/subscription`: what an account has subscribed to, set by administrators, and by services
//! that take payments.

use axum::extract::State;
use http::StatusCode;
use portcullis_app::subscriptions::{SubscriptionError, SubscriptionRequest};
use portcullis_core::ids::AccountId;
use portcullis_core::subscription::{Phase, Subscription};
use portcullis_core::time::Timestamp;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{no_content, private_json};
use crate::extract::{ClientInfo, JsonBody, PathId, Steward};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// What an account has subscribed to.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
pub(crate) struct SubscriptionBody {
    plan: String,
    /// `trialing`, `active`, `past_due`, `canceled`; `expired` as soon as it has run out.
    status: &'static str,
    /// RFC 3339: since when it has been as it is.
    started_at: String,
    /// RFC 3339: of a trial.
    trial_ends_at: Option<String>,
    /// RFC 3339: of the period that is paid for; `null`: it does not end by itself.
    period_ends_at: Option<String>,
}

impl SubscriptionBody {
    pub(crate) fn new(subscription: &Subscription, now: Timestamp) -> Self {
        let on_trial = matches!(subscription.phase, Phase::Trial { .. });
        let ends_at = subscription.phase.ends_at().map(|at| at.to_string());
        let (trial_ends_at, period_ends_at) = if on_trial { (ends_at, None) } else { (None, ends_at) };
        Self {
            plan: subscription.plan.as_str().to_owned(),
            status: subscription.status(now).as_str(),
            started_at: subscription.started_at.to_string(),
            trial_ends_at,
            period_ends_at,
        }
    }
}

/// What an account shall have subscribed to.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SubscriptionPut {
    plan: String,
    /// `trialing`, `active`, `past_due` or `canceled`; absent: `active`.
    status: Option<String>,
    /// RFC 3339: of a trial, which has this or `trial_days`.
    trial_ends_at: Option<String>,
    /// 1 to 3650: the trial ends so many days from now.
    trial_days: Option<i64>,
    /// RFC 3339: from then on it has expired. What was canceled has one.
    period_ends_at: Option<String>,
}

impl From<SubscriptionError> for Failure {
    fn from(error: SubscriptionError) -> Self {
        match error {
            SubscriptionError::Invalid(errors) => Self::fields(errors),
            SubscriptionError::NotFound => Self::new(Code::NotFound),
            SubscriptionError::Moved => {
                Self::logged(Code::InvalidToken, "the administrator has changed meanwhile")
            }
            SubscriptionError::Fault(fault) => fault.into(),
        }
    }
}

/// What an account has subscribed to. For administrators, and service clients with the scope `accounts:read` or
/// `accounts:write`.
#[utoipa::path(get, path = paths::ADMIN_SUBSCRIPTION, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 200, description = "The subscription", body = SubscriptionBody)))]
pub(crate) async fn get(State(web): State<Web>, steward: Steward, PathId(id): PathId<AccountId>) -> Answer {
    steward.checked()?;
    let found = web.cx.account(id).await?.and_then(|account| account.subscription);
    let found = found.ok_or_else(|| Failure::new(Code::NotFound))?;
    Ok(private_json(StatusCode::OK, &SubscriptionBody::new(&found, web.cx.clock.now())))
}

/// Set what an account has subscribed to. For administrators, and service clients with the scope `accounts:write`.
#[utoipa::path(put, path = paths::ADMIN_SUBSCRIPTION, tag = "administration", params(("id" = Uuid, Path)),
    request_body = SubscriptionPut, security(("bearer" = [])),
    responses((status = 200, description = "The subscription as set", body = SubscriptionBody)))]
pub(crate) async fn put(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    steward: Steward,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<SubscriptionPut>,
) -> Answer {
    let caller = steward.checked()?;
    let SubscriptionPut { plan, status, trial_ends_at, trial_days, period_ends_at } = body;
    let request = SubscriptionRequest { plan, status, trial_ends_at, trial_days, period_ends_at };
    let set = web.cx.subscribe(id, request, &caller, &client).await?;
    Ok(private_json(StatusCode::OK, &SubscriptionBody::new(&set, web.cx.clock.now())))
}

/// End what an account has subscribed to. For administrators, and service clients with the scope `accounts:write`.
#[utoipa::path(delete, path = paths::ADMIN_SUBSCRIPTION, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "It has none any more")))]
pub(crate) async fn delete(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    steward: Steward,
    PathId(id): PathId<AccountId>,
) -> Answer {
    let caller = steward.checked()?;
    web.cx.unsubscribe(id, &caller, &client).await?;
    Ok(no_content())
}
