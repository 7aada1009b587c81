//! What a browser sends along by itself, and whether a page that may do so made it: cookies are used and set for
//! nobody else. There is no other way to a cookie of ours than through here, so that no route can forget it.
//!
//! 1. Where it comes from ([`portcullis_edge::csrf`]): `Origin`, else `Referer`, and `Sec-Fetch-Site`.
//! 2. Once there is a session: its CSRF token, in `X-CSRFToken` or in the form. The token is a MAC over the
//!    session; the cookie that carries it is not compared.
//!
//! Whoever shows who they are by `Authorization` needs neither: no page can make a browser send that elsewhere.

use http::HeaderMap;
use http::header::COOKIE;
use portcullis_app::browser::CarriedAccess;
use portcullis_app::sign_in::{Handover, Replaced};
use portcullis_core::ids::SessionId;
use portcullis_core::refresh_token::RefreshToken;
use portcullis_core::session::{Carrier, Delivery};
use portcullis_edge::csrf::{CsrfFailure, X_CSRF_TOKEN};
use portcullis_edge::problem::Problem;

use crate::cookies::Brought;
use crate::failure::Failure;
use crate::state::Web;

/// A request as a browser may have made it. Nothing of it counts before it is admitted.
#[derive(Clone, Copy)]
pub(crate) struct Browser<'a> {
    web: &'a Web,
    headers: &'a HeaderMap,
}

/// Proof that cookies may be used and set in answer to a request, and what it brought. Only made in this file.
pub(crate) struct Admitted {
    brought: Brought,
    held: Held,
    /// The sessions of the access tokens that came to a page: it may be all that is seen of them.
    shown: Vec<CarriedAccess>,
}

/// The refresh tokens of ours among what was brought, whatever has become of their sessions.
#[derive(Default)]
struct Held {
    acting: Option<RefreshToken>,
    own: Option<RefreshToken>,
}

impl Held {
    /// The one of acting as another user first: it is the one that is used.
    fn iter(&self) -> impl Iterator<Item = &RefreshToken> {
        self.acting.iter().chain(&self.own)
    }
}

impl<'a> Browser<'a> {
    pub(crate) const fn new(web: &'a Web, headers: &'a HeaderMap) -> Self {
        Self { web, headers }
    }

    /// What it brought; without proof, only to see whether there is anything.
    fn brought(self) -> Result<Brought, Failure> {
        if !self.headers.contains_key(COOKIE) {
            return Ok(Brought::default());
        }
        Ok(self.web.cookies.read(self.headers).map_err(Problem::from)?)
    }

    /// The access token by which it asks, and in which cookie it came. Whatever it brought must be readable.
    pub(super) fn access_token(self) -> Result<Option<(&'a str, Carrier)>, Failure> {
        self.brought()?;
        Ok(self.web.cookies.access(self.headers).map_err(Problem::from)?)
    }

    /// Rule 1.
    pub(super) fn check_origin(self) -> Result<(), Failure> {
        Ok(self.web.trusted_origins.check(self.headers).map_err(Problem::from)?)
    }

    /// Rule 2. Two headers are none.
    pub(super) async fn check_token(self, session: SessionId, in_form: Option<&str>) -> Result<(), Failure> {
        let mut lines = self.headers.get_all(X_CSRF_TOKEN).iter();
        let in_header = match (lines.next(), lines.next()) {
            (Some(line), None) => Some(line.to_str().unwrap_or_default()),
            (Some(_), Some(_)) => Some(""),
            (None, _) => None,
        };
        let presented = in_header.or(in_form).unwrap_or_default();
        if self.web.cx.is_csrf_token(presented, session).await? {
            Ok(())
        } else {
            Err(Problem::from(CsrfFailure::Token).into())
        }
    }

    /// Both rules, for a request that uses or gets refresh tokens in cookies.
    pub(crate) async fn admit(self, in_form: Option<&str>) -> Result<Admitted, Failure> {
        let brought = self.brought()?;
        self.check_origin()?;
        let held = self.held(&brought).await?;
        if let Some(token) = held.iter().next() {
            self.check_token(token.session, in_form).await?;
        }
        Ok(Admitted { brought, held, shown: Vec::new() })
    }

    /// The same for a new session; `None`: its tokens go into the body, and cookies are not looked at.
    pub(crate) async fn admit_for(
        self,
        delivery: Delivery,
        in_form: Option<&str>,
    ) -> Result<Option<Admitted>, Failure> {
        match delivery {
            Delivery::Body => Ok(None),
            Delivery::Cookie | Delivery::Cookies => self.admit(in_form).await.map(Some),
        }
    }

