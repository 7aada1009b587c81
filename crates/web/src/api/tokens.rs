//! `/auth/tokens`: API tokens, made by a session or by password, seen once.

use axum::extract::{FromRequestParts, State};
use http::StatusCode;
use http::request::Parts;
use portcullis_app::api_tokens::{
    ApiTokenView, ByPassword, ByPasswordError, NewToken, Page, TokenChange, TokenError, TokenRequest,
};
use portcullis_app::bearer::{Caller, Credential};
use portcullis_app::me::Change;
use portcullis_app::sessions::MAX_PAGE;
use portcullis_app::show_factor::Showing;
use portcullis_core::factor::Method;
use portcullis_core::ids::ApiTokenId;
use portcullis_core::password::Password;
use portcullis_core::scope::Scopes;
use portcullis_core::secret_token::Kind;
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::login::one_name;
use super::me::sent;
use super::page::{PageQuery, next_cursor, page};
use super::second_factor::method_names;
use super::{no_content, private_json, public_json};
use crate::extract::{Acting, ClientInfo, JsonBody, Own, PathId, QueryString};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// What to make; with `password` and one of `email`, `username` and `login` no other proof is needed, and
/// `Authorization` is ignored.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TokenCreate {
    /// 1 to 100 characters.
    name: String,
    /// Up to 500 characters.
    description: Option<String>,
    /// 1 to 365; absent or `null`: 90.
    expires_in_days: Option<i64>,
    /// Absent or `null`: whatever the user may.
    scopes: Option<Vec<String>>,
    email: Option<String>,
    username: Option<String>,
    /// An e-mail address or a user name.
    login: Option<String>,
    password: Option<String>,
    /// With a password, of whoever has a second factor: `totp` or `recovery_code`.
    method: Option<String>,
    /// The code of that.
    code: Option<String>,
}

/// What to change: absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TokenPatch {
    name: Option<String>,
    /// `null` clears.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    description: Change,
    /// Only fewer than before.
    scopes: Option<Vec<String>>,
}

/// A token as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub(crate) struct TokenBody {
    id: Uuid,
    name: String,
    description: Option<String>,
    /// The first 8 characters behind `pct_`.
    key_prefix: String,
    /// `null`: whatever the user may.
    scopes: Option<Vec<String>>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339; expired from then on.
    expires_at: String,
    /// RFC 3339, to within five minutes.
    last_used_at: Option<String>,
}

/// A new token: the only time it is seen.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiToken)]
pub(crate) struct NewTokenBody {
    token: String,
    #[serde(flatten)]
    view: TokenBody,
}

/// A page of tokens, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiTokenPage)]
pub(crate) struct TokenPage {
    items: Vec<TokenBody>,
    next_cursor: Option<String>,
}

/// What a scanner of source code finds API tokens by.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScanningPattern {
    /// A regular expression.
    pattern: String,
    /// What every API token starts with.
    prefix: &'static str,
    /// The last 6 characters are the CRC-32 (ISO-HDLC) of the 44 before them, in base62 of `0-9A-Za-z`.
    checksum: &'static str,
}

impl From<ApiTokenView> for TokenBody {
    fn from(view: ApiTokenView) -> Self {
        let list = |scopes: Scopes| scopes.iter().map(str::to_owned).collect();
        Self {
            id: view.id.uuid(),
            name: view.name,
            description: view.description,
            key_prefix: view.key_prefix,
            scopes: view.scopes.map(list),
            created_at: view.created_at.to_string(),
            expires_at: view.expires_at.to_string(),
            last_used_at: view.last_used_at.map(|at| at.to_string()),
        }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid(errors) => Self::fields(errors),
            TokenError::TooMany => Self::new(Code::TooManyTokens),
            TokenError::Moved => Self::logged(Code::InvalidToken, "the user has changed meanwhile"),
            TokenError::NotFound => Self::new(Code::NotFound),
            TokenError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ByPasswordError> for Failure {
    fn from(error: ByPasswordError) -> Self {
        match error {
            ByPasswordError::InvalidCredentials(why) => Self::logged(Code::InvalidCredentials, why),
            ByPasswordError::EmailNotVerified => Self::new(Code::EmailNotVerified),
            ByPasswordError::FactorOwed(methods) => factor_owed(&methods),
            ByPasswordError::WrongCode(why) => Self::logged(Code::WrongCode, why),
            ByPasswordError::MustChangePassword => Self::new(Code::PasswordChangeRequired),
            ByPasswordError::MustSetUpFactor => Self::new(Code::FactorSetupRequired),
            ByPasswordError::Limited(limited) => limited.into(),
            ByPasswordError::Token(error) => error.into(),
        }
    }
}

/// 403: a second factor, in the same request. There is no challenge for another.
fn factor_owed(methods: &[Method]) -> Failure {
    let detail = if methods.is_empty() {
        "Your second factor is a passkey, which cannot be sent along with a password. Sign in with it, and make the \
         token in that session."
    } else {
        "Send `method` and `code` of your second factor along with the password."
    };
    Problem::new(Code::SecondFactorRequired).detail(detail).extra("methods", method_names(methods)).into()
}

/// The factor that comes along with a password.
fn factor(method: String, code: Option<String>) -> Result<Showing, Failure> {
    if method == Method::Passkey.as_str() {
        let message = "Use `totp` or `recovery_code`: a passkey cannot be sent along with a password.";
        return Err(Failure::field("method", "unsupported", message));
    }
    Ok(Showing { method, code, passkey: None })
}

fn created(made: &NewToken) -> axum::response::Response {
    let body = NewTokenBody { token: made.secret.expose().to_owned(), view: made.view.clone().into() };
    private_json(StatusCode::CREATED, &body)
}

/// Make an API token: by the bearer of a session, or by password.
#[utoipa::path(post, path = paths::TOKENS, tag = "API tokens", request_body = TokenCreate,
    security((), ("bearer" = [])), responses((status = 201, description = "The token, once", body = NewTokenBody)))]
