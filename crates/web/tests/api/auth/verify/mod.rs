//! `GET /auth/verify`, as reverse proxies ask it.

mod cookies;
mod headers;
mod listener;
mod pages;
mod rules;
mod spoofing;
mod stale;
mod tokens;
mod upstream;

use portcullis_core::access::{Prefix, Require, Requirement, Rule, Rules};
use portcullis_jose::{AccessClaims, Algorithm, SigningKey};
use portcullis_testkit::{Actor, Backend, Reply, Setup, TestApp};

use crate::support::{common_headers, refused};

pub(crate) const VERIFY: &str = "/auth/verify";
pub(crate) const HOST: &str = "app.example";

/// What a page of a browser sends.
pub(crate) const PAGE: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

pub(crate) fn role(role: &str) -> Require {
    Require::SignedIn(vec![Requirement::Role(vec![role.into()])])
}

pub(crate) fn rule(path: &str, require: Require) -> Rule {
    Rule { host: None, path: Prefix::parse(path).expect(path), methods: vec![], require, audience: None }
}

pub(crate) fn set_rules(setup: &mut Setup, rules: Vec<Rule>) {
    setup.settings.forward_auth.rules = Rules::new("http://localhost:8400/upstream", rules);
}

/// A node with these rules.
pub(crate) async fn app_with(backend: Backend, rules: Vec<Rule>) -> TestApp {
    TestApp::with(backend, |setup| set_rules(setup, rules)).await
}

/// `method host/target`, asked for by a proxy.
pub(crate) async fn ask(actor: &Actor, method: &str, target: &str) -> Reply {
    actor.proxied(method, HOST, target).get(VERIFY).await
}

/// Asserts that the request may pass as `user`, or as nobody.
#[track_caller]
pub(crate) fn passes(reply: &Reply, user: Option<&str>) {
    assert_eq!((reply.status, reply.body.len()), (200, 0), "{}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("x-auth-user"), Some(user.unwrap_or_default()));
    for name in ["x-auth-role", "x-auth-account", "x-auth-actor", "x-auth-scopes"] {
        assert_eq!(reply.headers.get_all(name).iter().count(), 1, "{name}");
    }
    assert_eq!(reply.header("authorization").is_some(), user.is_some());
    common_headers(reply);
}

/// Asserts a 400 of a request that nobody can judge.
#[track_caller]
pub(crate) fn malformed(reply: &Reply) {
    refused(reply, 400, "malformed_request");
}

/// Signs whatever a test wants with the key of its node.
pub(crate) struct Signer(SigningKey);

impl Signer {
    /// Gives the node a key that the test has, too.
    pub(crate) fn of(setup: &mut Setup) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).expect("a key");
        let again = SigningKey::from_secret_der(Algorithm::Es256, &key.to_secret_der()).expect("the same");
        setup.settings.private_key = Some(key);
        Self(again)
    }

    /// Somebody with the token of `actor` after a change.
    pub(crate) fn altered(&self, actor: &Actor, change: impl FnOnce(&mut AccessClaims)) -> Actor {
        let mut claims: AccessClaims =
            serde_json::from_value(crate::support::claims_of(actor)).expect("claims of ours");
        change(&mut claims);
        actor.bearing(Some(&self.0.sign_claims(&claims).expect("a token")))
    }
}

/// A node whose key the test has, with these rules.
pub(crate) async fn signing_app(backend: Backend, rules: Vec<Rule>) -> (TestApp, Signer) {
    let mut signer = None;
    let app = TestApp::with(backend, |setup| {
        signer = Some(Signer::of(setup));
        set_rules(setup, rules);
    })
    .await;
    (app, signer.expect("made"))
}
