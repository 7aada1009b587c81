//! After every way of signing in the session is a session like any other: its tokens, the list and the audit log say how
//! it began, it goes on by refreshes, and each of its refresh tokens is good once.

use std::time::Duration;

use portcullis_core::time::Clock as _;
use portcullis_testkit::app::Browser;
use portcullis_testkit::{Actor, FakeIdp, PASSWORD, Reply, SecurityKey, TestApp};
use serde_json::{Value, json};

use super::factors::trusted::{again, trust};
use super::factors::{LOGIN_FACTOR, Phone, challenge, set_up, show};
use super::passkeys::second::{owing, second_half};
use super::passkeys::{register, try_sign_in};
use super::social::{ada, arrived, back, bring, sent, world};
use crate::on_both;
use crate::pages::{sent_on, sign_in_at, submit};
use crate::support::{claims, credentials, events, private, refused};

const FACTOR_PAGE: &str = "/sign-in/factor";

/// Who has signed in.
#[derive(Clone)]
enum Holder {
    /// An app, which keeps its tokens itself.
    App(Actor),
    /// A browser, which keeps its refresh token in a cookie, and its access token, too, or in the page.
    Browser { browser: Browser, access_token: Option<String> },
}

impl Holder {
    /// An app that has got tokens.
    fn app(app: &TestApp, reply: &Reply) -> Self {
        private(reply, 200);
        let mut actor = app.anon();
        actor.take_tokens(reply);
        Self::App(actor)
    }

    /// A browser that has got cookies, and perhaps an access token in the answer.
    async fn browser(mut browser: Browser, reply: &Reply) -> Self {
        browser.fetch_csrf_token().await;
        let mut holder = Self::Browser { browser, access_token: None };
        holder.take(reply);
        holder
    }

    fn take(&mut self, reply: &Reply) {
        match self {
            Self::App(actor) => actor.take_tokens(reply),
            Self::Browser { browser, access_token } => {
                let in_cookie = browser.cookie("pc_access").map(|cookie| cookie.value);
                *access_token = in_cookie.or_else(|| reply.json["access_token"].as_str().map(str::to_owned));
            }
        }
    }

    /// The access token, if it was given one: a page that was sent here by a provider asks for its first one by a
    /// refresh.
    fn access_token(&self) -> Option<&str> {
        match self {
            Self::App(actor) => actor.access_token.as_deref(),
            Self::Browser { access_token, .. } => access_token.as_deref(),
        }
    }

    fn refresh_token(&self) -> String {
        match self {
            Self::App(actor) => actor.refresh_token.clone().expect("signed in"),
            Self::Browser { browser, .. } => browser.value("pc_refresh"),
        }
    }

    /// The same holder with the tokens it has now: what it gets from here on, the first one does not.
    fn copied(&self) -> Self {
        match self {
            Self::App(_) => self.clone(),
            Self::Browser { browser, access_token } => {
                Self::Browser { browser: browser.copied(), access_token: access_token.clone() }
            }
        }
    }

    /// Presents its refresh token, and takes what it gets for it.
    async fn refresh(&mut self) -> Reply {
        let reply = match self {
            Self::App(actor) => actor.refresh_with(&actor.refresh_token.clone().expect("signed in")).await,
            Self::Browser { browser, .. } => browser.refresh().await,
        };
        if reply.status == 200 {
            self.take(&reply);
        }
        reply
    }
}

/// Refreshes, as it must go.
async fn refreshed(holder: &mut Holder) -> String {
    private(&holder.refresh().await, 200);
    holder.access_token().expect("a new one").to_owned()
}

/// What is there after every way of signing in. `methods`: what was shown.
async fn is_like_any_other(app: &TestApp, mut holder: Holder, methods: &[&str]) {
    let first = match holder.access_token() {
        Some(token) => token.to_owned(),
        None => refreshed(&mut holder).await,
    };
    let told = claims(&first);
    is_told_of(app, &first, methods).await;

    // A refresh: the same session by new tokens, which work.
    app.clock.advance(Duration::from_mins(5));
    let mut behind = holder.copied();
    let before = holder.refresh_token();
    let second = refreshed(&mut holder).await;
    assert_ne!((holder.refresh_token(), &second), (before, &first));
    let mut expected = told.clone();
    for changed in ["jti", "iat", "nbf", "exp"] {
        expected[changed] = claims(&second)[changed].clone();
    }
    expected["gen"] = json!(told["gen"].as_u64().expect("a number") + 1);
    assert_eq!(claims(&second), expected, "all that the first one said");
    let me = app.anon().bearing(Some(&second)).get("/auth/me").await;
    private(&me, 200);
    assert_eq!(me.json["id"], told["sub"]);

    // Again, for the answer was lost: the same successor, to the last moment of the grace.
    app.clock.advance(Duration::from_mins(1));
    let mut again = behind.copied();
    let of_replay = refreshed(&mut again).await;
    assert_eq!(again.refresh_token(), holder.refresh_token(), "a replay gets what there is");
    assert_eq!(claims(&of_replay)["gen"], expected["gen"]);

    // After it: somebody else has a copy. Nothing that came of this sign-in is good any more, on any node.
    app.clock.advance(Duration::from_secs(1));
    let other = app.another(|_| {}).await;
    refused(&behind.refresh().await, 401, "refresh_reused");
    for token in [&first, &second, &of_replay] {
        app.anon().bearing(Some(token)).until_refused("/auth/me").await;
        other.anon().bearing(Some(token)).until_refused("/auth/me").await;
    }
    refused(&holder.refresh().await, 401, "refresh_revoked");
    let reused = noted(app, "refresh.reused", &told["sid"]).await;
    assert_eq!((reused.len(), &reused[0]["detail"]["cause"]), (1, &json!("reused")));
}

