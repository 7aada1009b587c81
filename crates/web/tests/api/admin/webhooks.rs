//! Those who want to hear of audit events are told: each of them, signed, once by design.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_app::clients::By;
use portcullis_app::settings::Webhook;
use portcullis_core::audit::KindFilter;
use portcullis_core::audit_chain::Checkpoint;
use portcullis_core::standard_webhook::{ID, SIGNATURE, TIMESTAMP, WebhookSecret, check};
use portcullis_core::time::Clock as _;
use portcullis_testkit::outbound::Posted;
use portcullis_testkit::{Backend, Setup, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::user_id;

const CRM: &str = "https://crm.example.com/hooks";
const LOG: &str = "https://log.example.com/";

fn secret(letter: char) -> WebhookSecret {
    WebhookSecret::parse(&format!("whsec_{}", letter.to_string().repeat(32))).unwrap()
}

fn told(setup: &mut Setup) {
    setup.settings.webhooks = vec![
        Webhook { name: "crm".into(), url: CRM.into(), secrets: vec![secret('A')], kinds: vec![] },
        Webhook {
            name: "log".into(),
            url: LOG.into(),
            secrets: vec![secret('B'), secret('C')],
            kinds: vec![KindFilter::parse("session.*").unwrap()],
        },
    ];
}

/// Everybody sends until nothing is due any more.
async fn send(nodes: &[&TestApp]) {
    loop {
        let mut arrived = 0;
        for node in nodes {
            for webhook in &node.cx.settings.webhooks {
                arrived += node.cx.send_due(webhook).await.unwrap();
            }
        }
        if arrived == 0 {
            return;
        }
    }
}

fn sent(app: &TestApp, url: &str) -> Vec<Posted> {
    app.outbound.posted().into_iter().filter(|posted| posted.url == url).collect()
}

fn body(posted: &Posted) -> Value {
    serde_json::from_slice(&posted.body).unwrap()
}

fn is_signed(app: &TestApp, posted: &Posted, secret: &WebhookSecret) -> bool {
    let headers = [ID, TIMESTAMP, SIGNATURE].map(|name| posted.header(name));
    check(headers, app.clock.now(), &posted.body, secret)
}

on_both! {
    async fn each_is_told_of_what_it_wants(backend: Backend) {
        let app = TestApp::with(backend, told).await;
        app.outbound.respond(CRM, 200, "ok");
        app.outbound.respond(LOG, 204, "");
        app.sign_up("ada").await;
        send(&[&app]).await;
        assert!(app.outbound.posted().is_empty(), "behind the chain");
        app.cx.chain_once().await.unwrap();
        app.cx.checkpoint_if_due().await.unwrap();
        send(&[&app]).await;

        let events = app.cx.store.events(None, 100).await.unwrap();
        let mut to_crm: BTreeMap<String, Value> =
            sent(&app, CRM).iter().map(|posted| (posted.header(ID).to_owned(), body(posted))).collect();
        assert_eq!(sent(&app, CRM).len(), events.len() + 1);
        for event in &events {
            let told = to_crm.remove(&event.id.to_string()).expect("told");
            assert_eq!(told["type"], event.kind);
            assert_eq!(told["timestamp"], "2026-01-01T00:00:00Z");
            assert_eq!((&told["data"]["id"], &told["data"]["seq"]), (&json!(event.id), &json!(event.seq)));
            assert_eq!(told["data"]["user"], json!(event.user));
        }
        let checkpoint = to_crm.into_values().next().expect("the checkpoint");
        assert_eq!(checkpoint["type"], "audit.checkpoint");
        let parsed = Checkpoint::parse(checkpoint["data"]["checkpoint"].as_str().unwrap()).unwrap();
        assert_eq!(parsed, app.cx.store.checkpoints(1).await.unwrap()[0].checkpoint);
        let kinds: Vec<Value> = sent(&app, LOG).iter().map(|posted| body(posted)["type"].clone()).collect();
        assert_eq!(kinds, ["session.started"]);
        for posted in sent(&app, CRM) {
            assert!(is_signed(&app, &posted, &secret('A')) && !is_signed(&app, &posted, &secret('B')));
        }
        for posted in sent(&app, LOG) {
            assert!(is_signed(&app, &posted, &secret('B')) && is_signed(&app, &posted, &secret('C')));
        }
        assert!(app.cx.list_deliveries(false, None, 10).await.unwrap().is_empty());
    }

    async fn who_was_down_gets_each_once(backend: Backend) {
        let app = TestApp::with(backend, told).await;
        let other = app.another(told).await;
        for name in ["ada", "bob", "eve"] {
            app.sign_up(name).await;
        }
        app.cx.chain_once().await.unwrap();
        app.outbound.respond(LOG, 500, "");
        send(&[&app, &other]).await;
        let waiting = app.cx.list_deliveries(false, None, 100).await.unwrap();
        let events = app.cx.store.events(None, 100).await.unwrap();
        assert_eq!(waiting.len(), events.len() + 3);
        for one in &waiting {
            let (error, tried) = match &*one.endpoint {
                "crm" => ("nobody answers", one.tries == 1),
                _ => ("answered 500", one.tries == 1),
            };
            // Those that were not tried yet wait for their turn.
            assert!(one.last_error.as_deref().is_none_or(|found| found == error) && (tried || one.tries == 0));
            assert!(one.due_at.is_some());
        }
        let failed: Vec<String> = sent(&app, LOG).iter().map(|posted| posted.header(ID).to_owned()).collect();

        for node in [&app, &other] {
            node.outbound.respond(CRM, 200, "");
            node.outbound.respond(LOG, 200, "");
        }
        // As their waits run out, both nodes send what is due.
        for _ in 0..20 {
            app.clock.advance(Duration::from_secs(10));
            let (one, two, three) =
                (&app.cx.settings.webhooks[0], &other.cx.settings.webhooks[0], &other.cx.settings.webhooks[1]);
            let done = tokio::join!(app.cx.send_due(one), other.cx.send_due(two), other.cx.send_due(three));
            assert!(done.0.is_ok() && done.1.is_ok() && done.2.is_ok());
        }
        assert!(app.cx.list_deliveries(false, None, 10).await.unwrap().is_empty());
        let arrived = |url: &str| -> Vec<Posted> {
            let all = sent(&app, url).into_iter().chain(sent(&other, url));
            all.filter(|posted| posted.status == 200).collect()
        };
        for (url, count) in [(CRM, events.len()), (LOG, 3)] {
            let mut ids: Vec<String> = arrived(url).iter().map(|posted| posted.header(ID).to_owned()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!((arrived(url).len(), ids.len()), (count, count), "{url}");
        }
        let again: Vec<String> = arrived(LOG).iter().map(|posted| posted.header(ID).to_owned()).collect();
        assert!(!failed.is_empty() && failed.iter().all(|id| again.contains(id)), "under the same id");
    }

    async fn what_is_given_up_waits_for_an_operator(backend: Backend) {
        let app = TestApp::with(backend, told).await;
        app.sign_up("ada").await;
        app.cx.chain_once().await.unwrap();
        let webhook = &app.cx.settings.webhooks[1];
        for _ in 0..40 {
            app.cx.send_due(webhook).await.unwrap();
            app.clock.advance(Duration::from_hours(5));
        }
        let dead = app.cx.list_deliveries(true, None, 10).await.unwrap();
        assert_eq!((dead.len(), dead[0].endpoint.as_str(), dead[0].due_at), (1, "log", None));
        let tries = dead[0].tries;
        assert!(tries > 10, "{tries}");
        app.clock.advance(Duration::from_hours(24));
        app.cx.send_due(webhook).await.unwrap();
        assert_eq!(app.cx.list_deliveries(true, None, 10).await.unwrap()[0].tries, tries, "nobody tries it");
        let checks = app.cx.doctor().await;
        let check = checks.iter().find(|check| check.name == "webhooks").expect("a check");
        assert!(check.remedy.as_ref().is_some_and(|remedy| remedy.contains("webhook retry")), "{check:?}");

        app.outbound.respond(LOG, 200, "");
        assert_eq!(app.cx.retry_deliveries(Some("log".into()), None).await.unwrap(), 1);
        assert_eq!(app.cx.send_due(webhook).await.unwrap(), 1);
        assert_eq!(sent(&app, LOG)[0].header(ID), dead[0].id.to_string());
        assert!(app.cx.list_deliveries(true, None, 10).await.unwrap().is_empty());
    }

    /// The CRM is down when a user is deleted: it is told in full all the same, which user that was, before it is forgotten.
    async fn who_is_gone_is_not_forgotten_before_all_are_told(backend: Backend) {
        let app = TestApp::with(backend, told).await;
        let ada = app.sign_up("ada").await;
        let id = user_id(&ada);
        app.cx.delete_user(id, By::Operator).await.unwrap();
        app.cx.chain_once().await.unwrap();
        send(&[&app]).await;
        app.clock.advance(Duration::from_mins(11));
        app.cx.keep_house_once("test").await.unwrap();
        app.outbound.respond(CRM, 200, "ok");
        send(&[&app]).await;
        let about: Vec<Value> = sent(&app, CRM).iter().filter(|posted| posted.status == 200).map(body).collect();
        let deleted = about.iter().find(|message| message["type"] == "user.deleted").expect("told");
        assert_eq!(deleted["data"]["user"], json!(id));
        assert!(about.iter().filter(|message| message["data"]["user"] == json!(id)).count() > 2);

        // The log does not answer for three days, or is configured no more: nobody waits any longer.
        app.cx.keep_house_once("test").await.unwrap();
        let named = async || {
            let events = app.cx.store.events(None, 100).await.unwrap();
            events.iter().filter(|event| event.user == Some(id)).map(|event| event.kind.clone()).collect::<Vec<_>>()
        };
        assert_eq!(named().await, ["session.started"], "the log is not told of others");
        assert_eq!(app.cx.store.asked_erasures().await.unwrap().len(), 1);
        app.clock.advance(Duration::from_hours(3 * 24));
        app.cx.keep_house_once("test").await.unwrap();
        assert!(named().await.is_empty() && app.cx.store.asked_erasures().await.unwrap().is_empty());
        assert!(app.cx.inspect_audit(vec![]).await.unwrap().findings.is_empty());
    }

    async fn what_retention_has_taken_is_not_told(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            told(setup);
            setup.settings.audit_retention = Some(Duration::from_hours(24));
        }).await;
        app.sign_up("ada").await;
        app.cx.chain_once().await.unwrap();
        app.clock.advance(Duration::from_hours(25));
        app.cx.keep_house_once("test").await.unwrap();
        assert!(app.cx.list_deliveries(false, None, 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn who_is_told_for_the_first_time_is_not_told_what_is_long_past() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("ada").await;
    app.clock.advance(Duration::from_hours(4 * 24));
    let later = app.another(told).await;
    later.sign_up("bob").await;
    later.cx.chain_once().await.unwrap();
    let ids: Vec<_> =
        later.cx.list_deliveries(false, None, 100).await.unwrap().iter().map(|one| one.id).collect();
    let events = later.cx.store.events(None, 100).await.unwrap();
    let news = events.iter().filter(|event| event.at == app.clock.now()).count();
    assert!(events.len() > news && events.iter().all(|event| event.seq.is_some()), "all are chained");
    assert_eq!(ids.len(), news + 1, "all to one of them, the session's to the other");
}

/// Whoever is asked by a hook of ours: signed the same way, and what they answer is read.
#[tokio::test]
async fn other_messages_are_signed_the_same_way() {
    use portcullis_app::outbound::OutboundError;
    use portcullis_app::standard_webhook::Signed;
    let app = TestApp::new(Backend::Sqlite).await;
    let secrets = [secret('A')];
    let message = Signed { url: CRM, secrets: &secrets, id: "msg_1", body: "{}".into(), most: 100 };
    let silent = app.cx.send_signed(message.clone()).await;
    assert_eq!(silent, Err(OutboundError::Failed("nobody answers".into())));
    app.outbound.respond(CRM, 403, "no");
    let answer = app.cx.send_signed(message).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (403, &b"no"[..]));
    let posted = &sent(&app, CRM)[0];
    assert!(is_signed(&app, posted, &secrets[0]) && !is_signed(&app, posted, &secret('B')));
    assert_eq!(posted.header(ID), "msg_1");
}
