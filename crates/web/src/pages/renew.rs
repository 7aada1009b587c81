//! `GET /auth/renew`: no page, but the way back to one where `cookies.path` keeps the refresh token's cookie from pages.
//!
//! 1. `/sign-in` sends whose access token ran out here, once, if the refresh token's cookie may have been kept from it.
//! 2. The cookie gets here, the tokens are renewed as on any page, and the way goes back to `/sign-in`, which goes on as
//!    if nothing had been.
//! 3. Without success it goes back with `renewed=no`, so that nobody goes round in circles.

use super::html::{PageAnswer, see_other};
use super::opened::{Opened, PageQuery};
use super::visit::Visit;
use crate::paths;

/// Renews the tokens of whoever opened a page, and goes back to it.
#[utoipa::path(get, path = paths::RENEW, tag = "pages", params(PageQuery),
    responses((status = 303, description = "Back to the sign-in page")))]
pub(crate) async fn renew(opened: Opened) -> PageAnswer {
    let visit = Visit::of(&opened).await?;
    let back = opened.onward(paths::SIGN_IN_PAGE, visit.user.is_none());
    visit.answer(see_other(&back))
}
