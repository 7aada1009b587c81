//! `GET /setup`: makes the first administrator. The only page with a script: its link's token stands behind the `#`,
//! which browsers send nowhere.

use askama::Template;
use axum::extract::State;

use super::html::{PageAnswer, page};
use crate::paths;
use crate::state::Web;

#[derive(Template)]
#[template(path = "setup.html")]
struct SetUp {
    min_length: u32,
}

/// The page behind the set-up link.
#[utoipa::path(get, path = paths::SET_UP_PAGE, tag = "pages", responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(State(web): State<Web>) -> PageAnswer {
    Ok(page(&SetUp { min_length: web.config.password_min_length })?)
}
