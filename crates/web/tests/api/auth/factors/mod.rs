//! `/auth/factors…`, `POST /auth/login/factor`, `POST /auth/step-up`

mod budget;
mod listed;
mod login;
mod recovery;
mod required;
mod server_key;
mod set_up;
mod step_up;
pub(crate) mod trusted;
mod ways;

use std::time::Duration;

use portcullis_core::time::Clock as _;
use portcullis_testkit::{Actor, Authenticator, PASSWORD, Reply, TestApp};
use serde_json::{Value, json};

use crate::support::{credentials, private, refused};

pub(crate) const TOTP: &str = "/auth/factors/totp";
pub(crate) const CONFIRM: &str = "/auth/factors/totp/confirm";
pub(crate) const LOGIN_FACTOR: &str = "/auth/login/factor";
pub(crate) const STEP_UP: &str = "/auth/step-up";

/// An app for codes, set up by what the server says of it.
pub(crate) struct Phone {
    app: Authenticator,
    /// Its id at the server.
    pub(crate) id: String,
    pub(crate) recovery_codes: Vec<String>,
}

impl Phone {
    /// Reads the secret of an answer.
    pub(crate) fn new(begun: &Value) -> Self {
        let app = Authenticator::new(begun["secret"].as_str().expect("a secret"));
        Self { app, id: begun["id"].as_str().unwrap().to_owned(), recovery_codes: vec![] }
    }

    /// The code that it shows so many steps from now.
    pub(crate) fn code(&self, app: &TestApp, steps: i64) -> String {
        self.app.code(app.clock.now(), steps)
    }

    /// A code that was not shown before: time goes by until there is one.
    pub(crate) fn next(&self, app: &TestApp) -> String {
        app.clock.advance(Duration::from_secs(30));
        self.code(app, 0)
    }
}

/// A code that is wrong now.
pub(crate) fn wrong(app: &TestApp, phone: &Phone) -> String {
    let near: Vec<_> = (-1..=1).map(|steps| phone.code(app, steps)).collect();
    let wrong = ["000000", "111111", "222222", "333333"];
    (*wrong.iter().find(|code| !near.iter().any(|good| good == *code)).expect("three are near")).to_owned()
}

/// Sets up an app for `actor`, who has signed in a moment ago.
pub(crate) async fn set_up(app: &TestApp, actor: &mut Actor) -> Phone {
    let begun = actor.post(TOTP, &json!({})).await;
    private(&begun, 201);
    let mut phone = Phone::new(&begun.json);
    let reply = actor.post(CONFIRM, &json!({"code": phone.code(app, 0)})).await;
    private(&reply, 200);
    actor.take_tokens(&reply);
    phone.recovery_codes = texts(&reply.json["recovery_codes"]);
    phone
}

pub(crate) fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().expect("a list").iter();
    items.map(|item| item.as_str().expect("a text").to_owned()).collect()
}

/// The first half of a sign-in: the challenge.
pub(crate) async fn challenge(actor: &Actor, name: &str) -> String {
    let reply = actor.post("/auth/login", &credentials(name, PASSWORD)).await;
    refused(&reply, 403, "second_factor_required");
    reply.json["challenge"].as_str().expect("a challenge").to_owned()
}

/// The second half.
pub(crate) async fn show(actor: &Actor, challenge: &str, method: &str, code: &str) -> Reply {
    actor.post(LOGIN_FACTOR, &json!({"challenge": challenge, "method": method, "code": code})).await
}

/// Both halves.
pub(crate) async fn sign_in(app: &TestApp, name: &str, phone: &Phone) -> Actor {
    let mut actor = app.anon();
    let challenge = challenge(&actor, name).await;
    let reply = show(&actor, &challenge, "totp", &phone.next(app)).await;
    private(&reply, 200);
    actor.take_tokens(&reply);
    actor
}
