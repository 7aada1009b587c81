//! `GET /health/live` and `/health/ready`

use axum::extract::State;
use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header::RETRY_AFTER;
use portcullis_app::doctor::{Check, Health};
use serde::Serialize;
use utoipa::ToSchema;

use super::private_json;
use crate::paths;
use crate::state::Web;

/// How the node is.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthBody {
    /// `ok` or `unavailable`.
    status: &'static str,
    /// Each check: `ok`, `warning` or `fault`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckBody>,
}

/// One check. What was seen is for the operator's eyes: see `portcullis doctor`.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckBody {
    name: &'static str,
    status: &'static str,
}

/// The process runs.
#[utoipa::path(get, path = paths::LIVE, tag = "health",
    responses((status = 200, description = "Runs", body = HealthBody)))]
pub(crate) async fn live() -> Response {
    private_json(StatusCode::OK, &HealthBody { status: "ok", checks: vec![] })
}

/// The node wants requests: store reachable, migrations current, keys loaded, clock right.
#[utoipa::path(get, path = paths::READY, tag = "health", responses(
    (status = 200, description = "Ready", body = HealthBody),
    (status = 503, description = "Not ready", body = HealthBody)))]
pub(crate) async fn ready(State(web): State<Web>) -> Response {
    if web.readiness.is_stopping() {
        return not_ready(vec![CheckBody { name: "shutdown", status: "fault" }]);
    }
    let checks = web.cx.readiness().await;
    let well = checks.iter().all(|check| check.health != Health::Fault);
    let checks = checks.iter().map(body).collect();
    if well { private_json(StatusCode::OK, &HealthBody { status: "ok", checks }) } else { not_ready(checks) }
}

fn body(check: &Check) -> CheckBody {
    let status = match check.health {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Fault => "fault",
    };
    CheckBody { name: check.name, status }
}

fn not_ready(checks: Vec<CheckBody>) -> Response {
    let body = HealthBody { status: "unavailable", checks };
    let mut response = private_json(StatusCode::SERVICE_UNAVAILABLE, &body);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
