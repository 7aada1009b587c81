//! `/admin/api/accounts`: all accounts, for administrators and for services with the scope for that.

use axum::extract::State;
use http::StatusCode;
use portcullis_app::accounts::Account;
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::ids::AccountId;
use portcullis_core::time::Timestamp;
use portcullis_edge::code::Code;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::accounts::AccountName;
use super::page::{PageQuery, next_cursor, page};
use super::private_json;
use super::subscription::SubscriptionBody;
use crate::extract::{ClientInfo, JsonBody, PathId, QueryString, Steward};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = AnyAccount)]
pub(crate) struct AnyAccountBody {
    id: Uuid,
    name: String,
    display_code: String,
    subscription: Option<SubscriptionBody>,
    /// RFC 3339.
    created_at: String,
}

/// A page of accounts, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = AnyAccountPage)]
pub(crate) struct AnyAccountPage {
    items: Vec<AnyAccountBody>,
    next_cursor: Option<String>,
}

impl AnyAccountBody {
    fn new(account: &Account, now: Timestamp) -> Self {
        Self {
            id: account.id.uuid(),
            name: account.name.clone(),
            display_code: account.display_code.clone(),
            subscription: account.subscription.as_ref().map(|one| SubscriptionBody::new(one, now)),
            created_at: account.created_at.to_string(),
        }
    }
}

/// All accounts. For administrators, and service clients with the scope `accounts:read` or `accounts:write`.
#[utoipa::path(get, path = paths::ADMIN_ACCOUNTS, tag = "administration", params(PageQuery),
    security(("bearer" = [])), responses((status = 200, description = "A page of accounts", body = AnyAccountPage)))]
pub(crate) async fn list(
    State(web): State<Web>,
    steward: Steward,
    QueryString(query): QueryString<PageQuery>,
) -> Answer {
    steward.checked()?;
    let (before, limit) = page::<AccountId>(&query, MAX_PAGE)?;
    let found = web.cx.all_accounts(before, limit).await?;
    let next_cursor = next_cursor(&found, limit, |last| last.id);
    let now = web.cx.clock.now();
    let items = found.iter().map(|account| AnyAccountBody::new(account, now)).collect();
    Ok(private_json(StatusCode::OK, &AnyAccountPage { items, next_cursor }))
}

/// One account. For administrators, and service clients with the scope `accounts:read` or `accounts:write`.
#[utoipa::path(get, path = paths::ADMIN_ACCOUNT, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 200, description = "The account", body = AnyAccountBody)))]
pub(crate) async fn get(State(web): State<Web>, steward: Steward, PathId(id): PathId<AccountId>) -> Answer {
    steward.checked()?;
    let found = web.cx.account(id).await?.ok_or_else(|| Failure::new(Code::NotFound))?;
    Ok(private_json(StatusCode::OK, &AnyAccountBody::new(&found, web.cx.clock.now())))
}

/// Name an account anew. For administrators, and service clients with the scope `accounts:write`.
#[utoipa::path(patch, path = paths::ADMIN_ACCOUNT, tag = "administration", params(("id" = Uuid, Path)),
    request_body = AccountName, security(("bearer" = [])),
    responses((status = 200, description = "The account as changed", body = AnyAccountBody)))]
pub(crate) async fn update(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    steward: Steward,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<AccountName>,
) -> Answer {
    let caller = steward.checked()?;
    let changed = web.cx.rename_any_account(id, &body.name, &caller, &client).await?;
    Ok(private_json(StatusCode::OK, &AnyAccountBody::new(&changed, web.cx.clock.now())))
}
