//! No password, token, key or full address in any log line or `Debug` text.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_core::password::Password;
use portcullis_core::random;
use portcullis_core::refresh_token::RefreshToken;
use portcullis_core::server_key::{KeyRing, ServerKey};
use portcullis_core::user::{Email, Login};
use portcullis_jose::{Algorithm, SigningKey};
use portcullis_testkit::app::FORWARD_SECRET;
use portcullis_testkit::{Actor, Backend, PASSWORD, SeededRandom, TestApp};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::oauth::support::{REVOKE, TOKEN, api_token, basic, exchange, post, service};
use crate::support::{OTHER_PASSWORD, credentials, forged, made};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything somebody does, right and wrong; the secrets that were under way.
async fn flow(app: &TestApp) -> Vec<String> {
    let mut secrets =
        vec![PASSWORD.into(), OTHER_PASSWORD.into(), "a wrong password".into(), FORWARD_SECRET.into()];
    let set_up = app.cx.set_up_token().await.unwrap().unwrap().to_string();
    let body =
        json!({"token": set_up, "email": "root@example.org", "password": PASSWORD, "delivery": "body"});
    let root = app.anon().post("/auth/setup", &body).await;
    secrets.extend([set_up, root.json["refresh_token"].as_str().unwrap().into()]);
    let mut ada = app.sign_up("ada").await;
    let keep = |secrets: &mut Vec<String>, actor: &portcullis_testkit::Actor| {
        let tokens = [&actor.access_token, &actor.refresh_token, &actor.device_token];
        secrets.extend(tokens.into_iter().flatten().cloned());
    };
    keep(&mut secrets, &ada);
    let first = ada.refresh_token.clone().unwrap();
    for _ in 0..2 {
        ada.refresh().await;
        keep(&mut secrets, &ada);
    }
    for token in [forged(&first), ada.access_token.clone().unwrap(), first] {
        ada.refresh_with(&token).await;
        secrets.push(token);
    }
    app.anon().post("/auth/login", &credentials("ada", "a wrong password")).await;
    app.anon().post("/auth/register", &credentials("ada", PASSWORD)).await;
    app.anon().post("/auth/login", &json!({"email": "ada@example.org", "password": [PASSWORD]})).await;
    let mut ada = app.sign_in("ada").await;
    keep(&mut secrets, &ada);
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    ada.take_tokens(&ada.post("/auth/password/change", &change).await);
    keep(&mut secrets, &ada);
    let passed = ada.proxied("GET", "app.example", "/").get("/auth/verify").await;
    secrets.push(passed.header("authorization").unwrap()["Bearer ".len()..].to_owned());
    ada.patch("/auth/me", &json!({"phone": "+49 30 5550199"})).await;
    secrets.push("5550199".into());
    ada.get("/auth/sessions").await;
    ada.get(&format!("/auth/sessions?cursor={}", ada.refresh_token.as_deref().unwrap())).await;
    secrets.extend(oauth(app, &ada).await);
    secrets.extend(by_cookie(app).await);
    app.cx.rotate_signing_key().await.unwrap();
    app.cx.keep_house_once("test").await.unwrap();
    ada.post("/auth/logout", &json!({})).await;
    ada.get("/auth/me").await;
    made(app, "made", |_| {}).await;
    app.clock.advance(Duration::from_hours(1));
    ada.refresh().await;
    secrets
}

/// A browser's cookies, right and wrong.
async fn by_cookie(app: &TestApp) -> Vec<String> {
    app.sign_up("cookie").await;
    let mut browser = app.browser();
    browser.sign_in("cookie", "cookies").await;
    let names = ["pc_refresh", "pc_access", "pc_device", "csrftoken"];
    let mut secrets: Vec<_> = names.iter().map(|name| browser.value(name)).collect();
    let old = browser.copied();
    for _ in 0..2 {
        browser.refresh().await;
        secrets.push(browser.value("pc_refresh"));
    }
    browser.knowing(Some("wrong")).refresh().await;
    browser.with_header("cookie", "pc_refresh=x").get("/auth/me").await;
    browser.get("/auth/me").await;
    browser.sign_in("cookie", "cookies").await;
    secrets.push(browser.value("pc_access"));
    old.refresh().await;
    browser.post("/auth/logout", &json!({})).await;
    secrets
}

