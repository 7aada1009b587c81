//! `/auth/passkeys`, with an authenticator that lies where a test wants it to. A real browser has its own scenes in
//! `e2e/tests`.

mod login;
mod manage;
mod nodes;
mod register;
pub(crate) mod second;

use portcullis_testkit::{Actor, Reply, SecurityKey, TestApp};
use serde_json::{Value, json};

use crate::support::private;

pub(crate) const REGISTER_START: &str = "/auth/passkeys/register/start";
pub(crate) const REGISTER_FINISH: &str = "/auth/passkeys/register/finish";
pub(crate) const LOGIN_START: &str = "/auth/passkeys/login/start";
pub(crate) const LOGIN_FINISH: &str = "/auth/passkeys/login/finish";

/// A ceremony that `actor` begins.
pub(crate) async fn begin(actor: &Actor, path: &str) -> Value {
    let reply = actor.send(http::Method::POST, path, None).await;
    private(&reply, 200);
    reply.json
}

/// What ends the registration `begun`.
pub(crate) fn created(authenticator: &mut SecurityKey, begun: &Value, name: &str) -> Value {
    let credential = authenticator.create(&begun["publicKey"]);
    json!({"ceremony": begun["ceremony"], "credential": credential, "name": name})
}

/// What ends the sign-in `begun`.
pub(crate) fn shown(authenticator: &mut SecurityKey, begun: &Value) -> Value {
    json!({"ceremony": begun["ceremony"], "credential": authenticator.get(&begun["publicKey"])})
}

/// Registers a passkey and goes on with the new tokens: the passkey.
pub(crate) async fn register(actor: &mut Actor, authenticator: &mut SecurityKey, name: &str) -> Value {
    let begun = begin(actor, REGISTER_START).await;
    let reply = actor.post(REGISTER_FINISH, &created(authenticator, &begun, name)).await;
    private(&reply, 201);
    actor.take_tokens(&reply);
    reply.json["passkey"].clone()
}

/// Tries to sign in.
pub(crate) async fn try_sign_in(app: &TestApp, authenticator: &mut SecurityKey) -> Reply {
    let begun = begin(&app.anon(), LOGIN_START).await;
    app.anon().post(LOGIN_FINISH, &shown(authenticator, &begun)).await
}

/// Signs in.
pub(crate) async fn sign_in(app: &TestApp, authenticator: &mut SecurityKey) -> Actor {
    let reply = try_sign_in(app, authenticator).await;
    private(&reply, 200);
    let mut actor = app.anon();
    actor.take_tokens(&reply);
    actor
}
