//! A request on its way to the app, and the answer on its way back.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use hyper::body::Incoming;
use portcullis_edge::request_id::{RequestId, X_REQUEST_ID};
use portcullis_edge::{Code, Problem, csrf};

use crate::answer::{self, Answer};
use crate::auth::{self, Brought};
use crate::body::Body;
use crate::door::{Admitted, Stopped, Wanted};
use crate::forwarded::Way;
use crate::gateway::{Inner, Reply};
use crate::hop::{App, Outgoing};
use crate::issuer::{OnBehalf, Refused};
use crate::jar::Others;
use crate::keeper::Standing;
use crate::pass::Pass;
use crate::session::Session;
use crate::tunnel::{self, Upgrading};
use crate::upload::{Upload, Watched};
use crate::who::Somebody;
use crate::{guard, headers, paths, route, who};

/// A request to an app that may pass.
pub(crate) struct Passing {
    pub(crate) parts: Parts,
    pub(crate) body: Incoming,
    pub(crate) brought: Arc<Brought>,
    pub(crate) client: OnBehalf,
    pub(crate) way: Way,
    pub(crate) host: String,
    pub(crate) others: Others,
}

impl Inner {
    /// Asks the app, or says why not. `used`: the state of the session that has served the request.
    pub(crate) async fn pass_on(
        &self,
        mut passing: Passing,
        id: &RequestId,
        used: &mut Option<Arc<Session>>,
    ) -> Result<Reply, Problem> {
        let Passing { parts, brought, client, host, .. } = &passing;
        let app = self.routes.find(host, parts.uri.path()).ok_or(Code::NotFound)?;
        self.check_length(&parts.headers)?;
        let websocket = tunnel::wanted(parts);
        let changes = csrf::is_unsafe(&parts.method) || websocket;
        let by_cookie = brought.session.as_ref().filter(|_| !parts.headers.contains_key(AUTHORIZATION));
        let forged =
            by_cookie.filter(|_| changes).and_then(|session| self.check_proxied(parts, host, session).err());
        let who = self.doorman.who(&parts.headers, brought.session.as_ref(), client).await;
        *used = who.session().cloned();
        let now = self.doorman.keeper.now();
        let admitted = match self.door.judge(who, Wanted { parts, host, changes, forged, now }) {
            Ok(admitted) => admitted,
            Err(stopped) => return Ok(Reply::Own(self.stopped(stopped, &passing))),
        };
        let upgrading = if websocket { Upgrading::of(&mut passing.parts) } else { None };
        match self.hop(app, passing, (admitted, used), (upgrading, id)).await? {
            Ok(answer) => Ok(Reply::App(answer)),
            Err((stopped, passing)) => Ok(Reply::Own(self.stopped(stopped, &passing))),
        }
    }

    fn check_length(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        match (self.limits.most, length) {
            (Some(most), Some(length)) if length > most => {
                Err(Problem::new(Code::BodyTooLarge).detail(format!("Send at most {most} bytes.")))
            }
            _ => Ok(()),
        }
    }

    fn stopped(&self, stopped: Stopped, passing: &Passing) -> Answer {
        let parts = &passing.parts;
        let page = answer::is_for_a_page(parts);
        let place = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        match stopped {
            Stopped::Refused(problem) => answer::problem(problem),
            Stopped::ChangePassword if page => auth::to_new_password(place),
            Stopped::ChangePassword => answer::problem(Code::PasswordChangeRequired.into()),
            Stopped::SignIn { problem, max_age, gone } => {
                let mut response = if page && !parts.headers.contains_key(AUTHORIZATION) {
                    let mut query = url::form_urlencoded::Serializer::new(String::new());
                    query.append_pair("return_to", place);
                    if let Some(max_age) = max_age {
                        query.append_pair("max_age", &max_age.as_secs().to_string());
                    }
                    answer::see_other(&format!("{}?{}", paths::SIGN_IN, query.finish()))
                } else {
                    answer::problem(problem)
                };
                // At once, so that no newer sign-in can be meant by it.
                if gone {
                    self.clear_cookies(response.headers_mut(), &passing.brought);
                }
                response
            }
        }
    }

