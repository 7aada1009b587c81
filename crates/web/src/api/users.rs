//! `/admin/api/users`: what administrators do to users.

use axum::extract::State;
use http::StatusCode;
use portcullis_app::administration::{Administered, RegisterForError};
use portcullis_app::clients::By;
use portcullis_app::operator::{NewUserRequest, OperatorError};
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::ids::UserId;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::clients::administrator;
use super::page::{PageQuery, next_cursor, page};
use super::register::RegisterResponse;
use super::token_response::TokenBody;
use super::user::UserBody;
use super::{no_content, private_json};
use crate::extract::{ClientInfo, JsonBody, Own, PathId, QueryString, Registrar};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// A user to be registered on their behalf.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UserCreate {
    email: String,
    /// 1 to 100 characters.
    name: Option<String>,
    username: Option<String>,
    /// Absent: that of whoever registers. A service does not make administrators.
    role: Option<String>,
    /// Answer with tokens of theirs, too.
    #[serde(default)]
    session: bool,
}

/// A user, as administrators see them.
#[derive(Serialize, ToSchema)]
#[schema(as = AdministeredUser)]
pub(crate) struct AdministeredBody {
    #[serde(flatten)]
    user: UserBody,
    /// They cannot sign in.
    disabled: bool,
    /// RFC 3339.
    disabled_at: Option<String>,
    /// When they are deleted, if they asked for it. RFC 3339.
    deletes_at: Option<String>,
}

/// A page of users, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = UserPage)]
pub(crate) struct UserPage {
    items: Vec<AdministeredBody>,
    next_cursor: Option<String>,
}

impl From<&Administered> for AdministeredBody {
    fn from(one: &Administered) -> Self {
        Self {
            user: UserBody::from(&one.user),
            disabled: one.user.disabled_at.is_some(),
            disabled_at: one.user.disabled_at.map(|at| at.to_string()),
            deletes_at: one.deletion_due.map(|at| at.to_string()),
        }
    }
}

impl From<RegisterForError> for Failure {
    fn from(error: RegisterForError) -> Self {
        match error {
            RegisterForError::Operator(OperatorError::Invalid(errors)) => Self::fields(errors),
            RegisterForError::Operator(OperatorError::EmailTaken) => Self::new(Code::EmailTaken),
            RegisterForError::Operator(OperatorError::UsernameTaken) => Self::new(Code::UsernameTaken),
            RegisterForError::Operator(OperatorError::Fault(fault)) | RegisterForError::Fault(fault) => {
                fault.into()
            }
            RegisterForError::Operator(
                OperatorError::NoUser(_) | OperatorError::Moved | OperatorError::LastAdministrator,
            ) => Self::new(Code::Conflict),
            RegisterForError::Administrator => {
                Self::told(Code::Forbidden, "A service does not make administrators.")
            }
            RegisterForError::Unverified => Self::told(
                Code::EmailNotVerified,
                "Nobody signs in here before their address is verified: leave `session` out.",
            ),
            RegisterForError::Moved => Self::logged(Code::InvalidToken, "whoever asks has changed meanwhile"),
        }
    }
}

/// Users, oldest first, bots among them.
#[utoipa::path(get, path = paths::ADMIN_USERS, tag = "administration", params(PageQuery),
    security(("bearer" = [])), responses((status = 200, description = "A page of users", body = UserPage)))]
pub(crate) async fn list(
    State(web): State<Web>,
    own: Own,
    QueryString(query): QueryString<PageQuery>,
) -> Answer {
    administrator(own)?;
    let (after, limit) = page::<UserId>(&query, MAX_PAGE)?;
    let found = web.cx.list_users(after, limit).await?;
    let next_cursor = next_cursor(&found, limit, |last| last.user.id);
    let items = found.iter().map(AdministeredBody::from).collect();
    Ok(private_json(StatusCode::OK, &UserPage { items, next_cursor }))
}

/// One user.
#[utoipa::path(get, path = paths::ADMIN_USER, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 200, description = "The user", body = AdministeredBody)))]
pub(crate) async fn get(State(web): State<Web>, own: Own, PathId(id): PathId<UserId>) -> Answer {
    administrator(own)?;
    let found = web.cx.administered(id).await?.ok_or_else(|| Failure::new(Code::NotFound))?;
    Ok(private_json(StatusCode::OK, &AdministeredBody::from(&found)))
}

/// Register somebody on their behalf: for administrators, and service clients with the scope `users:write`.
#[utoipa::path(post, path = paths::ADMIN_USERS, tag = "administration", request_body = UserCreate,
    security(("bearer" = [])),
    responses((status = 201, description = "The user, with tokens if they were asked for", body = RegisterResponse)))]
pub(crate) async fn create(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Registrar(caller): Registrar,
    JsonBody(body): JsonBody<UserCreate>,
) -> Answer {
    if caller.asks_as_user() && !caller.role.is_admin() {
        return Err(Failure::new(Code::Forbidden));
    }
    let UserCreate { email, name, username, role, session } = body;
    let role = role.unwrap_or_else(|| web.cx.runtime().default_role.as_str().to_owned());
    let request = NewUserRequest { email, name, username, role, password: None, must_change_password: false };
    let (user, tokens) = web.cx.register_for(request, session, &caller, &client).await?;
    let body = match tokens {
        // A token response has the user in it.
        Some(tokens) => RegisterResponse { tokens: Some(TokenBody::from(tokens)), user: None },
        None => RegisterResponse { tokens: None, user: Some(UserBody::from(&user)) },
    };
    Ok(private_json(StatusCode::CREATED, &body))
}

/// Remove all second factors of a user who has lost them; who is told by mail.
#[utoipa::path(delete, path = paths::ADMIN_USER_FACTORS, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Removed")))]
pub(crate) async fn reset_factors(State(web): State<Web>, own: Own, PathId(id): PathId<UserId>) -> Answer {
    let caller = administrator(own)?;
    web.cx.reset_factors_of(id, &caller).await?;
    Ok(no_content())
}

/// Keep a user from signing in, and end their sessions and tokens.
#[utoipa::path(post, path = paths::ADMIN_USER_DISABLE, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 200, description = "The user as they are now", body = AdministeredBody)))]
pub(crate) async fn disable(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    own: Own,
    PathId(id): PathId<UserId>,
) -> Answer {
    let caller = administrator(own)?;
    let user = web.cx.set_disabled(id, true, &caller, &client).await?;
    Ok(private_json(StatusCode::OK, &AdministeredBody::from(&user)))
}

/// Let a user sign in again. If they were to be deleted, they are not any more.
#[utoipa::path(post, path = paths::ADMIN_USER_ENABLE, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 200, description = "The user as they are now", body = AdministeredBody)))]
pub(crate) async fn enable(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    own: Own,
    PathId(id): PathId<UserId>,
) -> Answer {
    let caller = administrator(own)?;
    let user = web.cx.set_disabled(id, false, &caller, &client).await?;
    Ok(private_json(StatusCode::OK, &AdministeredBody::from(&user)))
}

/// Delete a user at once, with all that is their own. Nothing undoes it.
#[utoipa::path(delete, path = paths::ADMIN_USER, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    own: Own,
    PathId(id): PathId<UserId>,
) -> Answer {
    let caller = administrator(own)?;
    web.cx.delete_user(id, By::Administrator(&caller, &client)).await?;
    Ok(no_content())
}
