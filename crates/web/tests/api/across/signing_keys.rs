//! Signing keys: published before they sign, kept until their tokens are dead.

use std::time::Duration;

use portcullis_app::rotate_keys::KeyError;
use portcullis_core::signing_key::PUBLISHING_DELAY;
use portcullis_testkit::{Actor, Backend, TestApp, postgres};

use crate::on_both;
use crate::support::{eventually, header, private, refused};

async fn published(app: &TestApp) -> Vec<String> {
    let keys = app.anon().get("/.well-known/jwks.json").await.json["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(actor: &Actor) -> String {
    header(actor.access_token.as_deref().unwrap())["kid"].as_str().unwrap().to_owned()
}

on_both! {
    async fn the_life_of_two_keys(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let first = kid(&ada);
        let (second, _) = app.cx.rotate_signing_key().await.unwrap().expect("none waits");
        assert!(app.cx.rotate_signing_key().await.unwrap().is_none(), "one waits already");
        assert_eq!(published(&app).await, [first.clone(), second.clone()]);

        app.clock.advance(PUBLISHING_DELAY.saturating_sub(Duration::from_micros(1)));
        private(&ada.refresh().await, 200);
        assert_eq!(kid(&ada), first, "verifiers may not have the second yet");
        let old = ada.clone();
        app.clock.advance(Duration::from_micros(1));
        private(&ada.refresh().await, 200);
        assert_eq!(kid(&ada), second);
        private(&old.get("/auth/me").await, 200);
        assert_eq!(published(&app).await.len(), 2);

        // Until its last token has expired, and two minutes for the clocks of others.
        app.clock.advance(Duration::from_mins(15) + Duration::from_secs(119));
        assert_eq!(published(&app).await.len(), 2);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(published(&app).await, std::slice::from_ref(&second));
        refused(&old.get("/auth/me").await, 401, "invalid_token");
        app.cx.keep_house_once("test").await.unwrap();
        app.cx.reload_signing_keys().await.unwrap();
        let left: Vec<_> = app.cx.key_views().into_iter().map(|key| key.kid).collect();
        assert_eq!(left, [second]);
        private(&ada.refresh().await, 200);
    }

    async fn every_node_knows_the_key_that_one_made(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        assert_eq!(published(&app).await, published(&other).await, "of two that start, one makes the first");
        app.cx.rotate_signing_key().await.unwrap();
        eventually("the other node publishes it", async || published(&other).await.len() == 2).await;
        app.clock.advance(PUBLISHING_DELAY);
        for node in [&app, &other] {
            let mut here = ada.at(node);
            private(&here.refresh().await, 200);
            assert_eq!(kid(&here), published(&app).await[1]);
            private(&here.at(&app).get("/auth/me").await, 200);
            private(&here.at(&other).get("/auth/me").await, 200);
        }
    }

    async fn rotation_by_age_is_done_by_one_node(backend: Backend) {
        let day = Duration::from_hours(24);
        let by_age = |setup: &mut portcullis_testkit::Setup| setup.settings.key_rotation = Some(90 * day);
        let app = TestApp::with(backend, by_age).await;
        let other = app.another(by_age).await;
        app.clock.advance(89 * day);
        app.cx.keep_house_once("app").await.unwrap();
        assert_eq!(published(&app).await.len(), 1);
        app.clock.advance(day);
        let (one, two) = tokio::join!(app.cx.keep_house_once("app"), other.cx.keep_house_once("other"));
        one.unwrap();
        two.unwrap();
        for node in [&app, &other] {
            node.cx.reload_signing_keys().await.unwrap();
            assert_eq!(published(node).await.len(), 2);
        }
    }

    async fn a_withdrawn_key_is_out_at_once_and_the_last_one_stays(backend: Backend) {
        let app = TestApp::new(backend).await;
        let old = app.sign_up("ada").await;
        assert!(app.cx.retire_signing_key(&kid(&old)).await.is_err(), "nothing could sign then");
        assert!(app.cx.retire_signing_key("unknown").await.is_err());
        app.cx.rotate_signing_key().await.unwrap();
        app.clock.advance(PUBLISHING_DELAY);
        let mut ada = old.clone();
        private(&ada.refresh().await, 200);
        private(&old.get("/auth/me").await, 200);
        app.cx.retire_signing_key(&kid(&old)).await.unwrap();
        assert_eq!(published(&app).await, [kid(&ada)]);
        refused(&old.get("/auth/me").await, 401, "invalid_token");
        private(&ada.get("/auth/me").await, 200);
    }

    /// Each of two nodes finds another key left when it looks; together they would leave none.
    async fn two_that_withdraw_the_last_two_at_once_leave_one(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.cx.rotate_signing_key().await.unwrap();
        app.clock.advance(PUBLISHING_DELAY);
        let other = app.another(|_| {}).await;
        let kids = published(&app).await;
        assert_eq!(kids.len(), 2);
        let (one, two) =
            tokio::join!(app.cx.retire_signing_key(&kids[0]), other.cx.retire_signing_key(&kids[1]));
        let refused = [one, two].into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert!(matches!(&refused[..], [KeyError::LastOne(_)]), "{refused:?}");
        app.cx.reload_signing_keys().await.unwrap();
        assert_eq!(published(&app).await.len(), 1);
        app.sign_up("ada").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_keys_cannot_be_read_no_token_is_called_wrong_for_its_key() {
    let (app, elsewhere) = (TestApp::new(Backend::Postgres).await, TestApp::new(Backend::Postgres).await);
    let stranger = elsewhere.sign_up("ada").await.at(&app);
    // Refused at once, and so before the next reading is allowed.
    let sql = |sql| postgres::query(&app.database.url, sql).expect("the table has one of its names");
    sql("ALTER TABLE signing_keys RENAME TO hidden_keys");
    for _ in 0..3 {
        let replies = tokio::join!(stranger.get("/auth/me"), stranger.get("/auth/me"));
        for reply in [replies.0, replies.1] {
            assert!(matches!(reply.status, 500 | 503), "{}", reply.text());
        }
    }
    sql("ALTER TABLE hidden_keys RENAME TO signing_keys");
    eventually("it is read again", async || stranger.get("/auth/me").await.status == 401).await;
}
