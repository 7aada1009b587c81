//! `GET /.well-known/oauth-authorization-server` (RFC 8414): what is there, and nothing that is not.
//!
//! There is no authorization endpoint, so `response_types_supported` would be empty, and empty lists are left out
//! (§3.2).

use axum::extract::State;
use axum::response::Response;
use portcullis_core::client::GrantType;
use serde::Serialize;
use utoipa::ToSchema;

use super::public_json;
use crate::oauth::token::REFRESH_GRANT;
use crate::paths;
use crate::state::Web;

const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";

/// Metadata.
#[derive(Serialize, ToSchema)]
#[schema(as = Metadata)]
pub(crate) struct MetadataBody {
    issuer: String,
    jwks_uri: String,
    token_endpoint: String,
    token_endpoint_auth_methods_supported: [&'static str; 3],
    grant_types_supported: [&'static str; 3],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    portcullis_revocations_endpoint: String,
    service_documentation: String,
}

/// The issuer, where its keys and endpoints are, and what they take.
#[utoipa::path(get, path = paths::METADATA, tag = "other services",
    responses((status = 200, description = "The metadata", body = MetadataBody)))]
pub(crate) async fn metadata(State(web): State<Web>) -> Response {
    let base = web.config.public_url.as_str().trim_end_matches('/');
    let body = MetadataBody {
        issuer: web.cx.settings.issuer.clone(),
        jwks_uri: format!("{base}{}", paths::JWKS),
        token_endpoint: format!("{base}{}", paths::OAUTH_TOKEN),
        token_endpoint_auth_methods_supported: [BASIC, POST, "none"],
        grant_types_supported: [
            REFRESH_GRANT,
            GrantType::ClientCredentials.as_str(),
            GrantType::TokenExchange.as_str(),
        ],
        introspection_endpoint: format!("{base}{}", paths::OAUTH_INTROSPECT),
        introspection_endpoint_auth_methods_supported: [BASIC, POST],
        revocation_endpoint: format!("{base}{}", paths::OAUTH_REVOKE),
        revocation_endpoint_auth_methods_supported: [BASIC, POST, "none"],
        portcullis_revocations_endpoint: format!("{base}{}", paths::REVOCATIONS),
        service_documentation: format!("{base}{}", paths::DOCS),
    };
    public_json(&body, 300)
}
