//! `/auth/passkeys`: the passkeys of the caller, and how one is registered.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::passkeys::{Added, Begun, NewPasskeyRequest, PasskeyError, PasskeyView};
use portcullis_app::tokens::Tokens;
use portcullis_core::ids::PasskeyId;
use portcullis_core::recovery_code::RecoveryCode;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::token_response::{TokenBody, with_cookies};
use super::{no_content, private_json};
use crate::extract::{Acting, ClientInfo, JsonBody, OwnFactorToo, PathId};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// A ceremony that has begun. It is good for five minutes and for one answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct CeremonyBody {
    /// Send it back with the answer, and show it to nobody else.
    ceremony: String,
    /// For `PublicKeyCredential.parseCreationOptionsFromJSON`, or `parseRequestOptionsFromJSON`.
    #[serde(rename = "publicKey")]
    public_key: Value,
}

/// A new passkey.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewPasskeyBody {
    /// What `register/start` gave out.
    ceremony: String,
    /// What `PublicKeyCredential.toJSON()` returns.
    credential: Value,
    /// 1 to 100 characters.
    name: Option<String>,
}

/// What a passkey is called.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasskeyName {
    /// 1 to 100 characters.
    name: String,
}

/// A passkey.
#[derive(Serialize, ToSchema)]
#[schema(as = Passkey)]
pub(crate) struct PasskeyBody {
    id: Uuid,
    name: String,
    /// It is kept elsewhere, too: in a password manager, say.
    backed_up: bool,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    last_used_at: Option<String>,
}

/// A passkey that was registered, and the tokens with which the session goes on.
#[derive(Serialize, ToSchema)]
pub(crate) struct AddedBody {
    passkey: PasskeyBody,
    /// To sign in with when the passkey is gone; the only time they are seen. Empty if the user has some left.
    recovery_codes: Vec<String>,
    #[serde(flatten)]
    tokens: TokenBody,
}

/// The passkeys of a user: never more than a page.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasskeyList {
    items: Vec<PasskeyBody>,
    next_cursor: Option<String>,
}

impl From<Begun> for CeremonyBody {
    fn from(begun: Begun) -> Self {
        Self { ceremony: begun.secret.expose().to_owned(), public_key: begun.options }
    }
}

impl From<PasskeyView> for PasskeyBody {
    fn from(passkey: PasskeyView) -> Self {
        Self {
            id: passkey.id.uuid(),
            name: passkey.name,
            backed_up: passkey.backed_up,
            created_at: passkey.created_at.to_string(),
            last_used_at: passkey.last_used_at.map(|at| at.to_string()),
        }
    }
}

/// 404: nobody can use passkeys here.
pub(super) fn unavailable() -> Failure {
    let detail = "Passkeys need a host name, and `server.public_url` names an address.";
    Failure::told(Code::NotFound, detail)
}

impl From<PasskeyError> for Failure {
    fn from(error: PasskeyError) -> Self {
        match error {
            PasskeyError::Unavailable => unavailable(),
            PasskeyError::Invalid(errors) => Self::fields(errors),
            PasskeyError::Fresh(error) => error.into(),
            PasskeyError::Refused(why) => Self::logged(Code::PasskeyRefused, why),
            PasskeyError::TooMany => Self::new(Code::TooManyPasskeys),
            PasskeyError::Taken => Self::new(Code::PasskeyTaken),
            PasskeyError::FactorRequired => Self::new(Code::FactorRequired),
            PasskeyError::LastWayIn => Self::new(Code::LastWayIn),
            PasskeyError::NotFound => Self::new(Code::NotFound),
            PasskeyError::SessionEnded => Self::logged(Code::InvalidToken, "the session has ended"),
            PasskeyError::Fault(fault) => fault.into(),
        }
    }
}

/// The caller's passkeys, oldest first.
#[utoipa::path(get, path = paths::PASSKEYS, tag = "passkeys", security(("bearer" = [])),
    responses((status = 200, description = "All of them", body = PasskeyList)))]
pub(crate) async fn list(State(web): State<Web>, Acting(caller): Acting) -> Answer {
    let passkeys = web.cx.list_passkeys(caller.user).await?;
    let items = passkeys.into_iter().map(PasskeyBody::from).collect();
    Ok(private_json(StatusCode::OK, &PasskeyList { items, next_cursor: None }))
}

/// Begin to register a passkey. Needs a sign-in within the last ten minutes.
#[utoipa::path(post, path = paths::PASSKEY_REGISTER_START, tag = "passkeys", security(("bearer" = [])),
    responses((status = 200, description = "What to ask the browser for", body = CeremonyBody)))]
pub(crate) async fn register_start(State(web): State<Web>, OwnFactorToo(caller): OwnFactorToo) -> Answer {
    let begun = web.cx.begin_passkey(&caller).await?;
    Ok(private_json(StatusCode::OK, &CeremonyBody::from(begun)))
}

/// Register the passkey that the browser has made. Access tokens that were out before end; this session goes on with new
/// tokens.
#[utoipa::path(post, path = paths::PASSKEY_REGISTER_FINISH, tag = "passkeys", request_body = NewPasskeyBody,
    security(("bearer" = [])),
    responses((status = 201, description = "The passkey, and new tokens", body = AddedBody)))]
pub(crate) async fn register_finish(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnFactorToo(caller): OwnFactorToo,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NewPasskeyBody>,
) -> Answer {
    let NewPasskeyBody { ceremony, credential, name } = body;
    let admitted = caller.admitted(&web, &headers).await;
    let request = NewPasskeyRequest { ceremony, credential, name };
    let Added { passkey, recovery_codes, tokens } = web.cx.add_passkey(&caller, request, &client).await?;
    let to = admitted.as_ref().map(|admitted| (&web, admitted));
    let recovery_codes = recovery_codes.iter().map(RecoveryCode::shown).collect();
    let made = |tokens: Tokens| {
        let body = AddedBody { passkey: passkey.into(), recovery_codes, tokens: tokens.into() };
        private_json(StatusCode::CREATED, &body)
    };
    Ok(with_cookies(tokens, to, made))
}

/// Name a passkey anew.
#[utoipa::path(patch, path = paths::PASSKEY, tag = "passkeys", params(("id" = Uuid, Path)),
    request_body = PasskeyName, security(("bearer" = [])),
    responses((status = 200, description = "The passkey as changed", body = PasskeyBody)))]
pub(crate) async fn rename(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnFactorToo(caller): OwnFactorToo,
    PathId(id): PathId<PasskeyId>,
    JsonBody(body): JsonBody<PasskeyName>,
) -> Answer {
    let passkey = web.cx.rename_passkey(id, caller.user, &body.name, &client).await?;
    Ok(private_json(StatusCode::OK, &PasskeyBody::from(passkey)))
}

/// Remove a passkey, if there is another way to sign in. Needs a sign-in within the last ten minutes. Access tokens that
/// were out before end: refresh.
#[utoipa::path(delete, path = paths::PASSKEY, tag = "passkeys", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Removed")))]
pub(crate) async fn remove(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnFactorToo(caller): OwnFactorToo,
    PathId(id): PathId<PasskeyId>,
) -> Answer {
    web.cx.remove_passkey(&caller, id, &client).await?;
    Ok(no_content())
}
