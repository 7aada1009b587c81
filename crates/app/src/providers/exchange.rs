//! Asking a provider: for tokens in exchange for a code (RFC 6749 §4.1.3, RFC 7636 §4.5), and with them for a profile.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::form::{escape, form};
use super::{CameBack, ClientAuthentication, ProviderFault, ProviderSettings};
use crate::outbound::{Answer, Content, Outbound, OutboundError, Request};

/// Longest answer that is read, in bytes: an ID token has 64 KiB at most.
pub(super) const MOST: usize = 256 * 1024;

/// What a code was worth. Forgotten as soon as the profile is read.
pub(super) struct Tokens {
    /// For the profile.
    pub(super) access_token: Option<Zeroizing<String>>,
    /// Of OpenID Connect.
    pub(super) id_token: Option<Zeroizing<String>>,
}

const STRANGER: ProviderFault =
    ProviderFault::Misconfigured("the provider does not know us by this client_id and client_secret");

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    id_token: Option<String>,
    token_type: Option<String>,
    error: Option<String>,
}

/// Where and how a code is redeemed.
pub(super) struct Exchange<'a> {
    pub(super) endpoint: &'a str,
    pub(super) authentication: ClientAuthentication,
    pub(super) pkce: bool,
}

impl Exchange<'_> {
    /// Redeems a code.
    pub(super) async fn redeem(
        &self,
        outbound: &dyn Outbound,
        client: &ProviderSettings,
        came_back: &CameBack<'_>,
    ) -> Result<Tokens, ProviderFault> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", came_back.code),
            ("redirect_uri", came_back.redirect_uri),
        ];
        if self.pkce {
            fields.push(("code_verifier", came_back.code_verifier));
        }
        let mut headers = Vec::new();
        match self.authentication {
            // RFC 6749 §2.3.1: both halves are encoded as in a form first.
            ClientAuthentication::Basic => {
                let (id, secret) = (escape(&client.client_id), escape(client.client_secret.expose()));
                headers
                    .push(("authorization", format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))));
            }
            ClientAuthentication::Post => {
                fields.push(("client_id", &client.client_id));
                fields.push(("client_secret", client.client_secret.expose()));
            }
        }
        let content = Content::Form(form(&fields));
        let answer =
            outbound.send(Request { url: self.endpoint, headers: &headers, content, most: MOST }).await;
        tokens(&answer.map_err(|error| no_answer(&error))?)
    }
}

/// RFC 6749 §5.1 and §5.2; a few providers send their errors with a 200, and Facebook's error is an object.
fn tokens(answer: &Answer) -> Result<Tokens, ProviderFault> {
    const STRANGERS: [&str; 3] = ["invalid_client", "unauthorized_client", "incorrect_client_credentials"];
    let read = serde_json::from_slice::<TokenAnswer>(&answer.body).ok();
    let error = read.as_ref().and_then(|answer| answer.error.as_deref());
    let about_us = error.is_some_and(|error| STRANGERS.contains(&error));
    match answer.status {
        200 | 400 | 401 | 403 if about_us => return Err(STRANGER),
        401 | 403 if error.is_none() => return Err(STRANGER),
        200 if error.is_none() => {}
        200 | 400 | 401 | 403 => return Err(ProviderFault::Refused("the provider does not take the code")),
        status => return Err(answered("token endpoint", status)),
    }
    let read = read.ok_or_else(|| unreadable("token endpoint"))?;
    if read.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(ProviderFault::Refused("the provider's token is none to be presented as it is"));
    }
    Ok(Tokens {
        access_token: read.access_token.map(Zeroizing::new),
        id_token: read.id_token.map(Zeroizing::new),
    })
}

/// A profile, or another thing that a token opens.
pub(super) async fn fetch_with(
    outbound: &dyn Outbound,
    url: &str,
    token: Option<&Zeroizing<String>>,
) -> Result<Value, ProviderFault> {
    match ask_with(outbound, url, token).await? {
        Answer { status: 200, body } => {
            serde_json::from_slice(&body).map_err(|_| unreadable("profile endpoint"))
        }
        Answer { status: 401 | 403, .. } => Err(ProviderFault::Refused(
            "the provider does not show the profile to whom it has given a token for it",
        )),
        Answer { status, .. } => Err(answered("profile endpoint", status)),
    }
}

/// Whatever is answered.
pub(super) async fn ask_with(
    outbound: &dyn Outbound,
    url: &str,
    token: Option<&Zeroizing<String>>,
) -> Result<Answer, ProviderFault> {
    let token = token.ok_or(ProviderFault::Refused("the provider gives no token to see the profile with"))?;
    // RFC 6750 §2.1; anything else would end in a header of our own making.
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ProviderFault::Refused("the provider's token cannot be presented"));
    }
    let headers = [("authorization", format!("Bearer {}", token.as_str()))];
    let request = Request { url, headers: &headers, content: Content::Nothing, most: MOST };
    outbound.send(request).await.map_err(|error| no_answer(&error))
}

/// Nothing came.
pub(super) fn no_answer(error: &OutboundError) -> ProviderFault {
    ProviderFault::Unavailable(error.to_string())
}

pub(super) fn answered(who: &str, status: u16) -> ProviderFault {
    ProviderFault::Unavailable(format!("its {who} answered {status}"))
}

pub(super) fn unreadable(who: &str) -> ProviderFault {
    ProviderFault::Unavailable(format!("what its {who} answered cannot be read"))
}
