//! The database stops, hangs and comes back: what needs it answers 503 with `Retry-After` and never 401, what
//! does not goes on, and nothing has to be restarted.

use std::time::{Duration, Instant};

use portcullis_app::forward_auth::Stale;
use portcullis_core::secret_token::{Kind, SecretToken};
use portcullis_testkit::postgres::OwnCluster;
use portcullis_testkit::{Actor, Database, PASSWORD, Reply, SeededRandom, TestApp};
use serde_json::json;

use crate::oauth::support::{INTROSPECT, REVOKE, TOKEN, post};
use crate::support::{credentials, eventually, oauth_refused, private, refused};

const NO_CLIENT: &str = "00000000-0000-7000-8000-000000000000";

/// The promise for whatever needs the database is two seconds; the rest is for a busy machine.
const ANSWER: Duration = Duration::from_millis(2_500);

async fn app_on(cluster: &OwnCluster, max_staleness: Duration) -> TestApp {
    let database = Database::elsewhere(cluster.create_database("portcullis"));
    let app = TestApp::over(database, |setup| {
        setup.settings.max_staleness = max_staleness;
        setup.settings.forward_auth.stale = Stale::Refuse;
    })
    .await;
    set_clock(&app).await;
    app
}

async fn set_clock(app: &TestApp) {
    app.clock.set(app.cx.store.database_clock().await.expect("it answers").expect("it has a clock"));
}

fn proxied(actor: &Actor) -> Actor {
    actor.proxied("GET", "app.example", "/")
}

/// Every request that needs the database, at once.
async fn what_needs_it(app: &TestApp, ada: &Actor) -> Vec<(&'static str, Reply)> {
    let begun = Instant::now();
    let anon = app.anon();
    let (login, register) = (credentials("ada", PASSWORD), credentials("new", PASSWORD));
    let logout = json!({"refresh_token": ada.refresh_token});
    let change = json!({"current_password": PASSWORD, "new_password": "x"});
    let set_up = json!({"token": "x", "email": "a@example.org", "password": PASSWORD});
    let patch = json!({"name": "x"});
    let token = ada.refresh_token.clone().unwrap();
    let replies = tokio::join!(
        anon.post("/auth/login", &login),
        anon.post("/auth/register", &register),
        ada.refresh_with(&token),
        ada.post("/auth/logout", &logout),
        ada.get("/auth/me"),
        ada.patch("/auth/me", &patch),
        ada.get("/auth/sessions"),
        ada.post("/auth/password/change", &change),
        anon.post("/auth/setup", &set_up),
    );
    assert!(begun.elapsed() < ANSWER, "{:?}", begun.elapsed());
    let (login, register, refresh, logout, me, patch, sessions, change, set_up) = replies;
    vec![
        ("login", login),
        ("register", register),
        ("refresh", refresh),
        ("logout", logout),
        ("me", me),
        ("patch", patch),
        ("sessions", sessions),
        ("change", change),
        ("setup", set_up),
    ]
}

/// What is answered without the database.
async fn what_does_not(app: &TestApp) {
    for path in
        ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/health/live", "/auth/config"]
    {
        assert_eq!(app.anon().get(path).await.status, 200, "{path}");
    }
    refused(&app.anon().get("/auth/me").await, 401, "missing_token");
    refused(&app.anon().refresh_with("garbage").await, 401, "invalid_token");
}

async fn is_out(app: &TestApp, ada: &Actor) {
    let oauth = async |path: &str, parameters: &[(&str, &str)]| {
        oauth_refused(&post(&app.anon(), path, parameters).await, 503, "temporarily_unavailable");
    };
    let secret = SecretToken::new(Kind::ClientSecret, &SeededRandom::new(7));
    let pair = [("client_id", NO_CLIENT), ("client_secret", secret.expose())];
    let pair = [&pair[..], &[("grant_type", "client_credentials")]].concat();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", ada.refresh_token.as_deref().unwrap())];
    let token = [("token", ada.refresh_token.as_deref().unwrap())];
    tokio::join!(
        oauth(TOKEN, &pair),
        oauth(INTROSPECT, &pair),
        oauth(TOKEN, &refresh),
        oauth(REVOKE, &token)
    );
    for (name, reply) in what_needs_it(app, ada).await {
        assert_eq!(reply.outcome(), (503, "store_unavailable"), "{name}");
        refused(&reply, 503, "store_unavailable");
    }
    what_does_not(app).await;
    let ready = app.anon().get("/health/ready").await;
    assert_eq!((ready.status, &ready.json["checks"][0]["status"]), (503, &json!("fault")));
}

async fn is_back(app: &TestApp, ada: &mut Actor) {
    eventually("the session goes on", async || {
        let reply = ada.refresh().await;
        assert_ne!(reply.status, 401, "{}", reply.text());
        reply.status == 200
    })
    .await;
    eventually("bearers are believed again", async || {
        let reply = proxied(ada).get("/auth/verify").await;
        assert_ne!(reply.status, 401, "{}", reply.text());
        reply.status == 200
    })
    .await;
    eventually("ready", async || {
        set_clock(app).await;
        app.anon().get("/health/ready").await.status == 200
    })
    .await;
    assert_eq!(app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await.status, 200);
    private(&ada.get("/auth/me").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_and_started_again() {
    let cluster = OwnCluster::start(false);
    let app = app_on(&cluster, Duration::from_mins(1)).await;
    let mut ada = app.sign_up("ada").await;
    for _ in 0..2 {
        cluster.stop();
        is_out(&app, &ada).await;
        private_bearer(&ada).await;
        is_out(&app, &ada).await;
        cluster.start_again();
        is_back(&app, &mut ada).await;
    }
    drop(app);
}

async fn private_bearer(ada: &Actor) {
    let reply = proxied(ada).get("/auth/verify").await;
    assert_eq!(reply.status, 200, "bearers are checked without the database: {}", reply.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_and_thawed() {
    let cluster = OwnCluster::start(false);
    let app = app_on(&cluster, Duration::from_mins(1)).await;
    let mut ada = app.sign_up("ada").await;
    cluster.pause();
    is_out(&app, &ada).await;
    private_bearer(&ada).await;
    cluster.resume();
    // What was under way when it froze may have been done after the thaw: signing out included.
    eventually("sign-in works", async || {
        app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await.status == 200
    })
    .await;
    ada = app.sign_in("ada").await;
    is_back(&app, &mut ada).await;
    drop(app);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_news_for_too_long_nothing_stale_is_answered() {
    let cluster = OwnCluster::start(false);
    let app = app_on(&cluster, Duration::from_secs(2)).await;
    let mut ada = app.sign_up("ada").await;
    cluster.stop();
    private_bearer(&ada).await;
    eventually("it says that it does not know any more", async || {
        let reply = proxied(&ada).get("/auth/verify").await;
        assert!(matches!(reply.outcome(), (200, _) | (503, "store_unavailable")), "{}", reply.text());
        reply.status == 503
    })
    .await;
    refused(&proxied(&ada).get("/auth/verify").await, 503, "store_unavailable");
    refused(&ada.get("/auth/me").await, 503, "store_unavailable");
    what_does_not(&app).await;
    cluster.start_again();
    is_back(&app, &mut ada).await;
    drop(app);
}
