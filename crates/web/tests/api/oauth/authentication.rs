//! Client authentication, at every endpoint that takes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use portcullis_testkit::{Backend, Reply, TestApp};

use super::support::{INTROSPECT, REVOKE, TOKEN, basic, post, service};
use crate::on_both;
use crate::support::{oauth_refused, private};

const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

async fn with_header(app: &TestApp, line: &str, more: &[(&str, &str)]) -> Reply {
    let parameters = [&[CREDENTIALS], more].concat();
    post(&app.anon().with_header("authorization", line), TOKEN, &parameters).await
}

on_both! {
    async fn by_header_or_by_parameters(backend: Backend) {
        let app = TestApp::new(backend).await;
        let one = service(&app, None).await;
        let header = basic(&one.id, &one.secret);
        // Both halves are form-encoded, and any character may be.
        let pair = format!("{}:{}", one.id.replace('-', "%2D"), one.secret.replace('_', "%5F"));
        let escaped = format!("Basic {}", STANDARD.encode(pair));
        for line in [&header.replace("Basic", "basic"), &header.replace(' ', "  "), &escaped] {
            private(&with_header(&app, line, &[]).await, 200);
        }
        private(&with_header(&app, &header, &[]).await, 200);
        private(&with_header(&app, &header, &[("client_id", &one.id), ("client_secret", "")]).await, 200);
        let pair = [CREDENTIALS, ("client_id", &*one.id), ("client_secret", &*one.secret)];
        private(&post(&app.anon(), TOKEN, &pair).await, 200);
        // An application that sends its access token everywhere proves no client with it.
        private(&post(&app.anon().bearing(Some("x.y.z")), TOKEN, &pair).await, 200);
    }
}

#[tokio::test]
async fn what_is_wrong_with_credentials_is_not_told() {
    let app = TestApp::new(Backend::Sqlite).await;
    let (one, other) = (service(&app, None).await, service(&app, None).await);
    let unknown = "00000000-0000-7000-8000-000000000000";
    let mut texts = std::collections::BTreeSet::new();
    for (id, secret) in [
        (&*one.id, &*other.secret),
        (&one.id, "wrong"),
        (&one.id, ""),
        (&one.id, &one.secret.to_lowercase()),
        (unknown, &one.secret),
        ("", &one.secret),
        ("a service", &one.secret),
        ("\u{1f419}", "\u{1f419}"),
    ] {
        let header = basic(id, secret);
        for reply in [
            with_header(&app, &header, &[]).await,
            post(&app.anon().with_header("authorization", &header), INTROSPECT, &[("token", "x")]).await,
            post(&app.anon().with_header("authorization", &header), REVOKE, &[("token", "x")]).await,
        ] {
            oauth_refused(&reply, 401, "invalid_client");
            texts.insert(reply.body);
        }
        if !id.is_empty() && !secret.is_empty() {
            let pair = [CREDENTIALS, ("client_id", id), ("client_secret", secret)];
            let reply = post(&app.anon(), TOKEN, &pair).await;
            oauth_refused(&reply, 401, "invalid_client");
            texts.insert(reply.body);
        }
    }
    for line in ["Basic", "Basic !", "Basic YQ==", "Basic YTpi YTpi"] {
        let reply = with_header(&app, line, &[]).await;
        oauth_refused(&reply, 401, "invalid_client");
        texts.insert(reply.body);
    }
    for parameters in [&[CREDENTIALS][..], &[CREDENTIALS, ("client_id", &one.id)]] {
        let reply = post(&app.anon(), TOKEN, parameters).await;
        oauth_refused(&reply, 401, "invalid_client");
        texts.insert(reply.body);
    }
    assert_eq!(texts.len(), 1, "the text tells nothing");
}

#[tokio::test]
async fn one_way_at_a_time() {
    let app = TestApp::new(Backend::Sqlite).await;
    let (one, other) = (service(&app, None).await, service(&app, None).await);
    let header = basic(&one.id, &one.secret);
    let both = [("client_id", &*one.id), ("client_secret", &*one.secret)];
    oauth_refused(&with_header(&app, &header, &both).await, 400, "invalid_request");
    oauth_refused(&with_header(&app, "Basic !", &both).await, 400, "invalid_request");
    oauth_refused(&with_header(&app, &header, &[("client_id", &other.id)]).await, 400, "invalid_request");
    let secret = [CREDENTIALS, ("client_secret", &*one.secret)];
    oauth_refused(&post(&app.anon(), TOKEN, &secret).await, 400, "invalid_request");
    let request = Request::builder().method("POST").uri(TOKEN).header("authorization", &header);
    let request = request.header("authorization", &header);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let reply = app.anon().exchange(request, "grant_type=client_credentials".into()).await;
    oauth_refused(&reply, 400, "invalid_request");
}

#[tokio::test]
async fn json_says_the_same_as_a_form() {
    let app = TestApp::new(Backend::Sqlite).await;
    let one = service(&app, None).await;
    let body = serde_json::json!({
        "grant_type": "client_credentials", "client_id": one.id, "client_secret": one.secret, "scope": null,
    });
    private(&app.anon().post(TOKEN, &body).await, 200);
}
