//! Reports of tokens that were found in public, signed by who found them.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use portcullis_testkit::{Actor, Backend, Reply, Setup, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{api_token, events, eventually, holder, invalid, private, refused, user_id};

const URL: &str = "https://scanner.example/keys";
const PATH: &str = "/auth/tokens/secret-scanning";

/// Who reports.
struct Scanner(EcdsaKeyPair);

impl Scanner {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    /// The list of keys with theirs in it.
    fn list(&self, id: &str) -> String {
        let mut der = STANDARD.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=").unwrap();
        der.extend(self.0.public_key().as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        json!({"public_keys": [{"key_identifier": id, "key": pem, "is_current": true}]}).to_string()
    }

    fn sign(&self, body: &[u8]) -> String {
        STANDARD.encode(self.0.sign(&SystemRandom::new(), body).unwrap())
    }

    /// Reports as `anon`, under the name of the key `id`.
    async fn report(&self, anon: &Actor, id: &str, found: &Value) -> Reply {
        let body = found.to_string();
        let signed = anon
            .with_header("github-public-key-identifier", id)
            .with_header("github-public-key-signature", &self.sign(body.as_bytes()));
        send(&signed, body).await
    }
}

async fn send(actor: &Actor, body: String) -> Reply {
    actor.send_bytes(Method::POST, PATH, "application/json", body.into()).await
}

fn on(setup: &mut Setup) {
    setup.settings.scanning_keys_url = Some(URL.into());
}

fn found(token: &str) -> Value {
    json!([{"token": token, "type": "portcullis_api_token", "url": format!("https://x.example/?{token}"), "source": "commit"}])
}

on_both! {
    async fn a_token_that_was_found_is_revoked_everywhere(backend: Backend) {
        let app = TestApp::with(backend, on).await;
        let other = app.another(on).await;
        let scanner = Scanner::new();
        app.outbound.answer(URL, scanner.list("one"));
        let ada = app.sign_up("ada").await;
        let (made, kept) = (api_token(&ada, &json!({"name": "x"})).await, api_token(&ada, &json!({"name": "y"})).await);
        assert_eq!(holder(&other, &made).get("/auth/me").await.status, 200);
        let token = made["token"].as_str().unwrap();
        let mut leaks = found(token);
        for none in ["garbage", "pct_00000000000000000000000000000000000000000000000000"] {
            leaks.as_array_mut().unwrap().push(json!({"token": none, "type": "t", "url": null}));
        }
        for _ in 0..2 {
            let reply = scanner.report(&app.anon(), "one", &leaks).await;
            private(&reply, 200);
            let judged = reply.json.as_array().unwrap();
            let labels: Vec<_> = judged.iter().map(|judged| judged["label"].as_str().unwrap()).collect();
            assert_eq!(labels, ["true_positive", "false_positive", "false_positive"]);
            assert_eq!(judged[0]["token_type"], "portcullis_api_token");
            assert_eq!(STANDARD.decode(judged[0]["token_hash"].as_str().unwrap()).unwrap().len(), 32);
            assert!(!reply.text().contains(token), "no token is said again");
        }
        refused(&holder(&app, &made).get("/auth/me").await, 401, "invalid_token");
        holder(&other, &made).until_refused("/auth/me").await;
        assert_eq!(holder(&app, &kept).get("/auth/me").await.status, 200);
        let told = events(&app, "api_token.revoked").await;
        assert_eq!(told.len(), 1, "once");
        assert_eq!((told[0]["user"].as_str(), &told[0]["actor"]), (ada.user.as_deref(), &json!(null)));
        assert_eq!(told[0]["detail"], json!({
            "api_token": made["id"], "cause": "leaked", "source": "commit", "url": "https://x.example/?[token]",
        }));
        assert_eq!(app.outbound.asked(), 1, "keys are kept");
        let mails = app.mails().await;
        assert_eq!((mails.len(), mails[0].to.as_str()), (1, "ada@example.org"));
        for said in ["“x”", "https://x.example/?[token]", "http://localhost:8400/sign-in"] {
            assert!(mails[0].text.contains(said), "{said}: {}", mails[0].text);
        }
        assert!(!mails[0].text.contains(token) && !mails[0].html.contains(token));
    }

    /// What opened nothing any more is no news.
    async fn nobody_is_told_of_a_token_that_was_dead_or_whose_user_is_disabled(backend: Backend) {
        let app = TestApp::with(backend, on).await;
        let scanner = Scanner::new();
        app.outbound.answer(URL, scanner.list("one"));
        let [ada, bob] = [app.sign_up("ada").await, app.sign_up("bob").await];
        let revoked = api_token(&ada, &json!({"name": "x"})).await;
        let path = format!("/auth/tokens/{}", revoked["id"].as_str().unwrap());
        assert_eq!(ada.delete(&path).await.status, 204);
        let expired = api_token(&bob, &json!({"name": "x", "expires_in_days": 1})).await;
        app.clock.advance(Duration::from_hours(24));
        let eve = app.sign_up("eve").await;
        let resting = api_token(&eve, &json!({"name": "x"})).await;
        assert!(app.cx.disable_user(user_id(&eve)).await.unwrap());
        for made in [&revoked, &expired, &resting] {
            private(&scanner.report(&app.anon(), "one", &found(made["token"].as_str().unwrap())).await, 200);
        }
        assert!(app.mails().await.is_empty());
        assert_eq!(events(&app, "api_token.revoked").await.len(), 3);
    }

    async fn what_is_not_signed_as_it_stands_is_refused(backend: Backend) {
        let app = TestApp::with(backend, on).await;
        let (scanner, stranger) = (Scanner::new(), Scanner::new());
        app.outbound.answer(URL, scanner.list("one"));
        let made = api_token(&app.sign_up("ada").await, &json!({"name": "x"})).await;
        let leaks = found(made["token"].as_str().unwrap());
        let (body, anon) = (leaks.to_string(), app.anon());
        let one = anon.with_header("github-public-key-identifier", "one");
        let signed = |actor: &Actor, signature: &str| actor.with_header("github-public-key-signature", signature);
        let good = scanner.sign(body.as_bytes());
        for actor in [
            anon.clone(),
            one.clone(),
            signed(&anon, &good),
            signed(&one, ""),
            signed(&one, "no base64"),
            signed(&one, "AAAA"),
            signed(&one, &scanner.sign(b"[]")),
            signed(&signed(&one, &good), &good),
            signed(&one.with_header("github-public-key-identifier", "one"), &good),
        ] {
            refused(&send(&actor, body.clone()).await, 403, "forbidden");
        }
        refused(&send(&signed(&one, &good), format!("{body} ")).await, 403, "forbidden");
        refused(&stranger.report(&anon, "one", &leaks).await, 403, "forbidden");
        assert_eq!(holder(&app, &made).get("/auth/me").await.status, 200);
        private(&scanner.report(&anon, "one", &leaks).await, 200);
    }
}

#[tokio::test]
async fn off_unless_somebody_is_named() {
    let app = TestApp::new(Backend::Sqlite).await;
    refused(&Scanner::new().report(&app.anon(), "one", &json!([])).await, 404, "not_found");
    assert_eq!(app.outbound.asked(), 0);
}

#[tokio::test]
async fn keys_are_asked_for_once_a_day_and_once_a_minute_for_an_unknown_one() {
    let app = TestApp::with(Backend::Sqlite, on).await;
    let (scanner, next, anon) = (Scanner::new(), Scanner::new(), app.anon());
    let none = json!([]);
    refused(&scanner.report(&anon, "one", &none).await, 503, "key_unavailable");
    app.outbound.answer(URL, scanner.list("one"));
    refused(&scanner.report(&anon, "one", &none).await, 503, "key_unavailable");
    assert_eq!(app.outbound.asked(), 1, "not twice in a minute");
    app.clock.advance(Duration::from_mins(1));
    private(&scanner.report(&anon, "one", &none).await, 200);
    app.outbound.answer(URL, next.list("two"));
    app.clock.advance(Duration::from_secs(59));
    refused(&next.report(&anon, "two", &none).await, 403, "forbidden");
    private(&scanner.report(&anon, "one", &none).await, 200);
    app.clock.advance(Duration::from_secs(1));
    private(&next.report(&anon, "two", &none).await, 200);
    refused(&scanner.report(&anon, "one", &none).await, 403, "forbidden");
    assert_eq!(app.outbound.asked(), 3);
    app.outbound.fall_silent(URL);
    app.clock.advance(Duration::from_secs(86_399));
    private(&next.report(&anon, "two", &none).await, 200);
    app.clock.advance(Duration::from_secs(1));
    refused(&next.report(&anon, "two", &none).await, 503, "key_unavailable");
    app.outbound.answer(URL, "garbage");
    app.clock.advance(Duration::from_mins(1));
    refused(&next.report(&anon, "two", &none).await, 503, "key_unavailable");
}

#[tokio::test]
async fn keys_that_were_asked_for_are_kept_though_the_reporter_went_away() {
    let app = TestApp::with(Backend::Sqlite, on).await;
    let (scanner, anon) = (Arc::new(Scanner::new()), app.anon());
    app.outbound.answer(URL, scanner.list("one"));
    app.outbound.hold();
    let reporting = tokio::spawn({
        let (scanner, anon) = (scanner.clone(), anon.clone());
        async move { scanner.report(&anon, "one", &json!([])).await }
    });
    eventually("the keys are asked for", async || app.outbound.asked() == 1).await;
    reporting.abort();
    assert!(reporting.await.expect_err("it has gone away").is_cancelled());
    app.outbound.release();
    private(&scanner.report(&anon, "one", &json!([])).await, 200);
    assert_eq!(app.outbound.asked(), 1);
}

#[tokio::test]
async fn a_report_is_json_of_its_form_and_size() {
    let app = TestApp::with(Backend::Sqlite, on).await;
    let (scanner, anon) = (Scanner::new(), app.anon());
    app.outbound.answer(URL, scanner.list("one"));
    private(&scanner.report(&anon, "one", &json!([])).await, 200);
    for (report, field, code) in [
        (json!({}), "", "wrong_type"),
        (json!([{"type": "x"}]), "[0].token", "required"),
        (json!([{"token": "x"}]), "[0].type", "required"),
        (json!([{"token": "x", "type": "x"}, {"token": 1, "type": "x"}]), "[1].token", "wrong_type"),
        (json!([{"token": "a\u{0}b", "type": "x"}]), "[0].token", "nul_character"),
        (json!(["x"]), "[0]", "wrong_type"),
    ] {
        invalid(&scanner.report(&anon, "one", &report).await, &[(field, code)]);
    }
    refused(&send(&anon, "x".repeat(64 * 1024 + 1)).await, 413, "body_too_large");
    let plain = anon.send_bytes(Method::POST, PATH, "text/plain", b"[]".to_vec()).await;
    refused(&plain, 415, "unsupported_media_type");
    let unread = "{".to_owned();
    let signed = anon
        .with_header("github-public-key-identifier", "one")
        .with_header("github-public-key-signature", &scanner.sign(unread.as_bytes()));
    refused(&send(&signed, unread).await, 400, "malformed_json");
}
