//! `POST /oauth/introspect` (RFC 7662)

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use portcullis_app::oauth::Introspected;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::Parameters;
use super::credentials::credentials;
use super::failure::{ErrorBody, OAuthFailure};
use super::{answer, given};
use crate::extract::ClientInfo;
use crate::failure::Failure;
use crate::paths;
use crate::state::Web;

/// Which token.
#[derive(Deserialize, ToSchema)]
pub(crate) struct IntrospectionRequest {
    /// An access token or an API token.
    #[serde(default, deserialize_with = "given")]
    token: Option<String>,
    /// Read and not needed: the form of the token tells what it is.
    #[serde(default, deserialize_with = "given")]
    #[expect(dead_code, reason = "it is part of the request, and must stand there once")]
    token_type_hint: Option<String>,
    #[serde(default, deserialize_with = "given")]
    client_id: Option<String>,
    /// Unless the client authenticates by `Authorization: Basic`.
    #[serde(default, deserialize_with = "given")]
    client_secret: Option<String>,
}

/// What the token says; nothing but `active` if that is `false`.
#[derive(Serialize, ToSchema)]
#[schema(as = Introspection)]
pub(crate) struct IntrospectionBody {
    active: bool,
    /// Always `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// The claims of the access token, or what one of this API token would claim: `iss`, `sub`, `aud`, `exp`,
    /// `sid`, `gen`, `role`, `client_id` and, where they apply, `scope`, `iat`, `nbf`, `jti`, `account`,
    /// `account_role`, `act`, `bot`, `read_only`, `pwd_change`, `amr`, `auth_time`, and the operator's own.
    #[serde(flatten)]
    claims: Map<String, Value>,
}

impl IntrospectionBody {
    fn inactive() -> Self {
        Self { active: false, token_type: None, claims: Map::new() }
    }
}

impl TryFrom<Introspected> for IntrospectionBody {
    type Error = OAuthFailure;

    fn try_from(found: Introspected) -> Result<Self, OAuthFailure> {
        let Ok(Value::Object(mut claims)) = serde_json::to_value(&found.claims) else {
            return Err(Failure::logged(Code::InternalError, "claims do not serialise").into());
        };
        // Claims of the operator's must not say what the answer itself says.
        let mut hidden = vec!["active", "token_type"];
        if found.is_api_token {
            hidden.extend(["jti", "iat", "nbf"]);
        }
        for name in hidden {
            claims.remove(name);
        }
        Ok(Self { active: true, token_type: Some("Bearer"), claims })
    }
}

/// Tell a client whether a token is good, and what it says.
#[utoipa::path(post, path = paths::OAUTH_INTROSPECT, tag = "OAuth", security(("client" = [])),
    request_body(content((IntrospectionRequest = "application/x-www-form-urlencoded"),
        (IntrospectionRequest = "application/json"))),
    responses((status = 200, description = "What the token says", body = IntrospectionBody),
        (status = 401, description = "No client, or not the right secret", body = ErrorBody)))]
pub(crate) async fn introspect(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    Parameters(request): Parameters<IntrospectionRequest>,
) -> Result<Response, OAuthFailure> {
    let credentials = credentials(&headers, request.client_id, request.client_secret)?;
    // Who is no client learns nothing, not even what is missing.
    let token = request.token.as_deref();
    let found = web.cx.introspect(token.unwrap_or_default(), &credentials, &client).await?;
    if token.is_none() {
        return Err(OAuthFailure::request("token is missing."));
    }
    let body = found.map_or_else(|| Ok(IntrospectionBody::inactive()), IntrospectionBody::try_from)?;
    Ok(answer(&body))
}
