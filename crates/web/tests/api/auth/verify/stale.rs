//! Without news of revocations.

use std::time::Duration;

use portcullis_app::forward_auth::Stale;
use portcullis_core::access::Require;
use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::{app_with, ask, passes, rule, set_rules};
use crate::support::refused;

#[tokio::test]
async fn it_goes_on_by_what_it_knows_or_it_is_a_fault() {
    let app = app_with(Backend::Sqlite, vec![]).await;
    let (ada, gone) = (app.sign_up("ada").await, app.sign_up("gone").await);
    // Nobody is ever heard of in no time.
    let node = async |stale| {
        let change = |setup: &mut portcullis_testkit::Setup| {
            set_rules(setup, vec![rule("/public", Require::Public)]);
            setup.settings.max_staleness = Duration::ZERO;
            setup.settings.forward_auth.stale = stale;
        };
        app.another(change).await
    };
    let (serving, refusing) = (node(Stale::Serve).await, node(Stale::Refuse).await);
    let at = |node: &TestApp, actor: &portcullis_testkit::Actor| actor.at(node);
    passes(&ask(&at(&serving, &ada), "GET", "/").await, ada.user.as_deref());
    refused(&ask(&at(&refusing, &ada), "GET", "/").await, 503, "store_unavailable");
    for node in [&serving, &refusing] {
        refused(&at(node, &ada).get("/auth/me").await, 503, "store_unavailable");
        refused(&ask(&node.anon(), "GET", "/").await, 401, "missing_token");
        passes(&ask(&node.anon(), "GET", "/public").await, None);
        refused(&ask(&at(node, &ada.bearing(Some("garbage"))), "GET", "/").await, 401, "invalid_token");
    }
    // A fault says nothing about the cookie: it is not as if there were none.
    let cookie = format!("pc_access={}", ada.access_token.as_deref().unwrap());
    let browser = refusing.anon().with_header("cookie", &cookie);
    for target in ["/", "/public"] {
        refused(&ask(&browser, "GET", target).await, 503, "store_unavailable");
    }
    gone.at(&app).post("/auth/logout", &json!({})).await;
    serving.cx.follow_revocations().await.unwrap();
    refused(&ask(&at(&serving, &gone), "GET", "/").await, 401, "invalid_token");
}
