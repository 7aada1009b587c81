//! `/admin/api/clients`: service clients, made and revoked by administrators.

use axum::extract::State;
use http::StatusCode;
use portcullis_app::clients::{By, ClientError, ClientRequest};
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::client::ServiceClient;
use portcullis_core::ids::ClientId;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::{PageQuery, next_cursor, page};
use super::{no_content, private_json};
use crate::extract::{ClientInfo, JsonBody, Known, Own, PathId, QueryString};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// A client to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ClientCreate {
    /// 1 to 100 characters.
    name: String,
    /// `client_credentials`, `urn:ietf:params:oauth:grant-type:token-exchange`; none for one that only introspects.
    #[serde(default)]
    grant_types: Vec<String>,
    /// The scopes that it may ask for in its own name.
    #[serde(default)]
    scopes: Vec<String>,
    /// The audiences that it serves, each one of `tokens.audience`; absent: all.
    audience: Option<Vec<String>>,
}

/// A client.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceClient)]
pub(crate) struct ClientBody {
    client_id: Uuid,
    name: String,
    grant_types: Vec<&'static str>,
    scopes: Vec<String>,
    /// `null`: all of the installation's.
    audience: Option<Vec<String>>,
    /// RFC 3339.
    created_at: String,
}

/// A new client: the only time its secret is seen.
#[derive(Serialize, ToSchema)]
#[schema(as = NewServiceClient)]
pub(crate) struct NewClientBody {
    client_secret: String,
    #[serde(flatten)]
    client: ClientBody,
}

/// A page of clients, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceClientPage)]
pub(crate) struct ClientPage {
    items: Vec<ClientBody>,
    next_cursor: Option<String>,
}

impl From<&ServiceClient> for ClientBody {
    fn from(client: &ServiceClient) -> Self {
        Self {
            client_id: client.id.uuid(),
            name: client.name.clone(),
            grant_types: client.grant_types.iter().collect(),
            scopes: client.scopes.iter().map(str::to_owned).collect(),
            audience: client.audiences.clone(),
            created_at: client.created_at.to_string(),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Invalid(errors) => Self::fields(errors),
            ClientError::Moved => Self::logged(Code::InvalidToken, "the administrator has changed meanwhile"),
            ClientError::Fault(fault) => fault.into(),
        }
    }
}

/// An administrator in a session of their own.
pub(crate) fn administrator(Own(caller): Own) -> Result<Known, Failure> {
    if caller.role.is_admin() { Ok(caller) } else { Err(Failure::new(Code::Forbidden)) }
}

/// Make a service client.
#[utoipa::path(post, path = paths::ADMIN_CLIENTS, tag = "administration", request_body = ClientCreate,
    security(("bearer" = [])),
    responses((status = 201, description = "The client, with its secret, once", body = NewClientBody)))]
pub(crate) async fn create(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    own: Own,
    JsonBody(body): JsonBody<ClientCreate>,
) -> Answer {
    let caller = administrator(own)?;
    let ClientCreate { name, grant_types, scopes, audience } = body;
    let request = ClientRequest { name, grant_types, scopes, audience };
    let made = web.cx.create_client(request, By::Administrator(&caller, &client)).await?;
    let client_secret = made.secret.expose().to_owned();
    let body = NewClientBody { client_secret, client: ClientBody::from(&made.client) };
    Ok(private_json(StatusCode::CREATED, &body))
}

/// Service clients that are not revoked.
#[utoipa::path(get, path = paths::ADMIN_CLIENTS, tag = "administration", params(PageQuery),
    security(("bearer" = [])), responses((status = 200, description = "A page of clients", body = ClientPage)))]
pub(crate) async fn list(
    State(web): State<Web>,
    own: Own,
    QueryString(query): QueryString<PageQuery>,
) -> Answer {
    administrator(own)?;
    let (before, limit) = page::<ClientId>(&query, MAX_PAGE)?;
    let found = web.cx.list_clients(before, limit).await?;
    let next_cursor = next_cursor(&found, limit, |last| last.id);
    let items = found.iter().map(ClientBody::from).collect();
    Ok(private_json(StatusCode::OK, &ClientPage { items, next_cursor }))
}

/// Revoke a service client, and the access tokens it has got.
#[utoipa::path(delete, path = paths::ADMIN_CLIENT, tag = "administration", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Revoked")))]
pub(crate) async fn revoke(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    own: Own,
    PathId(id): PathId<ClientId>,
) -> Answer {
    let caller = administrator(own)?;
    if web.cx.revoke_client(id, By::Administrator(&caller, &client)).await? {
        Ok(no_content())
    } else {
        Err(Failure::new(Code::NotFound))
    }
}
