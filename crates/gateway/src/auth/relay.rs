//! What the issuer answers, asked on behalf of the session.
//!
//! 1. With a bearer of the client's own: passed on as it is. The issuer decides, and what it answers is the client's.
//! 2. Else: CSRF, then the session's access token in the place of the cookies. A 401 may come of a role that has
//!    changed: once more with a newer token.
//! 3. Tokens in the answer are a session's: they go into the cookies, and the answer goes on without them. A sign-in
//!    ends the session whose cookies came along.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::Incoming;
use portcullis_edge::authorization::{Presented, presented};
use portcullis_edge::{Code, Problem, csrf, json as strict_json};
use serde_json::{Value, json};

use super::fields::Fields;
use super::{Asked, challenge};
use crate::answer::{self, Answer};
use crate::gateway::Inner;
use crate::issuer::{Ask, JSON, Refused, Told};
use crate::keeper::Over;
use crate::session::{Session, Tokens};
use crate::{paths, who};

/// What of the issuer's head is for the browser.
const PASSED_ON: [HeaderName; 10] = [
    CONTENT_TYPE,
    CACHE_CONTROL,
    ETAG,
    LOCATION,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    ALLOW,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("date"),
];

/// Where the issuer ignores `Authorization` (contract section 2), and so do we.
const WITHOUT_BEARER: [&str; 12] = [
    "/auth/register",
    paths::LOGIN,
    paths::FACTOR,
    paths::CONFIG,
    "/auth/exchange-legacy-token",
    "/auth/password/forgot",
    "/auth/password/reset",
    "/auth/password/verify-reset-token",
    "/auth/email/verify",
    "/auth/email/verification-status",
    paths::PASSKEY_START,
    paths::PASSKEY_LOGIN,
];

/// Whether `path` signs in, and asks which device it is on: without an answer it is a new one, of which the user is told
/// by mail. The last is the way back from another provider.
fn is_on_a_device(path: &str) -> bool {
    matches!(path, paths::LOGIN | paths::FACTOR | paths::PASSKEY_LOGIN) || path.ends_with("/callback")
}

impl Inner {
    pub(super) async fn relay(&self, asked: Asked, body: Incoming) -> Result<Answer, Problem> {
        let mut fields = Fields::read(&asked.parts.headers, body, self.limits.patience).await?;
        let by_bearer = !WITHOUT_BEARER.contains(&asked.path())
            && matches!(presented(&asked.parts.headers)?, Presented::Bearer(_));
        if by_bearer {
            return self.relay_bearer(&asked, fields).await;
        }
        let (token, place) = (fields.take("csrf_token"), fields.take("return_to"));
        if csrf::is_unsafe(&asked.parts.method) {
            self.check_csrf(&asked, token.as_deref())?;
        }
        let body = body_of(&asked, &fields)?;
        let mut told = match self.tell(&asked, body).await {
            Ok(told) => told,
            Err(refused) => return Ok(self.lost(refused, &asked.brought)),
        };
        let kept = self.keep_challenge(&asked, &mut told)?;
        let mut response = if fields.is_form() {
            let place = self.place(&asked, place.as_deref());
            self.answer_form(&asked, told, (&place, &fields)).await?
        } else {
            self.answered(&asked, told).await?
        };
        answer::set(response.headers_mut(), kept.iter());
        Ok(response)
    }

    /// As it is; the token is the client's own.
    async fn relay_bearer(&self, asked: &Asked, fields: Fields) -> Result<Answer, Problem> {
        let Presented::Bearer(bearer) = presented(&asked.parts.headers)? else {
            return Err(Code::MissingToken.into());
        };
        let ask = Ask { bearer: Some(bearer), ..question(asked, body_of(asked, &fields)?) };
        let told = self.issuer.ask(ask, &asked.client).await.map_err(|why| who::unknown(&why, 2))?;
        Ok(passed_on(&told, told.body.clone()))
    }

    /// Asks with the session's token, if there is one.
    async fn tell(&self, asked: &Asked, body: Option<(HeaderValue, Bytes)>) -> Result<Told, Refused> {
        let unavailable = |why: String| Refused::Unavailable { why, retry_after: 2 };
        let session = match &asked.brought.session {
            Some(session) if !WITHOUT_BEARER.contains(&asked.path()) => {
                Some(self.doorman.keeper.fresh(session, &asked.client).await?)
            }
            _ => None,
        };
        let mut ask = question(asked, body.clone());
        ask.bearer = session.as_ref().map(|session| session.contents.access.as_str());
        let told = self.issuer.ask(ask, &asked.client).await.map_err(unavailable)?;
        let Some(session) = session.filter(|_| told.status == StatusCode::UNAUTHORIZED) else {
            return Ok(told);
        };
        let renewed = self.doorman.keeper.renewed(&session, &asked.client).await?;
        let mut ask = question(asked, body);
        ask.bearer = Some(&renewed.contents.access);
        self.issuer.ask(ask, &asked.client).await.map_err(unavailable)
    }

    /// The answer without tokens, and the cookies with them.
    async fn answered(&self, asked: &Asked, told: Told) -> Result<Answer, Problem> {
        let Some((tokens, rest)) = handed_out(asked, &told) else {
            let body = told.body.clone();
            return Ok(passed_on(&told, body));
        };
        let mut response = passed_on(&told, Bytes::from(rest.to_string()));
        self.signed_in(asked, tokens, response.headers_mut()).await?;
        Ok(response)
    }

