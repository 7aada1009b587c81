//! Who opens a page, or presses a button on it: by cookie alone.
//!
//! 1. The access token is good: that is all.
//! 2. It is no good any more, and the refresh token came beside it: that is exchanged for its successor right here
//!    (RFC 9700 section 4.14.2), and the page is shown to whom it belongs. This is also how somebody whose `pc_access`
//!    ran out gets back to a site behind forward-auth, without being asked and without a script.
//! 3. The session is over: its cookies go, and nobody is signed in. By a fault of ours they never go.
//!
//! Step 2 changes something in answer to a `GET`, and that is meant. Nothing else brings a browser without scripts
//! back in one go: a button in between would have to be pressed every quarter of an hour. It does no harm: the browser
//! gets the successor of what it holds, nobody else gets anything, and another site can cause nothing but a rotation
//! more (frames and images do not count as opening a page). Two tabs at once get the same successor, and so does one
//! that lost the answer and asks again within `tokens.refresh_grace`. `HEAD` never rotates.

use std::sync::Arc;

use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, Method};
use portcullis_app::bearer::{BearerError, Caller};
use portcullis_app::refresh::{RefreshError, RefreshRequest};
use portcullis_core::ids::SessionId;
use portcullis_core::session::Delivery;

use super::html::{PageAnswer, Refused};
use super::opened::Opened;
use crate::api::forget::forget_dead;
use crate::api::refresh::is_dead;
use crate::api::token_response::cookies_of;
use crate::extract::{Admitted, visitor};
use crate::failure::Answer;

/// Somebody in front of a page.
#[derive(Default)]
pub(super) struct Visit {
    /// Who it is; `None`: nobody.
    pub(super) user: Option<Arc<Caller>>,
    /// Acting as another user is over, and the browser has a session of their own left that was not looked at yet.
    pub(super) was_acting: bool,
    /// The access token is no good any more, and the refresh token that belongs to it was not sent here.
    pub(super) may_be_renewed_elsewhere: bool,
    /// The session whose CSRF token the page's forms carry.
    session: Option<SessionId>,
    /// What the answer sets and takes away.
    cookies: HeaderMap,
}

impl Visit {
    /// Who opens the page.
    pub(super) async fn of(opened: &Opened) -> Result<Self, Refused> {
        let browser = opened.browser();
        let user = visitor(&opened.web, &opened.headers).await?;
        if !is_whole(user.as_ref())
            && opened.method == Method::GET
            && let Some(admitted) = browser.admit_opening().await?
        {
            return Self::renewed(opened, &admitted).await;
        }
        let session = browser.page_session().await?;
        let narrow = opened.web.config.cookie_path != "/" && opened.method == Method::GET;
        let may_be_renewed_elsewhere = narrow && user.is_none() && session.is_some();
        Ok(Self { user, may_be_renewed_elsewhere, session, ..Self::default() })
    }

    /// Who presses the button, with proof that they did: [`Opened::browser`] is held to both CSRF rules.
    pub(super) async fn pressing(opened: &Opened, csrf_token: &str) -> Result<(Self, Admitted), Refused> {
        let browser = opened.browser();
        let admitted = browser.admit_button(csrf_token).await?;
        let user = visitor(&opened.web, &opened.headers).await?;
        if !is_whole(user.as_ref()) && admitted.brought().in_use().is_whole() {
            return Ok((Self::renewed(opened, &admitted).await?, admitted));
        }
        Ok((Self { user, session: browser.page_session().await?, ..Self::default() }, admitted))
    }

    /// Steps 2 and 3.
    async fn renewed(opened: &Opened, admitted: &Admitted) -> Result<Self, Refused> {
        let web = &opened.web;
        let Some((token, carrier)) = admitted.in_use() else { return Ok(Self::default()) };
        // What changes credentials takes no token that is for others, too.
        let audience = Some(web.cx.settings.issuer.clone());
        let request = RefreshRequest { token: token.to_owned(), carrier, audience };
        let tokens = match web.cx.refresh(request, &opened.client).await {
            Ok(tokens) => tokens,
            Err(error) => return Self::without(opened, admitted, error).await,
        };
        let cookies = match cookies_of(&tokens, Some((web, admitted))) {
            Ok(cookies) => cookies,
            Err(error) => return Err(Refused::with_cookies(error.failure, *error.rest)),
        };
        let session = Some(tokens.grant.session);
        let user = match web.cx.caller(&tokens.access_token).await {
            // A session of a page that keeps the access token to itself: we are none of its pages.
            Ok(_) if tokens.grant.delivery != Delivery::Cookies => None,
            Ok(caller) => Some(caller),
            // It ended this very moment.
            Err(BearerError::Invalid(_)) => None,
            Err(BearerError::Fault(fault)) => return Err(Refused::with_cookies(fault.into(), cookies)),
        };
        Ok(Self { user, session, cookies, ..Self::default() })
    }

    /// Nobody; whose session is over loses its cookies.
    async fn without(opened: &Opened, admitted: &Admitted, error: RefreshError) -> Result<Self, Refused> {
        if !is_dead(&error) {
            return match error {
                RefreshError::Revoked { .. } => {
                    Ok(Self { session: opened.browser().page_session().await?, ..Self::default() })
                }
                error => Err(error.into()),
            };
        }
        let mut response = Response::default();
        forget_dead(&opened.web, &mut response, admitted)?;
        let was_acting = !admitted.brought().acting.is_empty();
        let session = admitted.own_session().filter(|_| was_acting);
        Ok(Self { was_acting, session, cookies: response.headers().clone(), ..Self::default() })
    }

    /// The CSRF token of the page's forms.
    pub(super) fn csrf_token(&self, opened: &Opened) -> String {
        opened.web.cx.csrf_token(self.session)
    }

    /// The answer, a refusal among them, with the cookies that belong to it: whoever lost them would come back with a
    /// spent token. What the answer itself sets takes their place.
    pub(super) fn answer(self, answer: Answer) -> PageAnswer {
        let mut response = match answer {
            Ok(response) => response,
            Err(failure) => return Err(Refused::with_cookies(failure, self.cookies)),
        };
        if !response.headers().contains_key(SET_COOKIE) {
            response.headers_mut().extend(self.cookies);
        }
        Ok(response)
    }
}

/// Somebody whose token opens everything of ours that they may open.
fn is_whole(user: Option<&Arc<Caller>>) -> bool {
    user.is_some_and(|caller| caller.own_audience)
}
