//! `GET /.well-known/oauth-authorization-server` (RFC 8414): what is there, and nothing that is not.
//!
//! There is no authorization endpoint and no token endpoint, so their lists are empty, and empty lists are left
//! out (§3.2).

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::public_json;
use crate::paths;
use crate::state::Web;

/// Metadata.
#[derive(Serialize, ToSchema)]
#[schema(as = Metadata)]
pub(crate) struct MetadataBody {
    issuer: String,
    jwks_uri: String,
    portcullis_revocations_endpoint: String,
    service_documentation: String,
}

/// The issuer and where its keys are.
#[utoipa::path(get, path = paths::METADATA, tag = "other services",
    responses((status = 200, description = "The metadata", body = MetadataBody)))]
pub(crate) async fn metadata(State(web): State<Web>) -> Response {
    let base = web.config.public_url.as_str().trim_end_matches('/');
    let body = MetadataBody {
        issuer: web.cx.settings.issuer.clone(),
        jwks_uri: format!("{base}{}", paths::JWKS),
        portcullis_revocations_endpoint: format!("{base}{}", paths::REVOCATIONS),
        service_documentation: format!("{base}{}", paths::DOCS),
    };
    public_json(&body, 300)
}