    /// The same for what only a refresh token can do; `None`: no cookie holds any.
    pub(crate) async fn admit_holder(self) -> Result<Option<Admitted>, Failure> {
        let Brought { own, acting, .. } = self.brought()?;
        if own.refresh.is_none() && acting.refresh.is_none() {
            return Ok(None);
        }
        self.admit(None).await.map(Some)
    }

    /// The same for what ends acting as another user; `None`: no cookie holds its refresh token.
    pub(crate) async fn admit_acting(self) -> Result<Option<Admitted>, Failure> {
        if self.brought()?.acting.refresh.is_none() {
            return Ok(None);
        }
        self.admit(None).await.map(Some)
    }

    /// The same for what ends the session of an access token that came without a refresh token; `None`: no cookie holds
    /// one.
    pub(crate) async fn admit_access(self) -> Result<Option<Admitted>, Failure> {
        let brought = self.brought()?;
        if brought.own.access.is_none() && brought.acting.access.is_none() {
            return Ok(None);
        }
        self.check_origin()?;
        if let Some(session) = self.session().await? {
            self.check_token(session, None).await?;
        }
        let held = self.held(&brought).await?;
        Ok(Some(Admitted { brought, held, shown: Vec::new() }))
    }

    /// Both rules, for a button on a page of ours, whatever of a session came along: pages stand outside of a narrow
    /// `cookies.path`, and see its access token alone.
    pub(crate) async fn admit_button(self, in_form: &str) -> Result<Admitted, Failure> {
        let brought = Brought { to_page: true, ..self.brought()? };
        self.check_origin()?;
        let held = self.held(&brought).await?;
        let shown = self.shown(&brought).await?;
        if let Some(session) = self.page_session().await? {
            self.check_token(session, Some(in_form)).await?;
        }
        Ok(Admitted { brought, held, shown })
    }

    /// Of somebody who opens a page with an access token that is no good any more and the refresh token beside it;
    /// `None`: there is no such pair, or the browser does not open a page.
    ///
    /// Neither rule is checked: links from everywhere lead to our pages, and a page of another site that sends a
    /// visitor here has nothing of it. The browser gets the successor of what it holds, and nobody else gets
    /// anything. Not for frames and images, of which another site could load as many as it likes unseen.
    pub(crate) async fn admit_opening(self) -> Result<Option<Admitted>, Failure> {
        let opens = |name: &str, value: &str| {
            self.headers.get_all(name).iter().all(|told| told.as_bytes() == value.as_bytes())
        };
        let brought = self.brought()?;
        if !brought.in_use().is_whole()
            || !opens("sec-fetch-mode", "navigate")
            || !opens("sec-fetch-dest", "document")
        {
            return Ok(None);
        }
        let held = self.held(&brought).await?;
        Ok(Some(Admitted { brought, held, shown: Vec::new() }))
    }

    /// Of a browser that another site, a provider, has sent back, with the secret that shows that it went there; `None`: it
    /// shows none.
    ///
    /// Neither rule is checked: it comes from elsewhere. The secret stands in their place: whoever takes this asks for the
    /// flow that was begun with it, and no other site can have given it to this browser.
    pub(crate) async fn admit_return(self) -> Result<Option<(Admitted, String)>, Failure> {
        let brought = Brought { to_page: true, ..self.brought()? };
        let Some(secret) = brought.flow.clone() else { return Ok(None) };
        let held = self.held(&brought).await?;
        let shown = self.shown(&brought).await?;
        Ok(Some((Admitted { brought, held, shown }, secret)))
    }

    /// The secret of a flow that this browser has begun already, in another tab.
    pub(crate) fn flow(self) -> Result<Option<String>, Failure> {
        Ok(self.brought()?.flow)
    }

    /// What shows that this browser registered, where a page that may say so asks. It only proves more of whoever has
    /// the mail, so that no token is needed.
    pub(crate) fn registration(self) -> Result<Option<String>, Failure> {
        let held = self.brought()?.registration;
        Ok(held.filter(|_| self.check_origin().is_ok()))
    }

    /// The secret of a sign-in that owes a second factor.
    pub(crate) fn challenge(self) -> Result<Option<String>, Failure> {
        Ok(self.brought()?.challenge)
    }

