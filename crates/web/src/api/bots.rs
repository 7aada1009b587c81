//! `/auth/bots`: the bots of the caller.

use axum::extract::State;
use http::StatusCode;
use portcullis_app::bots::BotError;
use portcullis_core::ids::UserId;
use portcullis_core::user::User;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::token_response::{TokenBody, in_body};
use super::{login, no_content, private_json};
use crate::extract::{Acting, ClientInfo, JsonBody, OptionalJson, Own, PathId};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// What a bot is called.
#[derive(Deserialize, ToSchema)]
pub(crate) struct BotName {
    /// 1 to 100 characters.
    name: String,
}

/// Which tokens.
#[derive(Deserialize, ToSchema)]
pub(crate) struct BotTokens {
    /// Only for this audience; absent: for all.
    audience: Option<String>,
}

/// A bot.
#[derive(Serialize, ToSchema)]
#[schema(as = Bot)]
pub(crate) struct BotBody {
    id: Uuid,
    name: Option<String>,
    role: String,
    owner_id: Option<Uuid>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    last_login_at: Option<String>,
}

/// The bots of a user: never more than a page.
#[derive(Serialize, ToSchema)]
pub(crate) struct BotList {
    items: Vec<BotBody>,
    next_cursor: Option<String>,
}

impl From<User> for BotBody {
    fn from(bot: User) -> Self {
        Self {
            id: bot.id.uuid(),
            name: bot.profile.name,
            role: bot.role.as_str().to_owned(),
            owner_id: bot.owner.map(UserId::uuid),
            created_at: bot.created_at.to_string(),
            last_login_at: bot.last_login_at.map(|at| at.to_string()),
        }
    }
}

impl From<BotError> for Failure {
    fn from(error: BotError) -> Self {
        match error {
            BotError::Invalid(errors) => Self::fields(errors),
            BotError::TooMany => Self::new(Code::TooManyBots),
            BotError::NotFound => Self::new(Code::NotFound),
            BotError::SessionEnded => Self::logged(Code::InvalidToken, "the session has ended"),
            BotError::UnknownAudience => login::unknown_audience(),
            BotError::Fault(fault) => fault.into(),
        }
    }
}

/// Make a bot.
#[utoipa::path(post, path = paths::BOTS, tag = "bots", request_body = BotName, security(("bearer" = [])),
    responses((status = 201, description = "The bot", body = BotBody)))]
pub(crate) async fn create(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    JsonBody(body): JsonBody<BotName>,
) -> Answer {
    let bot = web.cx.create_bot(&caller, &body.name, &client).await?;
    Ok(private_json(StatusCode::CREATED, &BotBody::from(bot)))
}

/// The caller's bots.
#[utoipa::path(get, path = paths::BOTS, tag = "bots", security(("bearer" = [])),
    responses((status = 200, description = "All of them", body = BotList)))]
pub(crate) async fn list(State(web): State<Web>, Acting(caller): Acting) -> Answer {
    let bots = web.cx.list_bots(caller.user).await?;
    let items = bots.into_iter().map(BotBody::from).collect();
    Ok(private_json(StatusCode::OK, &BotList { items, next_cursor: None }))
}

/// Name a bot anew.
#[utoipa::path(patch, path = paths::BOT, tag = "bots", params(("id" = Uuid, Path)), request_body = BotName,
    security(("bearer" = [])), responses((status = 200, description = "The bot as changed", body = BotBody)))]
pub(crate) async fn update(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<UserId>,
    JsonBody(body): JsonBody<BotName>,
) -> Answer {
    let bot = web.cx.rename_bot(id, caller.user, &body.name, &client).await?;
    Ok(private_json(StatusCode::OK, &BotBody::from(bot)))
}

/// Delete a bot: its sessions and tokens end.
#[utoipa::path(delete, path = paths::BOT, tag = "bots", params(("id" = Uuid, Path)), security(("bearer" = [])),
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<UserId>,
) -> Answer {
    if web.cx.delete_bot(id, caller.user, &client).await? {
        Ok(no_content())
    } else {
        Err(Failure::new(Code::NotFound))
    }
}

/// Sign in as a bot: a session of its own, with the caller as its actor.
#[utoipa::path(post, path = paths::BOT_TOKENS, tag = "bots", params(("id" = Uuid, Path)),
    request_body = Option<BotTokens>, security(("bearer" = [])),
    responses((status = 200, description = "Tokens of the bot", body = TokenBody)))]
pub(crate) async fn tokens(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<UserId>,
    OptionalJson(body): OptionalJson<BotTokens>,
) -> Answer {
    let audience = body.and_then(|body| body.audience);
    let tokens = web.cx.bot_tokens(id, &caller, audience.as_deref(), &client).await?;
    Ok(in_body(StatusCode::OK, tokens))
}
