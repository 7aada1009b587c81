//! Its answers over HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::grants::{Face, Person};
use super::{Breakage, CLIENT_ID, CLIENT_SECRET, Endpoint, Forgery, Shared};
use crate::outbound::{IN_PROCESS, SILENT};

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(move |request: Request| answer(shared.clone(), request))
}

async fn answer(shared: Arc<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let endpoint = shared.endpoint(&path);
    let broken = {
        let mut state = shared.state();
        *state.asked.entry(endpoint).or_default() += 1;
        state.broken.get(&endpoint).copied()
    };
    if let Some(how) = broken {
        return breakage(how, head.headers.contains_key(IN_PROCESS)).await;
    }
    match endpoint {
        Endpoint::Discovery => json_answer(200, &shared.document()),
        Endpoint::Keys => {
            let key = shared.state().key.jwk();
            json_answer(200, &json!({"keys": [key]}))
        }
        Endpoint::Authorization => {
            let url = format!("{}{}", shared.url(), head.uri);
            let somebody = shared.state().signed_in.clone();
            let back = somebody.ok_or_else(|| "nobody is signed in".to_owned());
            match back.and_then(|person| shared.authorize(&url, &person)) {
                Ok(returned) => redirect(&returned.url),
                Err(fault) => json_answer(400, &json!({"fault": fault})),
            }
        }
        Endpoint::Token => {
            let body = to_bytes(body, 64 * 1024).await.unwrap_or_default();
            shared.token(&path, &head.headers, &body)
        }
        Endpoint::Profile => shared.profile(&path, &head.headers),
        Endpoint::Nowhere => json_answer(404, &json!({"error": "not here"})),
    }
}

fn json_answer(status: u16, value: &Value) -> Response {
    plain_answer(status, "application/json", value.to_string())
}

fn plain_answer(status: u16, kind: &str, body: String) -> Response {
    Response::builder().status(status).header(CONTENT_TYPE, kind).body(Body::from(body)).expect("an answer")
}

fn redirect(to: &str) -> Response {
    Response::builder().status(302).header(LOCATION, to).body(Body::empty()).expect("an answer")
}

async fn breakage(how: Breakage, in_process: bool) -> Response {
    match how {
        Breakage::Down => json_answer(500, &json!({"error": "server_error"})),
        Breakage::Silent if in_process => {
            Response::builder().header(SILENT, "1").body(Body::empty()).expect("an answer")
        }
        Breakage::Silent => std::future::pending().await,
        Breakage::Huge => json_answer(200, &json!({"x": "x".repeat(2 << 20)})),
        Breakage::Redirects => redirect("/elsewhere"),
        Breakage::Garbage => plain_answer(200, "text/html", "<html>Please wait</html>".into()),
    }
}

impl Shared {
    fn endpoint(&self, path: &str) -> Endpoint {
        let own = format!("/v{}/", self.state().version);
        match path.strip_prefix(own.as_str()).unwrap_or(path) {
            "/.well-known/openid-configuration" => Endpoint::Discovery,
            "jwks" => Endpoint::Keys,
            "authorize" | "/github/login/oauth/authorize" | "/plain/authorize" => Endpoint::Authorization,
            "token" | "/github/login/oauth/access_token" | "/plain/token" => Endpoint::Token,
            "userinfo" | "/github/api/v3/user" | "/github/api/v3/user/emails" | "/plain/me" => {
                Endpoint::Profile
            }
            _ => Endpoint::Nowhere,
        }
    }

    fn document(&self) -> Value {
        let (url, state) = (self.url(), self.state());
        let at = |name| format!("{url}/v{}/{name}", state.version);
        json!({
            "issuer": state.issuer,
            "authorization_endpoint": at("authorize"),
            "token_endpoint": at("token"),
            "userinfo_endpoint": at("userinfo"),
            "jwks_uri": at("jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [state.key.algorithm()],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": state.says_iss,
        })
    }

    fn token(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let face = match path {
            "/github/login/oauth/access_token" => Face::GitHub,
            "/plain/token" => Face::Plain,
            _ => Face::Oidc,
        };
        let fields: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        // GitHub's errors are answers with 200.
        let refused = |error: &str| {
            let status = match (face, error) {
                (Face::GitHub, _) => 200,
                (_, "invalid_client") => 401,
                _ => 400,
            };
            json_answer(status, &json!({"error": error, "error_description": "for people"}))
        };
        if !is_client(headers, &fields) {
            return refused(if face == Face::GitHub {
                "incorrect_client_credentials"
            } else {
                "invalid_client"
            });
        }
        if fields.get("grant_type").map(String::as_str) != Some("authorization_code") {
            return refused("unsupported_grant_type");
        }
        let Some(grant) = self.redeem(face, &fields) else {
            return refused(if face == Face::GitHub { "bad_verification_code" } else { "invalid_grant" });
        };
        let mut state = self.state();
        let access_token = state.next("access-token");
        state.tokens.insert(access_token.clone(), grant.person.clone());
        let mut answer = json!({"access_token": access_token, "token_type": "bearer", "expires_in": 3600});
        if face == Face::Oidc && state.forgery != Some(Forgery::NoIdToken) {
            answer["id_token"] = json!(state.id_token(&grant, &access_token));
        }
        json_answer(200, &answer)
    }

    fn profile(&self, path: &str, headers: &HeaderMap) -> Response {
        let bearer =
            headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let mut state = self.state();
        let Some(person) = bearer.and_then(|token| state.tokens.get(token).cloned()) else {
            return json_answer(401, &json!({"error": "invalid_token"}));
        };
        let others = state.forgery == Some(Forgery::OthersProfile);
        let person = if others { Person { subject: state.next("9"), ..person } } else { person };
        let email = person.email.as_ref().map(|(email, _)| email);
        let verified = person.email.as_ref().is_some_and(|(_, verified)| *verified);
        let number = || person.subject.parse::<u64>().expect("GitHub's ids are numbers");
        let answer = match path {
            // The public address of a profile is whatever its owner likes.
            "/github/api/v3/user" => {
                json!({"id": number(), "login": "octo", "name": person.name, "email": "public@example.org"})
            }
            "/github/api/v3/user/emails" => json!([
                {"email": "old@example.org", "primary": false, "verified": true, "visibility": null},
                {"email": email, "primary": true, "verified": verified, "visibility": "private"},
            ]),
            "/plain/me" => json!({"user": {
                "id": person.subject, "display": person.name, "lang": "de",
                "contact": {"email": email, "confirmed": verified},
            }}),
            _ => json!({"sub": person.subject, "email": email, "email_verified": verified}),
        };
        json_answer(200, &answer)
    }
}

/// RFC 6749 §2.3.1, either way, but not both.
fn is_client(headers: &HeaderMap, fields: &HashMap<String, String>) -> bool {
    let ours = (CLIENT_ID.to_owned(), CLIENT_SECRET.to_owned());
    let posted = fields.get("client_id").cloned().zip(fields.get("client_secret").cloned());
    let basic = headers.get(AUTHORIZATION).and_then(|value| {
        let bytes = STANDARD.decode(value.to_str().ok()?.strip_prefix("Basic ")?).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decode =
            |half: &str| form_urlencoded::parse(half.as_bytes()).next().map(|(text, _)| text.into_owned());
        decode(id).zip(decode(secret))
    });
    match (posted, basic) {
        (Some(shown), None) | (None, Some(shown)) => shown == ours,
        (Some(_), Some(_)) | (None, None) => false,
    }
}
