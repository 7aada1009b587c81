//! `/auth/accounts`: the accounts that the caller belongs to.

use axum::extract::State;
use http::StatusCode;
use portcullis_app::accounts::{AccountError, Membership};
use portcullis_app::bearer::Caller;
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::ids::{AccountId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::{PageQuery, next_cursor, page};
use super::subscription::SubscriptionBody;
use super::{no_content, private_json};
use crate::extract::{Acting, ClientInfo, JsonBody, OptionalJson, Own, OwnSession, PathId, QueryString};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// What an account is called.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AccountName {
    /// 1 to 100 characters.
    pub(crate) name: String,
}

/// How to go over to an account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AccountSwitch {
    /// New sessions and API tokens are of this account, too.
    #[serde(default)]
    default: bool,
}

/// To whom.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AccountTransfer {
    /// A member; the caller becomes an admin.
    user_id: Uuid,
}

/// The code of an invite.
#[derive(Deserialize, ToSchema)]
pub(crate) struct InviteAccept {
    code: String,
}

/// An account of the caller's.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnAccount)]
pub(crate) struct OwnAccountBody {
    id: Uuid,
    name: String,
    /// Eight characters, to tell it by on the phone.
    display_code: String,
    /// The caller's role in it: `owner`, `admin`, `member`, or a word of the operator's.
    role: String,
    /// It is the one that the caller's token says.
    current: bool,
    subscription: Option<SubscriptionBody>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    joined_at: String,
}

/// A page of accounts, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnAccountPage)]
pub(crate) struct OwnAccountPage {
    items: Vec<OwnAccountBody>,
    next_cursor: Option<String>,
}

impl OwnAccountBody {
    fn new(membership: &Membership, current: Option<AccountId>, now: Timestamp) -> Self {
        let account = &membership.account;
        Self {
            id: account.id.uuid(),
            name: account.name.clone(),
            display_code: account.display_code.clone(),
            role: membership.role.as_str().to_owned(),
            current: current == Some(account.id),
            subscription: account.subscription.as_ref().map(|one| SubscriptionBody::new(one, now)),
            created_at: account.created_at.to_string(),
            joined_at: membership.joined_at.to_string(),
        }
    }
}

fn in_use(caller: &Caller) -> Option<AccountId> {
    caller.account.as_ref().map(|(account, _)| *account)
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Invalid(errors) => Self::fields(errors),
            AccountError::NotFound => Self::new(Code::NotFound),
            AccountError::Forbidden => Self::told(
                Code::Forbidden,
                "Your role in this account does not allow this. Ask one of its owners.",
            ),
            AccountError::LastOwner => Self::new(Code::LastOwner),
            AccountError::HasMembers => Self::new(Code::AccountHasMembers),
            AccountError::TooMany => Self::new(Code::TooManyAccounts),
            AccountError::AlreadyMember => Self::new(Code::AlreadyMember),
            AccountError::InviteSpent => {
                Self::told(Code::Conflict, "This invite is used, or was taken back already.")
            }
            AccountError::NotAdmitted(not) => not.into(),
            AccountError::SessionEnded => Self::logged(Code::InvalidToken, "the session has ended"),
            AccountError::Limited(limited) => limited.into(),
            AccountError::Fault(fault) => fault.into(),
        }
    }
}

/// The caller's accounts.
#[utoipa::path(get, path = paths::ACCOUNTS, tag = "accounts", params(PageQuery), security(("bearer" = [])),
    responses((status = 200, description = "A page of accounts", body = OwnAccountPage)))]
pub(crate) async fn list(
    State(web): State<Web>,
    Acting(caller): Acting,
    QueryString(query): QueryString<PageQuery>,
) -> Answer {
    let (after, limit) = page::<AccountId>(&query, MAX_PAGE)?;
    let found = web.cx.my_accounts(&caller, after, limit).await?;
    let next_cursor = next_cursor(&found, limit, |last| last.account.id);
    let (current, now) = (in_use(&caller), web.cx.clock.now());
    let items = found.iter().map(|one| OwnAccountBody::new(one, current, now)).collect();
    Ok(private_json(StatusCode::OK, &OwnAccountPage { items, next_cursor }))
}

/// Make another account, with the caller as its owner. Their sessions stay where they are.
#[utoipa::path(post, path = paths::ACCOUNTS, tag = "accounts", request_body = AccountName,
    security(("bearer" = [])), responses((status = 201, description = "The account", body = OwnAccountBody)))]
