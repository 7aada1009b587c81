//! `GET /`

use askama::Template;
use axum::extract::State;

use super::html::{PageAnswer, page};
use crate::paths;
use crate::state::Web;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    version: &'static str,
}

/// Where to go next.
#[utoipa::path(get, path = paths::HOME, tag = "pages", responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn home(State(web): State<Web>) -> PageAnswer {
    Ok(page(&Home { version: web.config.version })?)
}