    /// The token for the app; without one to be had, a request to what is public goes on as nobody's.
    async fn pass(&self, admitted: &mut Admitted, client: &OnBehalf) -> Result<Option<Pass>, Stopped> {
        let Some(somebody) = &admitted.who else { return Ok(None) };
        let now = self.doorman.keeper.now();
        let refused = match somebody.principal.pass(&admitted.audience, &self.issuer, (now, client)).await {
            Ok(pass) => return Ok(Some(pass)),
            Err(refused) => refused,
        };
        let refused = match (refused, somebody.session.clone()) {
            // Its rights have changed, or it has ended, and we have not heard of it yet.
            (Refused::Ended { .. }, Some(session)) => {
                match self.newer_pass(&session, &admitted.audience, client).await {
                    Ok((somebody, pass)) => {
                        admitted.who = Some(somebody);
                        return Ok(Some(pass));
                    }
                    Err(refused) => refused,
                }
            }
            (Refused::Ended { .. }, None) => return Err(Stopped::Refused(Code::InvalidToken.into())),
            (unavailable, _) => unavailable,
        };
        match refused {
            _ if admitted.public => {
                admitted.who = None;
                Ok(None)
            }
            Refused::Ended { superseded } => {
                let problem = Code::InvalidToken.into();
                Err(Stopped::SignIn { problem, max_age: None, gone: !superseded })
            }
            Refused::Unavailable { why, retry_after } => Err(who::unknown(&why, retry_after).into()),
        }
    }

    /// Somebody by the state after `session`, with the token for the app.
    async fn newer_pass(
        &self,
        session: &Arc<Session>,
        audience: &Arc<str>,
        client: &OnBehalf,
    ) -> Result<(Somebody, Pass), Refused> {
        let keeper = &self.doorman.keeper;
        let newer = keeper.renewed(session, client).await?;
        let unusable = |why: String| Refused::Unavailable { why, retry_after: 2 };
        let principal = self.doorman.principal(&newer).await.map_err(|error| unusable(error.to_string()))?;
        let pass = principal.pass(audience, &self.issuer, (keeper.now(), client)).await?;
        Ok((Somebody { principal, session: Some(newer) }, pass))
    }

    async fn hop(
        &self,
        app: &App,
        mut passing: Passing,
        (mut admitted, used): (Admitted, &mut Option<Arc<Session>>),
        (upgrading, id): (Option<Upgrading>, &RequestId),
    ) -> Result<Result<Answer, (Stopped, Passing)>, Problem> {
        let pass = match self.pass(&mut admitted, &passing.client).await {
            Ok(pass) => pass,
            Err(stopped) => return Ok(Err((stopped, passing))),
        };
        let headers = std::mem::take(&mut passing.parts.headers);
        let mut head = self.outgoing(app, &passing, headers, (upgrading.is_some(), id))?;
        if let (Some(somebody), Some(pass)) = (&admitted.who, &pass) {
            somebody.principal.tell(pass, &mut head.headers);
            used.clone_from(&somebody.session);
        }
        let (upload, watched) = Upload::new(passing.body, self.limits);
        let mut response = app.send(&head, upload, &watched).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some((body, somebody, pass)) = self.with_newer(&admitted, &passing.client, &watched).await
        {
            somebody.principal.tell(&pass, &mut head.headers);
            used.clone_from(&somebody.session);
            admitted.who = Some(somebody);
            response = app.send(&head, body, &watched).await?;
        }
        Ok(Ok(self.finish(response, admitted.who.as_ref(), upgrading)?))
    }