    /// Keeps the session, sets its cookies, and ends the one that was there before.
    async fn signed_in(
        &self,
        asked: &Asked,
        tokens: Tokens,
        headers: &mut http::HeaderMap,
    ) -> Result<Arc<Session>, Problem> {
        let device = tokens.device_token.as_deref().and_then(|token| self.jar.device_line(token));
        let keeper = &self.doorman.keeper;
        let session = keeper.admit(tokens, &asked.client).await.map_err(|refused| match refused {
            Refused::Ended { .. } => Problem::new(Code::InvalidToken),
            Refused::Unavailable { why, retry_after } => who::unknown(&why, retry_after),
        })?;
        // Each gives the session a new secret: who has a copy of what was before is out.
        let renews = matches!(
            asked.path(),
            paths::PASSWORD_CHANGE | paths::STEP_UP | paths::TOTP_CONFIRM | paths::PASSKEY_REGISTERED
        );
        if renews {
            keeper.learn_renewed(&session);
        } else {
            keeper.learn(&session);
        }
        let lines = self.jar.write(&session, keeper.now()).ok_or(Code::InternalError)?;
        answer::set(headers, lines);
        keeper.told(&session);
        answer::set(headers, device.iter());
        let superfluous: Vec<_> = self.jar.clear(asked.brought.parts, lines.len()).collect();
        answer::set(headers, &superfluous);
        if let Some(old) = asked.brought.session.as_ref().filter(|old| old.sid != session.sid) {
            keeper.end(&old.sid, Over::Replaced);
            let (issuer, client, old) = (self.issuer.clone(), asked.client.clone(), old.clone());
            tokio::spawn(async move {
                let body = json!({ "refresh_token": old.contents.refresh });
                if let Err(why) = issuer.ask(Ask::json(paths::LOGOUT, &body), &client).await {
                    tracing::warn!(
                        reason = why,
                        session.id = old.sid,
                        "a session that was replaced could not be ended"
                    );
                }
            });
        }
        Ok(session)
    }

    /// For people: on to where they wanted, or the page again.
    async fn answer_form(
        &self,
        asked: &Asked,
        told: Told,
        (place, fields): (&str, &Fields),
    ) -> Result<Answer, Problem> {
        if let Some((tokens, _)) = handed_out(asked, &told) {
            let mut response = answer::see_other(place);
            let session = self.signed_in(asked, tokens, response.headers_mut()).await?;
            if session.contents.must_change_password {
                let to = super::pages::with_return(paths::CHANGE_PASSWORD, place);
                let to = HeaderValue::try_from(to).map_err(|_| Code::InternalError)?;
                response.headers_mut().insert(LOCATION, to);
            }
            return Ok(response);
        }
        if told.status.is_success() {
            return Ok(answer::see_other(place));
        }
        let problem: Value = serde_json::from_slice(&told.body).unwrap_or_default();
        let errors =
            problem["errors"].as_array().into_iter().flatten().filter_map(|error| error["message"].as_str());
        let errors = errors.collect::<Vec<_>>().join(" ");
        let detail = problem["detail"].as_str().unwrap_or("That did not work. Try again in a moment.");
        let message = Some(if errors.is_empty() { detail } else { &errors });
        match asked.path() {
            paths::LOGIN | paths::FACTOR => {
                if let Some(page) = self.factor_page(asked, &problem, (place, fields)) {
                    return Ok(page);
                }
                let login = fields.get("login").unwrap_or_default();
                Ok(self.sign_in_again(asked, (told.status, message), place, login).await)
            }
            paths::PASSWORD_CHANGE => Ok(self.change_password_again(asked, (told.status, message), place)),
            _ => Ok(passed_on(&told, told.body.clone())),
        }
    }
}

fn question(asked: &Asked, body: Option<(HeaderValue, Bytes)>) -> Ask<'_> {
    let target = asked.parts.uri.path_and_query().map_or(paths::PREFIX, |target| target.as_str());
    Ask { method: asked.parts.method.clone(), target, bearer: None, body }
}

/// The body for the issuer: JSON, of a form, too; tokens are to be in the answer's body, where we take them.
fn body_of(asked: &Asked, fields: &Fields) -> Result<Option<(HeaderValue, Bytes)>, Problem> {
    let mut value = match fields {
        Fields::Form(fields) => Value::Object(fields.clone()),
        Fields::Other(bytes) if bytes.is_empty() => return Ok(None),
        Fields::Other(bytes) => {
            let kind = asked.parts.headers.get(CONTENT_TYPE).cloned();
            let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
            if !kind.as_bytes().starts_with(b"application/json") {
                return Ok(Some((kind, bytes.clone())));
            }
            strict_json::parse(bytes).map_err(Problem::from)?
        }
    };
    if let Value::Object(fields) = &mut value {
        challenge::restore(asked, fields)?;
        if fields.contains_key("delivery") {
            fields.insert("delivery".into(), json!("body"));
        }
        let device = asked.brought.device.as_ref().filter(|_| is_on_a_device(asked.path()));
        if let Some(device) = device {
            fields.entry("device_token").or_insert_with(|| json!(device));
        }
    }
    Ok(Some((JSON, value.to_string().into())))
}

/// The tokens in an answer, and the answer without them. A bot's are its owner's to see.
fn handed_out(asked: &Asked, told: &Told) -> Option<(Tokens, Value)> {
    if !told.status.is_success() || asked.path().starts_with("/auth/bots/") {
        return None;
    }
    let mut value: Value = serde_json::from_slice(&told.body).ok()?;
    let tokens = Tokens::deserialize_from(&value)?;
    let fields = value.as_object_mut()?;
    for name in ["access_token", "refresh_token", "device_token"] {
        fields.remove(name);
    }
    Some((tokens, value))
}

fn passed_on(told: &Told, body: Bytes) -> Answer {
    let mut response = http::Response::new(crate::body::Body::from(body));
    *response.status_mut() = told.status;
    for name in PASSED_ON {
        if let Some(value) = told.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
