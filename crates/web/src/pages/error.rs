//! `/error?code=`: what went wrong, for people who were sent here. In our own words: a link says which, and nothing else.

use portcullis_edge::code::CODES;
use portcullis_edge::problem::Problem;
use serde::Deserialize;
use utoipa::IntoParams;

use super::html::{Link, Message, Notice, PageAnswer, message, page};
use crate::extract::QueryString;
use crate::failure::Failure;
use crate::paths;

/// What went wrong.
#[derive(Deserialize, IntoParams)]
pub(crate) struct ErrorQuery {
    /// One of the stable codes.
    code: Option<String>,
}

/// The page that says what went wrong.
#[utoipa::path(get, path = paths::ERROR_PAGE, tag = "pages", params(ErrorQuery),
    responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(query: Result<QueryString<ErrorQuery>, Failure>) -> PageAnswer {
    let QueryString(ErrorQuery { code }) = query?;
    let known = CODES.iter().find(|info| Some(info.name) == code.as_deref());
    let links = vec![Link::new("Sign in", paths::SIGN_IN_PAGE)];
    let notice = if let Some(info) = known {
        let Message { code, text } = message(&Problem::new(info.code), &http::HeaderMap::new());
        Notice { title: info.title, code: Some(code), text, links }
    } else {
        let text = "Please go back and try again.".to_owned();
        Notice { title: "Something went wrong", code: None, text, links }
    };
    Ok(page(&notice)?)
}