    /// The request as the app gets it, but for who asks.
    fn outgoing(
        &self,
        app: &App,
        passing: &Passing,
        mut headers: HeaderMap,
        (websocket, id): (bool, &RequestId),
    ) -> Result<Outgoing, Problem> {
        let Parts { method, uri, .. } = &passing.parts;
        headers::clean_request(&mut headers);
        headers.remove(AUTHORIZATION);
        match &passing.others {
            Others::All => {}
            Others::Some(others) => drop(headers.insert(COOKIE, others.clone())),
            Others::None => drop(headers.remove(COOKIE)),
        }
        let host = route::host_value(uri, headers.get(HOST));
        if let Some(host) = &host {
            headers.insert(HOST, host.clone());
        }
        self.addresses.tell(&passing.way, &mut headers, host);
        headers.insert(X_REQUEST_ID, id.header_value());
        if websocket {
            tunnel::ask(&mut headers);
        }
        let uri = target(app, &passing.host, uri).ok_or(Code::MalformedRequest)?;
        Ok(Outgoing { method: method.clone(), uri, headers })
    }

    /// After a 401: whoever has a newer token, or an old one that could be renewed, is asked for once more.
    async fn with_newer(
        &self,
        admitted: &Admitted,
        client: &OnBehalf,
        watched: &Watched,
    ) -> Option<(Upload, Somebody, Pass)> {
        let session = admitted.who.as_ref()?.session.as_ref()?;
        let body = Upload::again(watched)?;
        let recent = self.doorman.keeper.now() - session.issued_at <= self.grace;
        if recent && self.doorman.newer(session).is_none() {
            return None;
        }
        let (somebody, pass) = self.newer_pass(session, &admitted.audience, client).await.ok()?;
        Some((body, somebody, pass))
    }

    /// The app's answer as the client gets it.
    fn finish(
        &self,
        mut response: Response<Incoming>,
        who: Option<&Somebody>,
        upgrading: Option<Upgrading>,
    ) -> Result<Answer, Problem> {
        let claims = who.map(|somebody| (&self.doorman.verifier, &somebody.principal.claims));
        let agreed = tunnel::agreed(&response);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(upgrading) = upgrading.filter(|_| agreed) else {
                tracing::warn!("the app switches to a protocol that nobody asked for");
                return Err(Code::BadGateway.into());
            };
            upgrading
                .join(&mut response, claims.map(|(verifier, claims)| guard::session_end(verifier, claims)));
        }
        let (head, body) = response.into_parts();
        let mut answer = Response::new(if agreed { Body::empty() } else { guard::guarded(body, claims) });
        *answer.status_mut() = head.status;
        let mut headers = head.headers;
        headers::clean_response(&mut headers);
        if agreed {
            tunnel::ask(&mut headers);
        }
        *answer.headers_mut() = headers;
        Ok(answer)
    }

    /// Sets the newest cookies of the session that the request came with, if its own are older. `used`: a state of it
    /// that has served the request.
    pub(crate) async fn set_newest(
        &self,
        headers: &mut HeaderMap,
        brought: &Brought,
        used: Option<Arc<Session>>,
    ) {
        let Some(session) = &brought.session else { return };
        self.doorman.keeper.settled(session).await;
        let newest = match self.doorman.keeper.standing(session) {
            Standing::Ended { .. } => return,
            Standing::Is(known) => match used {
                Some(used) if used.sid == known.sid && used.age() > known.age() => used,
                _ => known,
            },
        };
        if newest.age() <= session.age() || self.jar.is_set(headers) {
            return;
        }
        let Some(lines) = self.jar.write(&newest, self.doorman.keeper.now()) else { return };
        answer::set(headers, lines);
        self.doorman.keeper.told(&newest);
        let superfluous: Vec<_> = self.jar.clear(brought.parts, lines.len()).collect();
        answer::set(headers, &superfluous);
        // What sets a session's cookies is nobody else's to keep.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// `OPTIONS *` stays what it is.
fn target(app: &App, host: &str, uri: &Uri) -> Option<Uri> {
    app.uri(host, uri.path_and_query())
}
