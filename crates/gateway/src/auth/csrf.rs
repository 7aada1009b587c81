//! The CSRF token: a MAC over the session, so that one session's is no other's. The cookie is a carrier for scripts
//! and is never looked at. Its name is not `csrftoken`, which Django's own cookie has.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use portcullis_core::server_key::Purpose;
use portcullis_edge::Problem;
use serde_json::json;

use super::{Asked, csrf_failed};
use crate::answer::{self, Answer};
use crate::gateway::Inner;
use crate::session::Session;

const HEADER: &str = "x-csrftoken";
/// For apps whose own token has that name.
const OTHER_HEADER: &str = "x-portcullis-csrf";
/// What stands for no session.
const NOBODY: &str = "nobody";

impl Inner {
    /// `GET /auth/csrf`
    pub(super) fn csrf_token(&self, asked: &Asked) -> Answer {
        let token = self.csrf_of(asked.brought.session.as_deref());
        let mut response = answer::json(StatusCode::OK, &json!({ "csrf_token": token }));
        let line = self.jar.csrf.set(&token, None);
        answer::set(response.headers_mut(), line.iter());
        response
    }

    /// The token of a session, or of nobody.
    pub(crate) fn csrf_of(&self, session: Option<&Session>) -> String {
        let sid = session.map_or(NOBODY, |session| &session.sid);
        URL_SAFE_NO_PAD.encode(self.keys.current().mac(Purpose::GatewayCsrf, &[sid.as_bytes()]))
    }

    /// Refuses what another site may have made: where it comes from, and with a session its token.
    pub(super) fn check_csrf(&self, asked: &Asked, field: Option<&str>) -> Result<(), Problem> {
        self.door.check_origin(&asked.parts, &asked.host)?;
        match &asked.brought.session {
            Some(session) => self.check_token(session, header(&asked.parts.headers).or(field)),
            None => Ok(()),
        }
    }

    /// The same for what goes to an app; the token only where `gateway.csrf` asks for it.
    pub(crate) fn check_proxied(&self, parts: &Parts, host: &str, session: &Session) -> Result<(), Problem> {
        self.door.check_origin(parts, host)?;
        if self.csrf_token_too { self.check_token(session, header(&parts.headers)) } else { Ok(()) }
    }

    fn check_token(&self, session: &Session, token: Option<&str>) -> Result<(), Problem> {
        let token = token.ok_or_else(|| csrf_failed("Send the token of GET /auth/csrf in `X-CSRFToken`."))?;
        let mac = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        let right = |key: &portcullis_core::server_key::ServerKey| {
            key.mac_matches(Purpose::GatewayCsrf, &[session.sid.as_bytes()], &mac)
        };
        if self.keys.iter().any(right) {
            Ok(())
        } else {
            Err(csrf_failed("This CSRF token is of another session. Get a new one at GET /auth/csrf."))
        }
    }
}

fn header(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(OTHER_HEADER).or_else(|| headers.get(HEADER))?;
    value.to_str().ok()
}
