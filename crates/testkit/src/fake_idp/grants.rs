//! What a browser gets there, and what a client gets for it.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use super::{CLIENT_ID, Forgery, Shared};

/// Somebody, as the provider knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their id there.
    pub subject: String,
    /// Their address, and whether the provider has verified it.
    pub email: Option<(String, bool)>,
    /// Their name.
    pub name: Option<String>,
}

/// What a browser came back with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The whole URL.
    pub url: String,
    /// The code.
    pub code: String,
    /// As it was sent.
    pub state: String,
    /// Who says so (RFC 9207).
    pub iss: Option<String>,
}

/// The faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Oidc,
    GitHub,
    Plain,
}

/// What a code is good for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) face: Face,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) person: Person,
}

/// A browser's way there, taken apart.
struct Arrival {
    face: Face,
    fields: HashMap<String, String>,
}

impl Arrival {
    fn field(&self, name: &str) -> Result<&str, String> {
        self.fields.get(name).map(String::as_str).ok_or_else(|| format!("no {name}"))
    }

    fn back(&self, fields: &[(&str, &str)]) -> Result<Url, String> {
        let mut url = Url::parse(self.field("redirect_uri")?).map_err(|error| error.to_string())?;
        url.query_pairs_mut().append_pair("state", self.field("state")?).extend_pairs(fields);
        Ok(url)
    }
}

impl Shared {
    fn arrive(&self, url: &str) -> Result<Arrival, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        if url.origin().ascii_serialization() != self.url() {
            return Err("another place".into());
        }
        let version = self.state().version;
        let face = match url.path() {
            path if path == format!("/v{version}/authorize") => Face::Oidc,
            "/github/login/oauth/authorize" => Face::GitHub,
            "/plain/authorize" => Face::Plain,
            _ => return Err("no authorization endpoint".into()),
        };
        let mut fields = HashMap::new();
        for (name, value) in url.query_pairs() {
            if fields.insert(name.to_string(), value.to_string()).is_some() {
                return Err(format!("{name} stands twice"));
            }
        }
        let arrival = Arrival { face, fields };
        for (name, wanted) in [("client_id", CLIENT_ID), ("response_type", "code")] {
            if arrival.field(name)? != wanted {
                return Err(format!("{name} is not {wanted}"));
            }
        }
        if arrival.field("state")?.len() < 16 {
            return Err("a state that can be guessed".into());
        }
        match (arrival.fields.get("code_challenge"), arrival.fields.get("code_challenge_method")) {
            (Some(challenge), Some(method)) if method == "S256" && challenge.len() == 43 => {}
            other => return Err(format!("a challenge that is none: {other:?}")),
        }
        if face == Face::Oidc {
            arrival.field("nonce")?;
            if !arrival.field("scope")?.split(' ').any(|scope| scope == "openid") {
                return Err("scope lacks openid".into());
            }
        }
        Ok(arrival)
    }

    pub(super) fn authorize(&self, url: &str, person: &Person) -> Result<Returned, String> {
        let arrival = self.arrive(url)?;
        let mut state = self.state();
        let code = state.next("code+/=&");
        let iss = match (arrival.face, state.says_iss, state.forgery) {
            (Face::Plain, ..) | (_, false, _) | (_, _, Some(Forgery::NoReturnedIssuer)) => None,
            (_, true, Some(Forgery::ReturnedIssuer)) => Some("https://evil.example".to_owned()),
            (Face::Oidc, true, _) => Some(state.issuer.clone()),
            (Face::GitHub, true, _) => Some(format!("{}/github/login/oauth", self.url())),
        };
        let grant = Grant {
            face: arrival.face,
            redirect_uri: arrival.field("redirect_uri")?.to_owned(),
            challenge: arrival.fields.get("code_challenge").cloned(),
            nonce: arrival.fields.get("nonce").cloned(),
            person: person.clone(),
        };
        state.grants.insert(code.clone(), grant);
        let mut back = vec![("code", code.as_str())];
        back.extend(iss.as_deref().map(|iss| ("iss", iss)));
        let url = arrival.back(&back)?.into();
        let sent = arrival.field("state")?.to_owned();
        Ok(Returned { url, code, state: sent, iss })
    }

    pub(super) fn deny(&self, url: &str) -> Result<String, String> {
        let arrival = self.arrive(url)?;
        let iss = self.state().issuer.clone();
        Ok(arrival.back(&[("error", "access_denied"), ("iss", &iss)])?.into())
    }

    /// Takes a code, once (RFC 6749 §4.1.2), from the client that it was made for (RFC 7636 §4.6).
    pub(super) fn redeem(&self, face: Face, fields: &HashMap<String, String>) -> Option<Grant> {
        let grant = self.state().grants.remove(fields.get("code")?)?;
        let challenge = |verifier: &String| {
            let fits = (43..=128).contains(&verifier.len());
            fits.then(|| URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())))
        };
        let good = grant.face == face
            && fields.get("redirect_uri") == Some(&grant.redirect_uri)
            && grant.challenge == fields.get("code_verifier").and_then(challenge);
        good.then_some(grant)
    }
}
