//! What the tests of `/oauth/*` share.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_app::clients::{By, ClientRequest};
use portcullis_core::user::Role;
use portcullis_testkit::{Actor, Reply, Setup, TestApp};
use serde_json::json;

use crate::support::user_id;

pub(crate) const ISSUER: &str = "http://localhost:8400";
/// Two services, for both of which every token is unless it was asked for otherwise.
pub(crate) const CHAT: &str = "https://chat.example";
pub(crate) const DOCS: &str = "https://docs.example";

pub(crate) const TOKEN: &str = "/oauth/token";
pub(crate) const INTROSPECT: &str = "/oauth/introspect";
pub(crate) const REVOKE: &str = "/oauth/revoke";

pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// An installation with services besides itself.
pub(crate) fn services(setup: &mut Setup) {
    setup.settings.audiences = [ISSUER, CHAT, DOCS].map(str::to_owned).to_vec();
}

/// A service client, and how it speaks.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) secret: String,
    actor: Actor,
}

/// A service client with both grants and the scopes `a b`, for these audiences.
pub(crate) async fn service(app: &TestApp, audiences: Option<&[&str]>) -> Service {
    service_with(app, &["client_credentials", EXCHANGE], audiences).await
}

pub(crate) async fn service_with(app: &TestApp, grants: &[&str], audiences: Option<&[&str]>) -> Service {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let request = ClientRequest {
        name: "a service".into(),
        grant_types: list(grants),
        scopes: list(&["a", "b"]),
        audience: audiences.map(list),
    };
    let made = app.cx.create_client(request, By::Operator).await.expect("the request is right");
    Service { id: made.client.id.to_string(), secret: made.secret.expose().to_owned(), actor: app.anon() }
}

/// `client_secret_basic` (RFC 6749 section 2.3.1).
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

impl Service {
    pub(crate) fn at(&self, other: &TestApp) -> Self {
        Self { actor: self.actor.at(other), ..self.clone() }
    }

    /// The same, but for its secret.
    pub(crate) fn with_secret(&self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self.clone() }
    }

    /// With its credentials in the header.
    pub(crate) async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Reply {
        let actor = self.actor.with_header("authorization", &basic(&self.id, &self.secret));
        post(&actor, path, parameters).await
    }

    /// A token in its own name.
    pub(crate) async fn token(&self) -> String {
        let reply = self.post(TOKEN, &[("grant_type", "client_credentials")]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn introspect(&self, token: &str) -> Reply {
        self.post(INTROSPECT, &[("token", token)]).await
    }

    /// Whether it is told that `token` is good; of a bad one it is told nothing else.
    pub(crate) async fn sees(&self, token: &str) -> bool {
        let reply = self.introspect(token).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let active = reply.json["active"] == true;
        assert!(active || reply.json == json!({"active": false}), "{}", reply.text());
        active
    }
}

/// `POST` with a form.
pub(crate) async fn post(actor: &Actor, path: &str, parameters: &[(&str, &str)]) -> Reply {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let body = form.extend_pairs(parameters).finish();
    let kind = "application/x-www-form-urlencoded";
    actor.send_bytes(http::Method::POST, path, kind, body.into_bytes()).await
}

/// Exchanges `subject` by nobody in particular.
pub(crate) async fn exchange(actor: &Actor, subject: &str, more: &[(&str, &str)]) -> Reply {
    let own = [("grant_type", EXCHANGE), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
    post(&actor.bearing(None), TOKEN, &[&own, more].concat()).await
}

/// An API token of `actor`, with these scopes.
pub(crate) async fn api_token(actor: &Actor, scopes: Option<&[&str]>) -> (String, String) {
    let own =
        actor.post("/auth/refresh", &json!({"refresh_token": actor.refresh_token, "audience": ISSUER})).await;
    let own = actor.bearing(own.json["access_token"].as_str());
    let made = own.post("/auth/tokens", &json!({"name": "a token", "scopes": scopes})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let text = |name: &str| made.json[name].as_str().unwrap().to_owned();
    (text("token"), text("id"))
}

/// An administrator with a token for the issuer alone.
pub(crate) async fn administrator(app: &TestApp) -> Actor {
    let mut root = app.sign_up("root").await;
    assert!(app.cx.set_role(user_id(&root), Role::ADMIN).await.unwrap());
    let body = json!({"refresh_token": root.refresh_token, "audience": ISSUER});
    let reply = root.post("/auth/refresh", &body).await;
    root.take_tokens(&reply);
    root
}
