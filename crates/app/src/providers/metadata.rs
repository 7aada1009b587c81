//! What an OpenID provider publishes of itself (OpenID Connect Discovery §3 and §4.3, RFC 8414, RFC 9207 §3).

use portcullis_jose::{Jwks, KeySet};
use serde::Deserialize;

use super::exchange::{MOST, answered, no_answer, unreadable};
use super::form::is_secure;
use super::{ClientAuthentication, ProviderFault};
use crate::outbound::{Content, Outbound, Request};

/// A discovery document that has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) userinfo_endpoint: Option<String>,
    /// What it takes.
    pub(super) authentication: ClientAuthentication,
    /// Whether `iss` comes back with every code.
    pub(super) says_iss: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where the document is, and whose it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) url: String,
    pub(super) issuer: String,
}

impl Place {
    /// OpenID Connect Discovery §4.1.
    pub(super) fn of(issuer: &str) -> Self {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        Self { url, issuer: issuer.to_owned() }
    }
}

/// Fetches the document.
pub(super) async fn fetch(outbound: &dyn Outbound, place: &Place) -> Result<Metadata, ProviderFault> {
    let body = published(outbound, &place.url, "discovery document").await?;
    read(&body, &place.issuer)
}

/// Fetches the keys. Those that are of no use here are left out.
pub(super) async fn fetch_keys(outbound: &dyn Outbound, url: &str) -> Result<KeySet, ProviderFault> {
    let body = published(outbound, url, "key set").await?;
    let jwks = Jwks::parse(&body).map_err(|_| unreadable("key set"))?;
    Ok(KeySet::from_jwks(&jwks))
}

async fn published(outbound: &dyn Outbound, url: &str, what: &str) -> Result<bytes::Bytes, ProviderFault> {
    let request = Request { url, headers: &[], content: Content::Nothing, most: MOST };
    let answer = outbound.send(request).await.map_err(|error| no_answer(&error))?;
    if answer.status == 200 { Ok(answer.body) } else { Err(answered(what, answer.status)) }
}

fn read(body: &[u8], issuer: &str) -> Result<Metadata, ProviderFault> {
    let document: Document = serde_json::from_slice(body).map_err(|_| unreadable("discovery document"))?;
    // Discovery §4.3: byte for byte.
    if document.issuer != issuer {
        return Err(ProviderFault::Refused("the discovery document is of another issuer"));
    }
    let endpoints = [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri];
    let all = || endpoints.into_iter().chain(&document.userinfo_endpoint);
    if !all().all(|endpoint| is_secure(endpoint, issuer)) {
        return Err(ProviderFault::Refused("the discovery document names an endpoint without TLS"));
    }
    // Discovery §3: basic, if it says nothing.
    let methods = document.token_endpoint_auth_methods_supported;
    let basic = methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
    Ok(Metadata {
        authorization_endpoint: document.authorization_endpoint,
        token_endpoint: document.token_endpoint,
        jwks_uri: document.jwks_uri,
        userinfo_endpoint: document.userinfo_endpoint,
        authentication: if basic { ClientAuthentication::Basic } else { ClientAuthentication::Post },
        says_iss: document.authorization_response_iss_parameter_supported,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://id.example/";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example/authorize",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://keys.example/jwks",
        })
    }

    fn with(name: &str, value: Value) -> Result<Metadata, ProviderFault> {
        let mut document = document();
        document[name] = value;
        read(document.to_string().as_bytes(), ISSUER)
    }

    #[test]
    fn the_document_is_below_the_issuer() {
        for (issuer, url) in [
            (ISSUER, "https://id.example/.well-known/openid-configuration"),
            ("https://id.example/a/b", "https://id.example/a/b/.well-known/openid-configuration"),
        ] {
            assert_eq!(Place::of(issuer).url, url);
        }
    }

    #[test]
    fn what_is_read_of_it() {
        let plain = read(document().to_string().as_bytes(), ISSUER).expect("a document");
        assert_eq!((plain.says_iss, plain.authentication), (false, ClientAuthentication::Basic));
        let says = with("authorization_response_iss_parameter_supported", json!(true)).expect("a document");
        assert!(says.says_iss);
        for (methods, authentication) in [
            (json!(["client_secret_post", "client_secret_basic"]), ClientAuthentication::Basic),
            (json!(["client_secret_post", "private_key_jwt"]), ClientAuthentication::Post),
        ] {
            let read = with("token_endpoint_auth_methods_supported", methods).expect("a document");
            assert_eq!(read.authentication, authentication);
        }
    }

    #[test]
    fn what_is_refused() {
        let down = unreadable("discovery document");
        let other = ProviderFault::Refused("the discovery document is of another issuer");
        let bare = ProviderFault::Refused("the discovery document names an endpoint without TLS");
        for (name, value, fault) in [
            ("issuer", json!("https://id.example"), &other),
            ("issuer", json!("https://ID.example/"), &other),
            ("issuer", json!("https://id.example/?"), &other),
            ("issuer", Value::Null, &down),
            ("token_endpoint", Value::Null, &down),
            ("jwks_uri", json!(["https://id.example"]), &down),
            ("token_endpoint", json!("http://id.example/token"), &bare),
            ("token_endpoint", json!("http://127.0.0.1/token"), &bare),
            ("jwks_uri", json!("file:///etc/passwd"), &bare),
            ("authorization_endpoint", json!("javascript:alert(1)//https://"), &bare),
            ("userinfo_endpoint", json!("http://id.example/me"), &bare),
        ] {
            assert_eq!(with(name, value.clone()).as_ref(), Err(fault), "{name}: {value}");
        }
        assert_eq!(read(b"<html>", ISSUER), Err(down));
    }
}
