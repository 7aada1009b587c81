//! What a browser carries for us: refresh tokens in cookies, and the CSRF token of their session.
//!
//! A cookie names its session by its MAC alone; whether that session lives is decided where the token is used.

use portcullis_core::csrf_token::{self, Judged};
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::refresh_token::{ParseError, RefreshToken};

use crate::bearer::BearerError;
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

    /// The session of an access token in a cookie, even of an expired one; `None`: no token of a session of ours.
    ///
    /// # Errors
    /// As [`Self::carried`], of the keys that sign.
    pub async fn carried_access(&self, text: &str) -> Result<Option<CarriedAccess>, Fault> {
        match self.session_of(text).await {
            Ok(caller) => {
                Ok(caller.session().map(|session| CarriedAccess { session, user: caller.user }))
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