pub(crate) async fn create(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    JsonBody(body): JsonBody<AccountName>,
) -> Answer {
    let made = web.cx.create_account(&caller, &body.name, &client).await?;
    let body = OwnAccountBody::new(&made, in_use(&caller), web.cx.clock.now());
    Ok(private_json(StatusCode::CREATED, &body))
}

/// One of the caller's accounts.
#[utoipa::path(get, path = paths::ACCOUNT, tag = "accounts", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 200, description = "The account", body = OwnAccountBody)))]
pub(crate) async fn get(
    State(web): State<Web>,
    Acting(caller): Acting,
    PathId(id): PathId<AccountId>,
) -> Answer {
    let found = web.cx.account_of(id, &caller).await?;
    let body = OwnAccountBody::new(&found, in_use(&caller), web.cx.clock.now());
    Ok(private_json(StatusCode::OK, &body))
}

/// Name an account anew: owners and admins.
#[utoipa::path(patch, path = paths::ACCOUNT, tag = "accounts", params(("id" = Uuid, Path)),
    request_body = AccountName, security(("bearer" = [])),
    responses((status = 200, description = "The account as changed", body = OwnAccountBody)))]
pub(crate) async fn update(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<AccountName>,
) -> Answer {
    let changed = web.cx.rename_account(id, &body.name, &caller, &client).await?;
    let body = OwnAccountBody::new(&changed, in_use(&caller), web.cx.clock.now());
    Ok(private_json(StatusCode::OK, &body))
}

/// Delete an account that nobody but the caller, its owner, belongs to.
#[utoipa::path(delete, path = paths::ACCOUNT, tag = "accounts", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<AccountId>,
) -> Answer {
    web.cx.delete_account(id, &caller, &client).await?;
    Ok(no_content())
}

/// Go over to another of the caller's accounts: the session's access tokens so far end, and the next refresh says the
/// new account.
#[utoipa::path(post, path = paths::ACCOUNT_SWITCH, tag = "accounts", params(("id" = Uuid, Path)),
    request_body = Option<AccountSwitch>, security(("bearer" = [])),
    responses((status = 200, description = "The account that the next access token says", body = OwnAccountBody)))]
pub(crate) async fn switch(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnSession(caller): OwnSession,
    PathId(id): PathId<AccountId>,
    OptionalJson(body): OptionalJson<AccountSwitch>,
) -> Answer {
    let home = body.is_some_and(|body| body.default);
    let account = web.cx.switch_account(id, home, &caller, &client).await?;
    let body = OwnAccountBody::new(&account, Some(id), web.cx.clock.now());
    Ok(private_json(StatusCode::OK, &body))
}

/// Leave an account. Whoever has no other gets one of their own. The last owner stays.
#[utoipa::path(post, path = paths::ACCOUNT_LEAVE, tag = "accounts", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Left")))]
pub(crate) async fn leave(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<AccountId>,
) -> Answer {
    web.cx.remove_member((id, caller.user), &caller, &client).await?;
    Ok(no_content())
}

/// Hand an account over to another member: owners.
#[utoipa::path(post, path = paths::ACCOUNT_TRANSFER, tag = "accounts", params(("id" = Uuid, Path)),
    request_body = AccountTransfer, security(("bearer" = [])),
    responses((status = 204, description = "Handed over; the caller is an admin now")))]
pub(crate) async fn transfer(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<AccountTransfer>,
) -> Answer {
    web.cx.transfer_account((id, UserId::from_uuid(body.user_id)), &caller, &client).await?;
    Ok(no_content())
}

/// Join the account that a code invites the caller to. Their sessions stay where they are.
#[utoipa::path(post, path = paths::INVITE_ACCEPT, tag = "accounts", request_body = InviteAccept,
    security(("bearer" = [])), responses((status = 200, description = "The account", body = OwnAccountBody)))]
pub(crate) async fn accept(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    JsonBody(body): JsonBody<InviteAccept>,
) -> Answer {
    let joined = web.cx.accept_invite(&body.code, &caller, &client).await?;
    let body = OwnAccountBody::new(&joined, in_use(&caller), web.cx.clock.now());
    Ok(private_json(StatusCode::OK, &body))
}
