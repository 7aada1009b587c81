//! Our pages: plain, without a line of script in them; scripts are files of ours (CSP `script-src 'self'`).

use askama::Template;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use portcullis_edge::code::{CODES, Code, CodeInfo};
use serde_json::Value;

use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    version: &'static str,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetUp {
    min_length: u32,
}

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

fn page(template: &impl Template) -> Answer {
    let html = template.render().map_err(|error| Failure::logged(Code::InternalError, error.to_string()))?;
    let mut response = Response::new(Body::from(html));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Where to go next.
#[utoipa::path(get, path = paths::HOME, tag = "pages", responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn home(State(web): State<Web>) -> Answer {
    page(&Home { version: web.config.version })
}

/// The page behind the set-up link.
#[utoipa::path(get, path = paths::SET_UP_PAGE, tag = "pages", responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn set_up(State(web): State<Web>) -> Answer {
    page(&SetUp { min_length: web.config.password_min_length })
}

/// All error codes.
#[utoipa::path(get, path = paths::DOCS_PROBLEMS, tag = "docs", responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn problems() -> Answer {
    page(&Problems { codes: CODES })
}

/// The API for people, made of the `OpenAPI` document.
#[utoipa::path(get, path = paths::DOCS, tag = "docs", responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn docs(State(web): State<Web>) -> Answer {
    let document: Value = serde_json::from_slice(&web.openapi)
        .map_err(|error| Failure::logged(Code::InternalError, error.to_string()))?;
    page(&Docs { operations: operations(&document) })
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

/// Scripts and styles of our pages.
#[utoipa::path(get, path = paths::ASSET, tag = "pages", params(("name" = String, Path)),
    responses((status = 200, description = "A file")))]
pub(crate) async fn asset(name: Result<Path<String>, PathRejection>) -> Response {
    // A name that is no text names nothing.
    let name = name.map_or_else(|_| String::new(), |Path(name)| name);
    let (kind, text) = match name.as_str() {
        "portcullis.css" => ("text/css; charset=utf-8", include_str!("../../assets/portcullis.css")),
        "setup.js" => ("text/javascript; charset=utf-8", include_str!("../../assets/setup.js")),
        _ => return Failure::new(Code::NotFound).into_response(),
    };
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
