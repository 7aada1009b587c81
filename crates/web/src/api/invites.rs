//! `/admin/api/invites`: invites to the server or to any account, made by administrators.

use axum::extract::State;
use http::StatusCode;
use portcullis_app::clients::By;
use portcullis_app::invites::{InviteError, InviteRequest, NewInvite};
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::ids::{InviteId, UserId};
use portcullis_core::invite::Invite;
use portcullis_core::subscription::Plan;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::clients::administrator;
use super::page::{PageQuery, next_cursor, page};
use super::{no_content, private_json};
use crate::extract::{ClientInfo, JsonBody, Own, PathId, QueryString};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// An invite to be made. Without `account_id` it lets somebody register, who gets an account of their own; with it,
/// they join that account, be they new or not.
#[derive(Deserialize, ToSchema)]
pub(crate) struct InviteCreate {
    /// Only for this address.
    email: Option<String>,
    /// The account to join.
    account_id: Option<Uuid>,
    /// The role in it; absent: `member`.
    account_role: Option<String>,
    /// Plan of the account that is made; absent: `registration.default_plan`.
    plan: Option<String>,
    /// Days for which that is on trial.
    trial_days: Option<i64>,
    /// How often it may be used, 1 to 100000; absent: once.
    uses: Option<i64>,
    /// 1 to 365; absent: 30, or 7 to an account.
    expires_in_days: Option<i64>,
}

/// An invite.
#[derive(Serialize, ToSchema)]
#[schema(as = Invite)]
pub(crate) struct InviteBody {
    id: Uuid,
    /// `open`, `used`, `expired` or `revoked`.
    status: &'static str,
    /// Of a code to register with, its beginning; of one to join an account with, its end.
    code_hint: String,
    email: Option<String>,
    account_id: Option<Uuid>,
    role: Option<String>,
    plan: Option<String>,
    trial_days: Option<u32>,
    uses: u32,
    used: u32,
    /// Who made it; `null`: the operator.
    created_by: Option<Uuid>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    expires_at: Option<String>,
}

/// A new invite: the only time its code is seen.
#[derive(Serialize, ToSchema)]
#[schema(as = NewInvite)]
pub(crate) struct NewInviteBody {
    /// `invite_code` of a registration; of an invite to an account, `account_invite_code`.
    code: String,
    #[serde(flatten)]
    invite: InviteBody,
}

/// A page of invites, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct InvitePage {
    items: Vec<InviteBody>,
    next_cursor: Option<String>,
}

impl InviteBody {
    pub(crate) fn new(invite: &Invite, now: Timestamp) -> Self {
        Self {
            id: invite.id.uuid(),
            status: invite.state(now).as_str(),
            code_hint: invite.shown.clone(),
            email: invite.email.as_ref().map(Email::as_str).map(str::to_owned),
            account_id: invite.account.as_ref().map(|(account, _)| account.uuid()),
            role: invite.account.as_ref().map(|(_, role)| role.as_str().to_owned()),
            plan: invite.plan.as_ref().map(Plan::as_str).map(str::to_owned),
            trial_days: invite.trial_days,
            uses: invite.uses,
            used: invite.used,
            created_by: invite.created_by.map(UserId::uuid),
            created_at: invite.created_at.to_string(),
            expires_at: invite.expires_at.map(|at| at.to_string()),
        }
    }
}

impl NewInviteBody {
    pub(crate) fn new(made: &NewInvite, now: Timestamp) -> Self {
        Self { code: made.code.expose().to_owned(), invite: InviteBody::new(&made.invite, now) }
    }
}

impl InvitePage {
    pub(crate) fn new(found: &[Invite], limit: i64, now: Timestamp) -> Self {
        Self {
            next_cursor: next_cursor(found, limit, |last| last.id),
            items: found.iter().map(|invite| InviteBody::new(invite, now)).collect(),
        }
    }
}

impl From<InviteError> for Failure {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Invalid(errors) => Self::fields(errors),
            InviteError::NotFound => Self::new(Code::NotFound),
            InviteError::Spent(state) => {
                Self::told(Code::Conflict, &format!("This invite is {} already.", state.as_str()))
            }
            InviteError::Moved => Self::logged(Code::InvalidToken, "the administrator has changed meanwhile"),
            InviteError::Fault(fault) => fault.into(),
        }
    }
}

/// Make an invite.
#[utoipa::path(post, path = paths::ADMIN_INVITES, tag = "administration", request_body = InviteCreate,
    security(("bearer" = [])),
    responses((status = 201, description = "The invite, with its code, once", body = NewInviteBody)))]
pub(crate) async fn create(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    own: Own,
    JsonBody(body): JsonBody<InviteCreate>,
) -> Answer {
    let caller = administrator(own)?;
    let InviteCreate { email, account_id, account_role, plan, trial_days, uses, expires_in_days } = body;
    let account = account_id.map(portcullis_core::ids::AccountId::from_uuid);
    let request = InviteRequest { email, account, account_role, plan, trial_days, uses, expires_in_days };
    let made = web.cx.create_invite(request, By::Administrator(&caller, &client)).await?;
    Ok(private_json(StatusCode::CREATED, &NewInviteBody::new(&made, web.cx.clock.now())))
}

/// Invites, used, expired and revoked ones for a while, too.
#[utoipa::path(get, path = paths::ADMIN_INVITES, tag = "administration", params(PageQuery),
    security(("bearer" = [])), responses((status = 200, description = "A page of invites", body = InvitePage)))]
pub(crate) async fn list(
    State(web): State<Web>,
    own: Own,
    QueryString(query): QueryString<PageQuery>,
) -> Answer {
    administrator(own)?;
    let (before, limit) = page::<InviteId>(&query, MAX_PAGE)?;
    let found = web.cx.list_invites(before, limit).await?;
    Ok(private_json(StatusCode::OK, &InvitePage::new(&found, limit, web.cx.clock.now())))
}

/// One invite.
#[utoipa::path(get, path = paths::ADMIN_INVITE, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 200, description = "The invite", body = InviteBody)))]
pub(crate) async fn get(State(web): State<Web>, own: Own, PathId(id): PathId<InviteId>) -> Answer {
    administrator(own)?;
    let invite = web.cx.get_invite(id).await?;
    Ok(private_json(StatusCode::OK, &InviteBody::new(&invite, web.cx.clock.now())))
}

/// Take an invite back.
#[utoipa::path(delete, path = paths::ADMIN_INVITE, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Taken back")))]
pub(crate) async fn revoke(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    own: Own,
    PathId(id): PathId<InviteId>,
) -> Answer {
    let caller = administrator(own)?;
    web.cx.revoke_invite(id, By::Administrator(&caller, &client)).await?;
    Ok(no_content())
}
