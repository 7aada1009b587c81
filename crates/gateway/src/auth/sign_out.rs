//! Sign out, here and everywhere, and fresh cookies on demand.
//!
//! A sign-out that the issuer has not heard of is none: 503, and the cookies stay.

use http::StatusCode;
use hyper::body::Incoming;
use portcullis_edge::authorization::{Presented, presented};
use portcullis_edge::{Code, Problem};
use serde_json::json;

use super::fields::Fields;
use super::{Asked, Brought};
use crate::answer::{self, Answer};
use crate::gateway::Inner;
use crate::issuer::{Ask, OnBehalf};
use crate::keeper::{Over, Standing};
use crate::session::Session;
use crate::{paths, who};

impl Inner {
    /// `POST /auth/logout`: by the cookies; without them by a bearer, which is the issuer's matter.
    pub(super) async fn log_out(&self, asked: Asked, body: Incoming) -> Result<Answer, Problem> {
        if asked.brought.session.is_none() && is_by_bearer(&asked)? {
            return self.relay(asked, body).await;
        }
        let mut fields = Fields::read(&asked.parts.headers, body, self.limits.patience).await?;
        let token = fields.take("csrf_token");
        self.check_csrf(&asked, token.as_deref())?;
        if let Some(session) = &asked.brought.session {
            let Standing::Is(newest) = self.doorman.keeper.standing(session) else {
                return Ok(self.signed_out(&asked, &mut fields));
            };
            let body = json!({ "refresh_token": newest.contents.refresh });
            let told = self.issuer.ask(Ask::json(paths::LOGOUT, &body), &asked.client).await;
            match told {
                Ok(told) if told.status.is_success() => self.doorman.keeper.end(&newest.sid, Over::Ended),
                Ok(told) => {
                    return Err(who::unknown(&format!("it answered {} to a sign-out", told.status), 2));
                }
                Err(why) => return Err(who::unknown(&why, 2)),
            }
        }
        Ok(self.signed_out(&asked, &mut fields))
    }

    /// `POST /auth/logout/all`
    pub(super) async fn log_out_everywhere(&self, asked: Asked, body: Incoming) -> Result<Answer, Problem> {
        if is_by_bearer(&asked)? {
            return self.relay(asked, body).await;
        }
        let mut fields = Fields::read(&asked.parts.headers, body, self.limits.patience).await?;
        let token = fields.take("csrf_token");
        self.check_csrf(&asked, token.as_deref())?;
        let session = asked.brought.session.as_ref().ok_or(Code::MissingToken)?;
        let keeper = &self.doorman.keeper;
        let mut session = match keeper.fresh(session, &asked.client).await {
            Ok(session) => session,
            Err(refused) => return Ok(self.lost(refused, &asked.brought)),
        };
        let mut status = self.end_all(&session, &asked.client).await?;
        if status == StatusCode::UNAUTHORIZED {
            // Its rights may have changed since the token was made. Nothing has ended yet.
            session = match keeper.renewed(&session, &asked.client).await {
                Ok(session) => session,
                Err(refused) => return Ok(self.lost(refused, &asked.brought)),
            };
            status = self.end_all(&session, &asked.client).await?;
        }
        if !status.is_success() {
            return Err(who::unknown(&format!("it answered {status} to a sign-out"), 2));
        }
        keeper.end(&session.sid, Over::Ended);
        Ok(self.signed_out(&asked, &mut fields))
    }

    /// What the issuer answers to the end of all sessions of whoever this one is.
    async fn end_all(&self, session: &Session, client: &OnBehalf) -> Result<StatusCode, Problem> {
        let mut ask = Ask::json(paths::LOGOUT_ALL, &json!({}));
        ask.bearer = Some(&session.contents.access);
        let told = self.issuer.ask(ask, client).await.map_err(|why| who::unknown(&why, 2))?;
        Ok(told.status)
    }

    /// `POST /auth/refresh`: the cookies, made fresh. Nobody needs that but a script that wants to know.
    pub(super) async fn refresh(&self, asked: Asked, body: Incoming) -> Result<Answer, Problem> {
        let mut fields = Fields::read(&asked.parts.headers, body, self.limits.patience).await?;
        let token = fields.take("csrf_token");
        self.check_csrf(&asked, token.as_deref())?;
        let session = asked.brought.session.as_ref().ok_or(Code::MissingToken)?;
        let keeper = &self.doorman.keeper;
        // A token that was made a moment ago is as fresh as another one would be.
        let recent = keeper.now() - session.issued_at < self.grace;
        let fresh = if recent {
            keeper.fresh(session, &asked.client).await
        } else {
            keeper.renewed(session, &asked.client).await
        };
        let fresh = match fresh {
            Ok(fresh) => fresh,
            Err(refused) => return Ok(self.lost(refused, &asked.brought)),
        };
        let told = json!({
            "expires_in": fresh.left(keeper.now()), "session_id": fresh.sid,
            "must_change_password": fresh.contents.must_change_password,
            "must_set_up_factor": fresh.contents.must_set_up_factor,
        });
        Ok(answer::json(StatusCode::OK, &told))
    }

    fn signed_out(&self, asked: &Asked, fields: &mut Fields) -> Answer {
        let mut response = if fields.is_form() {
            answer::see_other(&self.place(asked, fields.take("return_to").as_deref()))
        } else {
            answer::no_content()
        };
        self.clear_cookies(response.headers_mut(), &asked.brought);
        response
    }

    /// Takes the session's cookies away.
    pub(crate) fn clear_cookies(&self, headers: &mut http::HeaderMap, brought: &Brought) {
        let lines: Vec<_> = self.jar.clear(brought.parts.max(1), 0).collect();
        answer::set(headers, &lines);
    }
}

fn is_by_bearer(asked: &Asked) -> Result<bool, Problem> {
    Ok(matches!(presented(&asked.parts.headers)?, Presented::Bearer(_)))
}