/// Everything that goes through `/oauth/*`, right and wrong.
async fn oauth(app: &TestApp, ada: &Actor) -> Vec<String> {
    let one = service(app, None).await;
    let (api, _) = api_token(ada, None).await;
    let wrong = forged(&one.secret);
    let mut secrets = vec![one.secret.clone(), api.clone(), wrong.clone(), basic(&one.id, &one.secret)];
    secrets.push(one.token().await);
    for token in [&api, ada.access_token.as_ref().unwrap(), ada.refresh_token.as_ref().unwrap()] {
        one.introspect(token).await;
        one.with_secret(&wrong).introspect(token).await;
        secrets.extend(exchange(ada, token, &[]).await.json["access_token"].as_str().map(str::to_owned));
        one.post(REVOKE, &[("token", token)]).await;
    }
    let pair = [("client_id", &*one.id), ("client_secret", &*one.secret)];
    for grant in ["client_credentials", "refresh_token", &api] {
        post(&app.anon(), TOKEN, &[&pair[..], &[("grant_type", grant), ("refresh_token", &api)]].concat())
            .await;
    }
    post(&app.anon(), REVOKE, &[("token", &api)]).await;
    exchange(ada, &api, &[]).await;
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_line_holds_a_secret_at_any_level() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
    subscriber.with_writer(captured.clone()).with_ansi(false).init();
    let mut secrets =
        vec!["ada@example.org".to_owned(), "root@example.org".into(), "made@example.org".into()];
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        secrets.extend(flow(&app).await);
        drop(other);
    }
    let log = String::from_utf8_lossy(&captured.0.lock().unwrap()).into_owned();
    assert!(log.contains("refused") && log.contains("answered"), "the capture works");
    assert!(log.contains("a spent refresh token came back"), "the theft is told");
    assert!(secrets.len() > 30, "{}", secrets.len());
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "holds {secret}");
        // A token's tail is as good as the token, but for its prefix.
        let tail = &secret[secret.len() / 2..];
        assert!(secret.len() < 40 || !log.contains(tail), "half of {secret}");
    }
}

#[test]
fn debug_texts_hold_no_secret() {
    let source = SeededRandom::new(7);
    let bytes: [u8; 32] = random::bytes(&source);
    let key = || ServerKey::new(&bytes).unwrap();
    let ring = KeyRing::new(key(), vec![]);
    let signing = SigningKey::generate(Algorithm::Hs256).unwrap();
    let der = signing.to_secret_der();
    let refresh = RefreshToken {
        session: portcullis_core::ids::SessionId::from_uuid(uuid::Uuid::nil()),
        generation: 1,
        secret: portcullis_core::refresh_token::SessionSecret::new(&SeededRandom::new(9)),
    };
    let secret: [u8; 16] = random::bytes(&SeededRandom::new(9));
    let texts = [
        format!("{:?}", key()),
        format!("{ring:?}"),
        format!("{signing:?}"),
        format!("{refresh:?}"),
        format!("{:?}", Password::presented(PASSWORD)),
        format!("{:?}", Email::parse("email", "ada@example.org").unwrap()),
        format!("{:?}", Login::new("ada@example.org")),
    ];
    for text in texts {
        for bytes in [&bytes[..], &secret, &der] {
            let list = format!("{:?}", &bytes[..8]);
            let hex = bytes[..8].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            let hex = format!("{hex:016x}");
            assert!(
                !text.contains(list.trim_matches(['[', ']'])) && !text.to_lowercase().contains(&hex),
                "{text}"
            );
        }
        assert!(!text.contains(PASSWORD) && !text.contains("ada@example.org"), "{text}");
    }
}