/// The token, the list of sessions and the audit log say how the session began.
async fn is_told_of(app: &TestApp, access_token: &str, methods: &[&str]) {
    let told = claims(access_token);
    let now = app.clock.now().to_string();
    assert_eq!((&told["amr"], &told["auth_time"]), (&json!(methods), &told["iat"]));

    let reply = app.anon().bearing(Some(access_token)).get("/auth/sessions").await;
    private(&reply, 200);
    let items = reply.json["items"].as_array().expect("a list");
    let current: Vec<_> = items.iter().filter(|item| item["current"] == true).collect();
    let expected = json!({
        "id": told["sid"], "device": "portcullis-tests", "address": "127.0.0.1", "created_at": now,
        "last_used_at": now, "current": true, "acting": false, "methods": methods,
    });
    assert_eq!(current, [&expected], "this one, and this one alone");

    let expected = json!({
        "actor": told["sub"], "user": told["sub"], "session": told["sid"], "address": "127.0.0.1",
        "detail": {"methods": methods.join(" ")},
    });
    assert_eq!(noted(app, "session.started", &told["sid"]).await, [expected]);
}

/// What the audit log has of this kind on one session.
async fn noted(app: &TestApp, kind: &str, session: &Value) -> Vec<Value> {
    events(app, kind).await.into_iter().filter(|event| event["session"] == *session).collect()
}

/// The app for codes of `ada`, who has a password.
async fn with_phone(app: &TestApp) -> Phone {
    let mut ada = app.sign_up("ada").await;
    set_up(app, &mut ada).await
}

/// The same of `ada` who comes by way of a provider.
async fn with_phone_by_provider(app: &TestApp, fake: &FakeIdp) -> Phone {
    let mut user = arrived(app, fake, &ada(fake)).await;
    set_up(app, &mut user).await
}

/// A browser that comes back from the provider whose way begins at `start`.
async fn comes_back(app: &TestApp, fake: &FakeIdp, start: &str) -> Holder {
    let browser = app.browser();
    let url = sent(&browser, start).await;
    let provider = start.split('/').nth(3).expect("its name");
    let reply = back(&browser, provider, &fake.authorize(&url, &ada(fake))).await;
    sent_on(&reply, "/account");
    Holder::browser(browser, &reply).await
}

/// The passkey of `ada`, who has a password.
async fn with_passkey(app: &TestApp) -> SecurityKey {
    let mut ada = app.sign_up("ada").await;
    let mut authenticator = SecurityKey::counting();
    register(&mut ada, &mut authenticator, "laptop").await;
    authenticator
}

