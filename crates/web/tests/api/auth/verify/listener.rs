//! `forward_auth.listen`: nothing but the question, and no secret needed.

use http::Method;
use portcullis_testkit::{Actor, Backend, TestApp};
use portcullis_web::paths;

use super::{VERIFY, malformed, passes};
use crate::support::refused;

fn asking(actor: &Actor) -> Actor {
    let family = [
        ("x-forwarded-method", "POST"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example"),
        ("x-forwarded-uri", "/x"),
    ];
    family.iter().fold(actor.clone(), |actor, (name, value)| actor.with_header(name, value))
}

#[tokio::test]
async fn it_answers_proxies_without_a_secret_and_nobody_else() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.web.forward_secret = None).await;
    let ada = app.sign_up("ada").await;
    let inside = ada.through(app.app.forward_auth());
    passes(&asking(&inside).get(VERIFY).await, ada.user.as_deref());
    refused(&asking(&inside.bearing(None)).get(VERIFY).await, 401, "missing_token");
    malformed(&inside.get(VERIFY).await);
    // The main one has not changed.
    refused(&asking(&ada).get(VERIFY).await, 404, "not_found");
    assert_eq!(inside.get(paths::LIVE).await.status, 200);
    for path in paths::ALL.iter().filter(|path| **path != VERIFY && **path != paths::LIVE) {
        let path = path.replace("{name}", "portcullis.css").replace("{id}", "x");
        refused(&inside.get(&path).await, 404, "not_found");
    }
}

#[tokio::test]
async fn it_is_asked_in_any_way_that_proxies_ask() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let inside = asking(&ada.through(app.app.forward_auth()));
    // Envoy keeps the method, the host and the path.
    for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS] {
        for host in ["localhost", "app.example", "10.0.0.7:8401"] {
            let reply =
                inside.with_header("host", host).send(method.clone(), "/auth/verify?/x?y=z", None).await;
            passes(&reply, ada.user.as_deref());
        }
    }
}
