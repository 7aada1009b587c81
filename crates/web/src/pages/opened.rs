//! What every page is given: who opens it, from where, and where they want to go from there. And what a button sends.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, Method};
use portcullis_app::client::Client;
use portcullis_app::me::FRESH;
use portcullis_edge::code::Code;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded::Serializer;
use utoipa::IntoParams;

use super::html::Refused;
use crate::extract::{Browser, ClientInfo, FormBody, QueryString};
use crate::failure::Failure;
use crate::paths;
use crate::place::Place;
use crate::state::Web;

/// Where to go from a page.
#[derive(Deserialize, IntoParams)]
pub(crate) struct PageQuery {
    /// A path of this server, or a URL that `server.return_urls` lists.
    return_to: Option<String>,
    /// Whoever signed in longer ago, in seconds, does so again (`OpenID` Connect Core section 3.1.2.1).
    max_age: Option<String>,
    /// `no`: it was tried to renew the tokens, in vain.
    renewed: Option<String>,
    /// The code of an invite, for the page that signs people up.
    invite: Option<String>,
}

/// A page that is opened, or on which a button is pressed.
pub(crate) struct Opened {
    pub(super) web: Web,
    pub(super) client: Client,
    pub(super) headers: HeaderMap,
    pub(super) method: Method,
    /// Where to go from here.
    pub(super) place: Option<Place>,
    /// How old a sign-in may be.
    pub(super) max_age: Option<Duration>,
    /// Whether it was tried already to renew the tokens.
    pub(super) tried: bool,
    /// The code of an invite.
    pub(super) invite: Option<String>,
    /// The path, and what of the query the next page needs.
    path: String,
}

impl FromRequestParts<Web> for Opened {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Refused> {
        let QueryString(PageQuery { return_to, max_age, renewed, invite }) =
            QueryString::from_request_parts(parts, web).await?;
        let place = return_to.map(|text| Place::read(web, &text).ok_or_else(leads_away)).transpose()?;
        let seconds = max_age.map(|text| text.parse().map_err(|_| bad_age())).transpose()?;
        let ClientInfo(client) =
            ClientInfo::from_request_parts(parts, web).await.unwrap_or_else(|never| match never {});
        Ok(Self {
            web: web.clone(),
            client,
            headers: parts.headers.clone(),
            method: parts.method.clone(),
            place,
            max_age: seconds.map(Duration::from_secs),
            tried: renewed.is_some(),
            invite,
            path: parts.uri.path().to_owned(),
        })
    }
}

fn leads_away() -> Failure {
    Failure::told(
        Code::MalformedRequest,
        "This link leads to a place that this server sends nobody to. Whoever runs it can list that place in \
         server.return_urls.",
    )
}

fn bad_age() -> Failure {
    Failure::told(Code::MalformedRequest, "max_age is a whole number of seconds.")
}

impl Opened {
    /// The request, as far as it counts for what it brought.
    pub(super) const fn browser(&self) -> Browser<'_> {
        Browser::new(&self.web, &self.headers)
    }

    /// The CSRF token that a form shown now must carry.
    pub(super) async fn csrf_token(&self) -> Result<String, Failure> {
        Ok(self.web.cx.csrf_token(self.browser().page_session().await?))
    }

    /// Where to go when all is done.
    pub(super) fn next(&self) -> &str {
        self.place.as_ref().map_or(paths::ACCOUNT_PAGE, Place::location)
    }

    /// As if nothing had been asked for in the query.
    pub(super) fn forget_query(&mut self) {
        (self.place, self.max_age, self.tried, self.invite) = (None, None, false, None);
    }

    /// Another page of ours, from which the way leads to the same place.
    pub(super) fn by_way_of(&self, page: &str) -> String {
        match &self.place {
            Some(place) => with_return_to(page, place.location()),
            None => page.to_owned(),
        }
    }

    /// Another page of ours, which goes on with all that is asked of this one.
    pub(super) fn onward(&self, page: &str, tried: bool) -> String {
        let mut query = Serializer::new(String::new());
        if let Some(place) = &self.place {
            query.append_pair("return_to", place.location());
        }
        if let Some(max_age) = self.max_age {
            query.append_pair("max_age", &max_age.as_secs().to_string());
        }
        if tried {
            query.append_pair("renewed", "no");
        }
        let query = query.finish();
        if query.is_empty() { page.to_owned() } else { format!("{page}?{query}") }
    }

    /// The sign-in page, from which the way leads back here.
    pub(super) fn to_sign_in(&self) -> String {
        with_return_to(paths::SIGN_IN_PAGE, &self.by_way_of(&self.path))
    }
}

pub(super) fn with_return_to(page: &str, place: &str) -> String {
    let query = Serializer::new(String::new()).append_pair("return_to", place).finish();
    format!("{page}?{query}")
}

/// Where whoever must show first that it is them does so, and comes back to `back`: by one of `methods`, or where there is
/// none – they came by way of a provider, and have neither password nor factor – by signing in anew.
pub(super) fn shown_first(methods: &[&str], back: &str) -> String {
    if !methods.is_empty() {
        return with_return_to(paths::STEP_UP_PAGE, back);
    }
    format!("{}&max_age={}", with_return_to(paths::SIGN_IN_PAGE, back), FRESH.as_secs())
}

/// What a button sends: a form, and nothing else.
pub(crate) struct Pressed<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Web> for Pressed<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Refused> {
        let FormBody(form) = FormBody::from_request(request, web).await?;
        Ok(Self(form))
    }
}
