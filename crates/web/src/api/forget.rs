//! Taking cookies away from a browser whose session has ended.

use axum::response::Response;

use super::csrf::carry;
use crate::extract::Admitted;
use crate::failure::Failure;
use crate::state::Web;

/// Takes away the cookies of the session that the browser uses: while acting as another user, of that one, so that
/// the administrator's own is the next.
pub(crate) fn forget_dead(web: &Web, response: &mut Response, admitted: &Admitted) -> Result<(), Failure> {
    let brought = admitted.brought();
    if brought.acting.is_empty() {
        web.cookies.clear_all(response.headers_mut(), brought);
        return Ok(());
    }
    web.cookies.clear_acting(response.headers_mut(), brought);
    carry(web, response, admitted.own_session())
}

/// Takes away all of them: whoever used this browser has signed out.
pub(crate) fn forget_all(web: &Web, response: &mut Response, admitted: &Admitted) {
    web.cookies.clear_all(response.headers_mut(), admitted.brought());
}
