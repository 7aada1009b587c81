//! `/auth/accounts/{id}/members` and `/auth/accounts/{id}/invites`: who belongs to an account, and who may come.

use axum::extract::State;
use http::StatusCode;
use portcullis_app::accounts::Member;
use portcullis_app::invites::AccountInviteRequest;
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::ids::{AccountId, InviteId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::invites::{InvitePage, NewInviteBody};
use super::page::{PageQuery, next_cursor, page};
use super::{no_content, private_json};
use crate::extract::{Acting, ClientInfo, JsonBody, Own, PathId, PathIds, QueryString};
use crate::failure::Answer;
use crate::paths;
use crate::state::Web;

/// What a member shall be.
#[derive(Deserialize, ToSchema)]
pub(crate) struct MemberPatch {
    /// `owner`, `admin`, `member`, or a word of the operator's.
    role: String,
}

/// Who is invited to an account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AccountInviteCreate {
    /// Only for this address.
    email: String,
    /// The role that they get; absent: `member`.
    role: Option<String>,
    /// 1 to 365; absent: 7.
    expires_in_days: Option<i64>,
}

/// A member of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberBody {
    user_id: Uuid,
    email: String,
    username: Option<String>,
    name: Option<String>,
    role: String,
    /// They cannot sign in.
    disabled: bool,
    /// RFC 3339.
    joined_at: String,
}

/// A page of members. Bots are not among them: they come and go with their owner.
#[derive(Serialize, ToSchema)]
pub(crate) struct MemberPage {
    items: Vec<MemberBody>,
    next_cursor: Option<String>,
}

impl From<&Member> for MemberBody {
    fn from(member: &Member) -> Self {
        Self {
            user_id: member.user.uuid(),
            email: member.email.as_str().to_owned(),
            username: member.username.clone(),
            name: member.name.clone(),
            role: member.role.as_str().to_owned(),
            disabled: member.disabled,
            joined_at: member.joined_at.to_string(),
        }
    }
}

/// Members of an account, for all of them.
#[utoipa::path(get, path = paths::ACCOUNT_MEMBERS, tag = "accounts", params(("id" = Uuid, Path), PageQuery),
    security(("bearer" = [])), responses((status = 200, description = "A page of members", body = MemberPage)))]
pub(crate) async fn list(
    State(web): State<Web>,
    Acting(caller): Acting,
    PathId(id): PathId<AccountId>,
    QueryString(query): QueryString<PageQuery>,
) -> Answer {
    let (after, limit) = page::<UserId>(&query, MAX_PAGE)?;
    let found = web.cx.list_members(id, &caller, after, limit).await?;
    let next_cursor = next_cursor(&found, limit, |last| last.user);
    let items = found.iter().map(MemberBody::from).collect();
    Ok(private_json(StatusCode::OK, &MemberPage { items, next_cursor }))
}

/// Give a member another role: owners; admins, what does not concern owners. The member's access tokens end.
#[utoipa::path(patch, path = paths::ACCOUNT_MEMBER, tag = "accounts",
    params(("id" = Uuid, Path), ("user" = Uuid, Path)), request_body = MemberPatch, security(("bearer" = [])),
    responses((status = 204, description = "Changed")))]
pub(crate) async fn update(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathIds(id, user): PathIds<AccountId, UserId>,
    JsonBody(body): JsonBody<MemberPatch>,
) -> Answer {
    web.cx.set_member_role((id, user), &body.role, &caller, &client).await?;
    Ok(no_content())
}

/// Take a member out of an account: owners; admins, who is no owner; everybody themselves. Their access tokens end.
#[utoipa::path(delete, path = paths::ACCOUNT_MEMBER, tag = "accounts",
    params(("id" = Uuid, Path), ("user" = Uuid, Path)), security(("bearer" = [])),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn remove(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathIds(id, user): PathIds<AccountId, UserId>,
) -> Answer {
    web.cx.remove_member((id, user), &caller, &client).await?;
    Ok(no_content())
}

/// Invite somebody to an account: owners; admins, to any role but `owner`.
#[utoipa::path(post, path = paths::ACCOUNT_INVITES, tag = "accounts", params(("id" = Uuid, Path)),
    request_body = AccountInviteCreate, security(("bearer" = [])),
    responses((status = 201, description = "The invite, with its code, once", body = NewInviteBody)))]
pub(crate) async fn invite(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<AccountInviteCreate>,
) -> Answer {
    let AccountInviteCreate { email, role, expires_in_days } = body;
    let request = AccountInviteRequest { email, role, expires_in_days };
    let made = web.cx.invite_member(id, request, &caller, &client).await?;
    Ok(private_json(StatusCode::CREATED, &NewInviteBody::new(&made, web.cx.clock.now())))
}

/// Invites to an account: owners and admins.
#[utoipa::path(get, path = paths::ACCOUNT_INVITES, tag = "accounts", params(("id" = Uuid, Path), PageQuery),
    security(("bearer" = [])), responses((status = 200, description = "A page of invites", body = InvitePage)))]
pub(crate) async fn invites(
    State(web): State<Web>,
    Acting(caller): Acting,
    PathId(id): PathId<AccountId>,
    QueryString(query): QueryString<PageQuery>,
) -> Answer {
    let (before, limit) = page::<InviteId>(&query, MAX_PAGE)?;
    let found = web.cx.account_invites(id, &caller, before, limit).await?;
    Ok(private_json(StatusCode::OK, &InvitePage::new(&found, limit, web.cx.clock.now())))
}

/// Take an invite back: owners and admins.
#[utoipa::path(delete, path = paths::ACCOUNT_INVITE, tag = "accounts",
    params(("id" = Uuid, Path), ("invite" = Uuid, Path)), security(("bearer" = [])),
    responses((status = 204, description = "Taken back")))]
pub(crate) async fn revoke_invite(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathIds(id, invite): PathIds<AccountId, InviteId>,
) -> Answer {
    web.cx.revoke_account_invite((id, invite), &caller, &client).await?;
    Ok(no_content())
}

/// Renew an invite: good for at least another 7 days. Owners and admins.
#[utoipa::path(post, path = paths::ACCOUNT_INVITE_RESEND, tag = "accounts",
    params(("id" = Uuid, Path), ("invite" = Uuid, Path)), security(("bearer" = [])),
    responses((status = 200, description = "The invite, with its code", body = NewInviteBody)))]
pub(crate) async fn resend_invite(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathIds(id, invite): PathIds<AccountId, InviteId>,
) -> Answer {
    let sent = web.cx.resend_account_invite((id, invite), &caller, &client).await?;
    Ok(private_json(StatusCode::OK, &NewInviteBody::new(&sent, web.cx.clock.now())))
}