on_both! {
    async fn by_signing_up(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        is_like_any_other(&app, Holder::App(ada), &["pwd"]).await;
    }

    async fn by_a_password(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let reply = app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await;
        is_like_any_other(&app, Holder::app(&app, &reply), &["pwd"]).await;
    }

    async fn by_a_password_in_a_browser(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        for delivery in ["cookie", "cookies"] {
            let mut browser = app.browser();
            let reply = browser.sign_in("ada", delivery).await;
            is_like_any_other(&app, Holder::browser(browser, &reply).await, &["pwd"]).await;
        }
    }

    async fn by_a_password_and_a_code(backend: Backend) {
        let app = TestApp::new(backend).await;
        let phone = with_phone(&app).await;
        let open = challenge(&app.anon(), "ada").await;
        let reply = show(&app.anon(), &open, "totp", &phone.next(&app)).await;
        is_like_any_other(&app, Holder::app(&app, &reply), &["pwd", "otp", "mfa"]).await;
    }

    async fn by_a_password_and_a_code_on_our_pages(backend: Backend) {
        let app = TestApp::new(backend).await;
        let phone = with_phone(&app).await;
        let browser = app.browser();
        sent_on(&sign_in_at(&browser, "/sign-in", "ada").await, FACTOR_PAGE);
        let reply = submit(&browser, FACTOR_PAGE, &[("code", &phone.next(&app))]).await;
        sent_on(&reply, "/account");
        is_like_any_other(&app, Holder::browser(browser, &reply).await, &["pwd", "otp", "mfa"]).await;
    }

    async fn by_a_recovery_code(backend: Backend) {
        let app = TestApp::new(backend).await;
        let phone = with_phone(&app).await;
        let open = challenge(&app.anon(), "ada").await;
        let reply = show(&app.anon(), &open, "recovery_code", &phone.recovery_codes[0]).await;
        is_like_any_other(&app, Holder::app(&app, &reply), &["pwd", "recovery", "mfa"]).await;
    }

    async fn by_a_password_on_a_trusted_device(backend: Backend) {
        let app = TestApp::new(backend).await;
        let phone = with_phone(&app).await;
        let device = trust(&app, &phone).await;
        let reply = again(&device, PASSWORD).await;
        // Nobody has shown a factor.
        is_like_any_other(&app, Holder::app(&app, &reply), &["pwd"]).await;
    }

    async fn by_a_passkey(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut authenticator = with_passkey(&app).await;
        let reply = try_sign_in(&app, &mut authenticator).await;
        is_like_any_other(&app, Holder::app(&app, &reply), &["hwk", "user", "mfa"]).await;
    }

    async fn by_a_password_and_a_passkey(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut authenticator = with_passkey(&app).await;
        let owed = owing(&app, "ada").await;
        let body = second_half(&app, &mut authenticator, &owed, &json!({"challenge": owed})).await;
        let reply = app.anon().post(LOGIN_FACTOR, &body).await;
        is_like_any_other(&app, Holder::app(&app, &reply), &["pwd", "hwk", "user", "mfa"]).await;
    }

    /// 004: the tokens were answered, and the first refresh was 401, for nobody had stored them.
    async fn by_a_provider_in_an_app(backend: Backend) {
        let (app, fake) = world(backend).await;
        let reply = bring(&app.anon(), &fake, &ada(&fake)).await;
        is_like_any_other(&app, Holder::app(&app, &reply), &["fed"]).await;
    }

    async fn by_a_provider_in_a_browser(backend: Backend) {
        let (app, fake) = world(backend).await;
        for (query, has_access) in [("", true), ("?delivery=cookies", true), ("?delivery=cookie", false)] {
            let holder = comes_back(&app, &fake, &format!("/auth/oauth/acme/start{query}")).await;
            assert_eq!(holder.access_token().is_some(), has_access, "{query}");
            is_like_any_other(&app, holder, &["fed"]).await;
        }
    }

    async fn by_a_provider_of_plain_oauth(backend: Backend) {
        let (app, fake) = world(backend).await;
        let holder = comes_back(&app, &fake, "/auth/oauth/plain/start").await;
        is_like_any_other(&app, holder, &["fed"]).await;
    }

    async fn by_a_provider_and_a_code_in_an_app(backend: Backend) {
        let (app, fake) = world(backend).await;
        let phone = with_phone_by_provider(&app, &fake).await;
        let owed = bring(&app.anon(), &fake, &ada(&fake)).await;
        refused(&owed, 403, "second_factor_required");
        let open = owed.json["challenge"].as_str().unwrap();
        let reply = show(&app.anon(), open, "totp", &phone.next(&app)).await;
        is_like_any_other(&app, Holder::app(&app, &reply), &["fed", "otp", "mfa"]).await;
    }

    async fn by_a_provider_and_a_passkey(backend: Backend) {
        let (app, fake) = world(backend).await;
        let mut user = arrived(&app, &fake, &ada(&fake)).await;
        let mut authenticator = SecurityKey::synced();
        register(&mut user, &mut authenticator, "phone").await;
        let owed = bring(&app.anon(), &fake, &ada(&fake)).await;
        refused(&owed, 403, "second_factor_required");
        let body = second_half(&app, &mut authenticator, &owed.json["challenge"], &json!({})).await;
        let reply = app.anon().post(LOGIN_FACTOR, &body).await;
        is_like_any_other(&app, Holder::app(&app, &reply), &["fed", "swk", "user", "mfa"]).await;
    }

    async fn by_a_provider_and_a_code_in_a_browser(backend: Backend) {
        let (app, fake) = world(backend).await;
        let phone = with_phone_by_provider(&app, &fake).await;
        for query in ["", "?delivery=cookie"] {
            let browser = app.browser();
            let url = sent(&browser, &format!("/auth/oauth/acme/start{query}")).await;
            sent_on(&back(&browser, "acme", &fake.authorize(&url, &ada(&fake))).await, FACTOR_PAGE);
            let reply = submit(&browser, FACTOR_PAGE, &[("code", &phone.next(&app))]).await;
            sent_on(&reply, "/account");
            is_like_any_other(&app, Holder::browser(browser, &reply).await, &["fed", "otp", "mfa"]).await;
        }
    }
}
