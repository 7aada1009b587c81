//! Signing in by way of other providers, and being known there.

mod anew;
mod apps;
mod arrivals;
mod language;
mod legacy;
mod linking;
mod newcomers;
mod noted;
mod passwordless;
mod pre_hijacking;
mod races;
mod sign_in;
mod state;

use portcullis_testkit::app::Browser;
use portcullis_testkit::{Actor, Backend, FakeIdp, Person, Reply, Returned, Setup, TestApp};
use serde_json::{Value, json};

/// Where the app of the tests is, that handles its redirects itself.
pub(crate) const APP: &str = "https://app.example/signed-in";

/// A node with the providers `acme` and `other`, which are one and the same.
pub(crate) async fn world(backend: Backend) -> (TestApp, FakeIdp) {
    world_with(backend, |_| {}).await
}

/// The same, whose setup `change` has changed.
pub(crate) async fn world_with(backend: Backend, change: impl FnOnce(&mut Setup)) -> (TestApp, FakeIdp) {
    let fake = FakeIdp::start().await;
    let app = TestApp::with(backend, |setup| {
        configure(setup, &fake);
        change(setup);
    })
    .await;
    fake.serve(&app);
    (app, fake)
}

/// What [`world`] sets.
pub(crate) fn configure(setup: &mut Setup, fake: &FakeIdp) {
    setup.settings.providers = vec![fake.oidc("acme"), fake.oidc("other"), fake.oauth2("plain")];
    setup.web.return_urls =
        vec![APP.into(), "https://app.example/other".into(), "https://shop.example".into()];
}

/// One more node on the same database, which reaches the provider, too.
pub(crate) async fn another(app: &TestApp, fake: &FakeIdp, change: impl FnOnce(&mut Setup)) -> TestApp {
    let other = app
        .another(|setup| {
            configure(setup, fake);
            change(setup);
        })
        .await;
    fake.serve(&other);
    other
}

/// Somebody whom the provider vouches for.
pub(crate) fn ada(fake: &FakeIdp) -> Person {
    fake.person("ada-there", "ada@example.org", true)
}

/// Where a browser that opens `path` is sent.
pub(crate) async fn sent(browser: &Browser, path: &str) -> String {
    let reply = browser.get(path).await;
    assert_eq!(reply.status, 302, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    reply.header("location").expect("a place").to_owned()
}

/// A browser that comes back from `provider`.
pub(crate) async fn back(browser: &Browser, provider: &str, returned: &Returned) -> Reply {
    let page = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    browser.saying(&page).get(&path_back(provider, returned)).await
}

/// The path of our callback, with what `returned` brings.
pub(crate) fn path_back(provider: &str, returned: &Returned) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("code", &returned.code).append_pair("state", &returned.state);
    if let Some(iss) = &returned.iss {
        query.append_pair("iss", iss);
    }
    format!("/auth/oauth/{provider}/callback?{}", query.finish())
}

/// Signs in by the pages, by way of `acme`.
pub(crate) async fn sign_in(browser: &Browser, fake: &FakeIdp, person: &Person) -> Reply {
    let url = sent(browser, "/auth/oauth/acme/start").await;
    back(browser, "acme", &fake.authorize(&url, person)).await
}

/// An app's way to `acme`: where to send the browser, `state` and `flow_secret`.
pub(crate) async fn begun(actor: &Actor) -> Value {
    let reply = actor
        .with_header("accept", "application/json")
        .get(&format!("/auth/oauth/acme/start?redirect_uri={APP}"))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json
}

/// What an app brings.
pub(crate) fn brought(begun: &Value, returned: &Returned) -> Value {
    json!({
        "code": returned.code, "state": returned.state, "iss": returned.iss, "flow_secret": begun["flow_secret"],
    })
}

/// Brings the code of somebody by way of `acme`, as an app does.
pub(crate) async fn bring(actor: &Actor, fake: &FakeIdp, person: &Person) -> Reply {
    let begun = begun(actor).await;
    let returned = fake.authorize(begun["authorization_url"].as_str().expect("a URL"), person);
    actor.post("/auth/oauth/acme/callback", &brought(&begun, &returned)).await
}

/// Somebody who is signed in by way of `acme`.
pub(crate) async fn arrived(app: &TestApp, fake: &FakeIdp, person: &Person) -> Actor {
    let mut actor = app.anon();
    let reply = bring(&actor, fake, person).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    actor.take_tokens(&reply);
    actor
}

/// Links `person` at `acme` to `actor`, as an app does.
pub(crate) async fn link(actor: &Actor, fake: &FakeIdp, person: &Person) -> Reply {
    let begun = actor.post("/auth/oauth/acme/link", &json!({"redirect_uri": APP})).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    let returned = fake.authorize(begun.json["authorization_url"].as_str().expect("a URL"), person);
    actor.post("/auth/oauth/acme/callback", &brought(&begun.json, &returned)).await
}

/// The identities of `actor`.
pub(crate) async fn identities_of(actor: &Actor) -> Vec<Value> {
    let reply = actor.get("/auth/identities").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json["items"].as_array().expect("a list").clone()
}

/// Asserts that a browser was not signed in: the sign-in page again, with what was wrong.
#[track_caller]
pub(crate) fn stays_out(reply: Reply, browser: &Browser, status: u16, code: &str) -> crate::pages::Page {
    assert!(browser.cookie("pc_refresh").is_none() && browser.cookie("pc_access").is_none());
    let page = crate::pages::Page::of(reply, status);
    assert_eq!(page.code(), code, "{}", page.reply.text());
    page
}