    /// Whether it may be the browser that registered: for what a page shows, not for what is done.
    pub(crate) fn may_have_registered(self) -> Result<bool, Failure> {
        Ok(self.brought()?.registration.is_some())
    }

    /// The session for which `GET /auth/csrf` makes a token: the one that would be asked for it.
    pub(crate) async fn session(self) -> Result<Option<SessionId>, Failure> {
        let brought = self.brought()?;
        if let Some(token) = self.held(&brought).await?.iter().next() {
            return Ok(Some(token.session));
        }
        match self.access_token()? {
            Some((token, carrier)) => {
                Ok(self.web.cx.carried_access(token, carrier).await?.map(|carried| carried.session))
            }
            None => Ok(None),
        }
    }

    /// The session for which our pages make a token, and their buttons act: that of the access token while it is good,
    /// else that of the refresh token beside it, which gets the next one.
    pub(crate) async fn page_session(self) -> Result<Option<SessionId>, Failure> {
        let known = match self.access_token()? {
            Some((token, carrier)) => self.web.cx.known_by_cookie(token, carrier).await?,
            None => None,
        };
        match known {
            Some(caller) if caller.own_audience || !self.brought()?.in_use().is_whole() => {
                Ok(caller.session())
            }
            Some(_) | None => self.session().await,
        }
    }

    async fn shown(self, brought: &Brought) -> Result<Vec<CarriedAccess>, Failure> {
        let mut shown = Vec::new();
        for (text, carrier) in
            [(&brought.acting.access, Carrier::ActingCookie), (&brought.own.access, Carrier::Cookie)]
        {
            if let Some(text) = text {
                shown.extend(self.web.cx.carried_access(text, carrier).await?);
            }
        }
        Ok(shown)
    }

    async fn held(self, brought: &Brought) -> Result<Held, Failure> {
        let mut held = Held::default();
        if let Some(text) = &brought.acting.refresh {
            held.acting = self.web.cx.carried(text).await?;
        }
        if let Some(text) = &brought.own.refresh {
            held.own = self.web.cx.carried(text).await?;
        }
        Ok(held)
    }

    /// Of a request whose identity is proved otherwise: by its header, or by a cookie for which both rules were
    /// checked. Cookies that cannot be read are left alone.
    pub(super) async fn admitted(self) -> Admitted {
        let brought = self.brought().unwrap_or_default();
        let held = self.held(&brought).await.unwrap_or_default();
        Admitted { brought, held, shown: Vec::new() }
    }
}

impl Admitted {
    /// What the request brought.
    pub(crate) const fn brought(&self) -> &Brought {
        &self.brought
    }

    /// Whether it holds a refresh token of `session`.
    pub(crate) fn holds(&self, session: SessionId) -> bool {
        self.held.iter().any(|token| token.session == session)
    }

    /// The session in which whoever it is does not act as another user.
    pub(crate) fn own_session(&self) -> Option<SessionId> {
        self.held.own.as_ref().map(|token| token.session)
    }

    /// The refresh token of acting as another user.
    pub(crate) const fn acting(&self) -> Option<&RefreshToken> {
        self.held.acting.as_ref()
    }

    /// The refresh token by which it asks, and in which cookie it came.
    pub(crate) fn in_use(&self) -> Option<(&str, Carrier)> {
        let Brought { acting, own, .. } = &self.brought;
        let acting = acting.refresh.as_deref().map(|text| (text, Carrier::ActingCookie));
        acting.or_else(|| own.refresh.as_deref().map(|text| (text, Carrier::Cookie)))
    }

    /// The access tokens that it brought, the one of acting as another user first.
    pub(crate) fn access_tokens(&self) -> impl Iterator<Item = &str> {
        let texts = [&self.brought.acting.access, &self.brought.own.access];
        texts.into_iter().flatten().map(String::as_str)
    }

    /// The refresh tokens that it brought, the one of acting as another user first.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        let texts = [&self.brought.acting.refresh, &self.brought.own.refresh];
        texts.into_iter().flatten().map(String::as_str)
    }
}

/// How the tokens of a new session travel: in the place of all that was brought.
pub(crate) fn handover(delivery: Delivery, admitted: Option<&Admitted>) -> Handover {
    let replaces = admitted.map(|admitted| {
        let held = admitted.held.iter().cloned().map(Replaced::Refresh);
        held.chain(admitted.shown.iter().copied().map(Replaced::Access)).collect()
    });
    Handover { delivery, replaces: replaces.unwrap_or_default() }
}
