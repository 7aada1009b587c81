//! What a browser carries for us: refresh tokens in cookies, and the CSRF token of their session.
//!
//! A cookie names its session by its MAC alone; whether that session lives is decided where the token is used.

use std::sync::Arc;

use portcullis_core::csrf_token::{self, Judged};
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::refresh_token::{ParseError, RefreshToken};
use portcullis_core::session::Carrier;

use crate::bearer::{BearerError, Caller};
use crate::cx::Cx;
use crate::fault::Fault;

/// The session that an access token in a cookie is of.
#[derive(Clone, Copy, Debug)]
pub struct CarriedAccess {
    /// The session.
    pub session: SessionId,
    /// Its user.
    pub user: UserId,
}

/// Whether an access token belongs in the cookie in which it came: a session put in the other one would count before
/// that of whoever sits in front of the browser.
pub(crate) fn belongs(caller: &Caller, carrier: Carrier) -> Result<(), BearerError> {
    let fits = match carrier {
        Carrier::Body => true,
        Carrier::Cookie => !caller.is_acting(),
        Carrier::ActingCookie => caller.is_acting(),
    };
    if fits { Ok(()) } else { Err(BearerError::Invalid("in the cookie of another kind of session")) }
}

impl Cx {
    /// The refresh token that `text` is, whatever has become of its session; `None`: no token of ours.
    ///
    /// # Errors
    /// It was made under a server key of this database that this node lacks.
    pub async fn carried(&self, text: &str) -> Result<Option<RefreshToken>, Fault> {
        match RefreshToken::parse(text, &self.ring) {
            Ok(token) => Ok(Some(token)),
            Err(ParseError::Form | ParseError::Forged) => Ok(None),
            Err(ParseError::UnknownKey(id)) => self.judge_unknown_key(id).await.map(|()| None),
        }
    }

    /// Who presents an access token in a cookie: a session, and one that belongs in this cookie.
    ///
    /// # Errors
    /// As [`Self::caller`].
    pub async fn caller_by_cookie(&self, text: &str, carrier: Carrier) -> Result<Arc<Caller>, BearerError> {
        let caller = self.caller(text).await?;
        belongs(&caller, carrier)?;
        // Cookies go wherever the browser does, and hold nothing that lives for months.
        caller.session().ok_or(BearerError::Invalid("no access token"))?;
        Ok(caller)
    }

    /// The same by what is known here, however old, for who wants to know whom a page speaks to; `None`: nobody.
    ///
    /// # Errors
    /// A fault.
    pub async fn known_by_cookie(&self, text: &str, carrier: Carrier) -> Result<Option<Arc<Caller>>, Fault> {
        match self.caller_as_known(text).await {
            Ok(caller) => Ok(Some(caller).filter(|c| belongs(c, carrier).is_ok() && c.session().is_some())),
            Err(BearerError::Invalid(_)) => Ok(None),
            Err(BearerError::Fault(fault)) => Err(fault),
        }
    }

    /// The session of an access token in a cookie, even of an expired one; `None`: no token of a session of ours, or
    /// none that belongs in this cookie.
    ///
    /// # Errors
    /// As [`Self::carried`], of the keys that sign.
    pub async fn carried_access(&self, text: &str, carrier: Carrier) -> Result<Option<CarriedAccess>, Fault> {
        match self.session_of(text).await {
            Ok(caller) => {
                let session = caller.session().filter(|_| belongs(&caller, carrier).is_ok());
                Ok(session.map(|session| CarriedAccess { session, user: caller.user }))
            }
            Err(BearerError::Invalid(_)) => Ok(None),
            Err(BearerError::Fault(fault)) => Err(fault),
        }
    }

    /// The CSRF token of `session`, or of nobody.
    pub fn csrf_token(&self, session: Option<SessionId>) -> String {
        csrf_token::issue(session, &self.ring)
    }

    /// Whether `token` is the CSRF token of `session`.
    ///
    /// # Errors
    /// As [`Self::carried`].
    pub async fn is_csrf_token(&self, token: &str, session: SessionId) -> Result<bool, Fault> {
        match csrf_token::judge(token, session, &self.ring) {
            Judged::Right => Ok(true),
            Judged::Wrong => Ok(false),
            Judged::UnknownKey(id) => self.judge_unknown_key(id).await.map(|()| false),
        }
    }
}
