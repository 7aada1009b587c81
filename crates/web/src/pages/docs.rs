//! `GET /docs`, `GET /docs/problems`: the API for people.

use askama::Template;
use axum::extract::State;
use portcullis_edge::code::{CODES, Code, CodeInfo};
use serde_json::Value;

use super::html::{PageAnswer, page};
use crate::failure::Failure;
use crate::paths;
use crate::state::Web;

#[derive(Template)]
#[template(path = "problems.html")]
struct Problems {
    codes: &'static [CodeInfo],
}

#[derive(Template)]
#[template(path = "docs.html")]
struct Docs {
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: String,
    summary: String,
    security: &'static str,
}

/// All error codes.
#[utoipa::path(get, path = paths::DOCS_PROBLEMS, tag = "docs", responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn problems() -> PageAnswer {
    Ok(page(&Problems { codes: CODES })?)
}

/// The API for people, made of the `OpenAPI` document.
#[utoipa::path(get, path = paths::DOCS, tag = "docs", responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn docs(State(web): State<Web>) -> PageAnswer {
    let document: Value = serde_json::from_slice(&web.openapi)
        .map_err(|error| Failure::logged(Code::InternalError, error.to_string()))?;
    Ok(page(&Docs { operations: operations(&document) })?)
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let each = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().cloned().unwrap_or_default();
        let path = path.clone();
        let operation = move |(method, operation): (String, Value)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            summary: operation["summary"].as_str().unwrap_or_default().to_owned(),
            security: needs(&operation["security"]),
        };
        methods.into_iter().map(operation).collect::<Vec<_>>()
    };
    paths.flat_map(each).collect()
}

/// What an operation may be authenticated by.
fn needs(security: &Value) -> &'static str {
    let schemes = security.as_array().into_iter().flatten();
    match schemes.flat_map(|one| one.as_object().into_iter().flatten()).next() {
        None => "",
        Some((scheme, _)) if scheme == "client" => "client",
        Some((scheme, _)) if scheme == "refresh_cookie" => "refresh token",
        Some(_) => "bearer",
    }
}