pub(crate) async fn create(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    mut parts: Parts,
    JsonBody(body): JsonBody<TokenCreate>,
) -> Answer {
    let TokenCreate { name, description, expires_in_days, scopes, email, username, login, password, .. } =
        body;
    let request = TokenRequest { name, description, expires_in_days, scopes };
    let made = if let Some(password) = password {
        let login = one_name([&email, &username, &login])?;
        let factor = body.method.map(|method| factor(method, body.code)).transpose()?;
        let who = ByPassword { login, password: Password::presented(&password), factor };
        web.cx.create_token_by_password(who, request, &client).await?
    } else {
        let Own(caller) = Own::from_request_parts(&mut parts, &web).await?;
        web.cx.create_token(caller.user, caller.session(), request, &client).await?
    };
    Ok(created(&made))
}

/// The user's live API tokens.
#[utoipa::path(get, path = paths::TOKENS, tag = "API tokens", params(PageQuery), security(("bearer" = [])),
    responses((status = 200, description = "A page of tokens", body = TokenPage)))]
pub(crate) async fn list(
    State(web): State<Web>,
    Acting(caller): Acting,
    QueryString(query): QueryString<PageQuery>,
) -> Answer {
    let (before, limit) = page::<ApiTokenId>(&query, MAX_PAGE)?;
    let found = web.cx.list_tokens(caller.user, Page { before, limit }).await?;
    let next_cursor = next_cursor(&found, limit, |last| last.id);
    let items = found.into_iter().map(TokenBody::from).collect();
    Ok(private_json(StatusCode::OK, &TokenPage { items, next_cursor }))
}

/// Change the name or description of an API token, or narrow its scopes.
#[utoipa::path(patch, path = paths::TOKEN, tag = "API tokens", params(("id" = Uuid, Path)),
    request_body = TokenPatch, security(("bearer" = [])),
    responses((status = 200, description = "The token as changed", body = TokenBody)))]
pub(crate) async fn update(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<ApiTokenId>,
    JsonBody(body): JsonBody<TokenPatch>,
) -> Answer {
    let TokenPatch { name, description, scopes } = body;
    let change = TokenChange { name, description, scopes };
    let view = web.cx.update_token(id, caller.user, &change, &client).await?;
    Ok(private_json(StatusCode::OK, &TokenBody::from(view)))
}

/// Revoke an API token, and what was exchanged for it.
#[utoipa::path(delete, path = paths::TOKEN, tag = "API tokens", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Revoked")))]
pub(crate) async fn revoke(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    PathId(id): PathId<ApiTokenId>,
) -> Answer {
    if web.cx.revoke_token(id, caller.user, &client).await? {
        Ok(no_content())
    } else {
        Err(Failure::new(Code::NotFound))
    }
}

/// The API token that a request presents.
fn presented(caller: &Caller) -> Result<ApiTokenId, Failure> {
    match &caller.credential {
        Credential::ApiToken(token) => Ok(token.id()),
        _ => Err(Failure::told(Code::NotFound, "This request does not present an API token.")),
    }
}

/// The API token that asks.
#[utoipa::path(get, path = paths::TOKEN_CURRENT, tag = "API tokens", security(("bearer" = [])),
    responses((status = 200, description = "The token", body = TokenBody)))]
pub(crate) async fn current(State(web): State<Web>, Acting(caller): Acting) -> Answer {
    let view = web.cx.token(presented(&caller)?, caller.user).await?;
    let view = view.ok_or_else(|| Failure::logged(Code::InvalidToken, "revoked meanwhile"))?;
    Ok(private_json(StatusCode::OK, &TokenBody::from(view)))
}

/// Revoke the API token that asks, and only it.
#[utoipa::path(delete, path = paths::TOKEN_CURRENT, tag = "API tokens", security(("bearer" = [])),
    responses((status = 204, description = "Revoked")))]
pub(crate) async fn revoke_current(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Acting(caller): Acting,
) -> Answer {
    web.cx.revoke_token(presented(&caller)?, caller.user, &client).await?;
    Ok(no_content())
}

/// What a scanner of source code finds API tokens by.
#[utoipa::path(get, path = paths::TOKEN_PATTERN, tag = "API tokens",
    responses((status = 200, description = "The pattern", body = ScanningPattern)))]
pub(crate) async fn pattern() -> Answer {
    let kind = Kind::ApiToken;
    let body = ScanningPattern { pattern: kind.pattern(), prefix: kind.prefix(), checksum: "crc32-base62" };
    Ok(public_json(&body, 86_400))
}
