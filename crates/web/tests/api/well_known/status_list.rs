//! Status lists, as a verifier reads them that knows the standard and nothing of us.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use portcullis_core::signing_key::PUBLISHING_DELAY;
use portcullis_core::user::Role;
use portcullis_jose::{Jwks, KeySet, verify_signature};
use portcullis_testkit::postgres::OwnCluster;
use portcullis_testkit::{Actor, Backend, Database, PASSWORD, Reply, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{
    OTHER_PASSWORD, STATUS_LISTS, claims, claims_of, common_headers, eventually, header, made, private,
    refused, user_id, with_status_lists,
};

const ORIGIN: &str = "http://localhost:8400";

async fn fetch(app: &TestApp, path: &str) -> Reply {
    let reply = app.anon().get(path).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/statuslist+jwt"));
    reply
}

/// The claims of the list at `path`, whose signature is good by the published keys.
async fn list(app: &TestApp, path: &str) -> Value {
    let token = fetch(app, path).await.text();
    let head = header(&token);
    assert_eq!(head["typ"], "statuslist+jwt");
    let keys = KeySet::from_jwks(&Jwks::parse(&app.anon().get("/.well-known/jwks.json").await.body).unwrap());
    let key = keys.get(head["kid"].as_str().unwrap()).expect("it is published");
    serde_json::from_slice(&verify_signature(&token, key).expect("signed by it")).expect("JSON")
}

fn bits(list: &Value) -> Vec<u8> {
    let zlib = URL_SAFE_NO_PAD.decode(list["status_list"]["lst"].as_str().unwrap()).expect("base64url");
    decompress_to_vec_zlib_with_limit(&zlib, 1 << 17).expect("zlib")
}

fn status(actor: &Actor) -> Value {
    claims_of(actor)["status"]["status_list"].clone()
}

/// What the list says that the token names: whether the token is ended.
async fn is_ended(app: &TestApp, actor: &Actor) -> bool {
    // A list is made again when it is a second old.
    app.clock.advance(Duration::from_secs(1));
    let (idx, uri) = (status(actor)["idx"].as_u64().unwrap(), status(actor)["uri"].clone());
    let path = uri.as_str().unwrap().strip_prefix(ORIGIN).expect("a list of ours");
    let list = list(app, path).await;
    assert_eq!(list["sub"], uri, "section 8.3");
    bits(&list)[idx as usize / 8] >> (idx % 8) & 1 == 1
}

async fn becomes_ended(nodes: [&TestApp; 2], actor: &Actor) {
    for node in nodes {
        eventually("the list says so", async || is_ended(node, actor).await).await;
    }
}

on_both! {
    async fn a_session_that_ends_is_marked_on_every_node(backend: Backend) {
        let app = TestApp::with(backend, with_status_lists).await;
        let other = app.another(with_status_lists).await;
        let (ada, bob) = (app.sign_up("ada").await, other.sign_up("bob").await);
        assert_ne!(status(&ada), status(&bob));
        for actor in [&ada, &bob] {
            for node in [&app, &other] {
                assert!(!is_ended(node, actor).await);
            }
        }
        private(&ada.post("/auth/logout", &json!({})).await, 204);
        becomes_ended([&app, &other], &ada).await;
        for node in [&app, &other, &app.another(with_status_lists).await] {
            assert!(is_ended(node, &ada).await && !is_ended(node, &bob).await);
        }
        // Its tokens have expired, and what has nothing to say any more says nothing.
        app.clock.advance(Duration::from_mins(18));
        eventually("it is forgotten", async || !is_ended(&app, &ada).await).await;
    }

    async fn a_changed_role_marks_the_tokens_so_far_and_no_later_ones(backend: Backend) {
        let app = TestApp::with(backend, with_status_lists).await;
        let other = app.another(with_status_lists).await;
        let (mut ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        for role in [Role::ADMIN, Role::USER] {
            let old = ada.clone();
            assert!(app.cx.set_role(user_id(&ada), role).await.unwrap());
            private(&ada.refresh().await, 200);
            assert_eq!(claims_of(&ada)["role"], role);
            becomes_ended([&app, &other], &old).await;
            assert!(!is_ended(&app, &ada).await && !is_ended(&other, &ada).await);
            assert_ne!(status(&ada), status(&old));
        }
        let before = ada.clone();
        private(&ada.refresh().await, 200);
        assert_eq!(status(&ada), status(&before), "a rotation alone writes nothing");
        assert!(!is_ended(&app, &bob).await, "nobody else is concerned");
    }

    async fn a_changed_password_marks_all_tokens_but_the_new_one(backend: Backend) {
        let app = TestApp::with(backend, with_status_lists).await;
        let other = app.another(with_status_lists).await;
        let mut ada = app.sign_up("ada").await;
        let (old, tablet) = (ada.clone(), app.sign_in("ada").await);
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        ada.take_tokens(&ada.post("/auth/password/change", &body).await);
        becomes_ended([&app, &other], &old).await;
        becomes_ended([&app, &other], &tablet).await;
        assert!(!is_ended(&app, &ada).await);
        let changed = ada.clone();
        private(&ada.refresh().await, 200);
        assert_eq!(status(&ada), status(&changed));
        private(&ada.post("/auth/logout", &json!({})).await, 204);
        becomes_ended([&app, &other], &ada).await;
    }

    async fn a_bot_that_is_deleted_is_marked_though_its_sessions_are_gone(backend: Backend) {
        let app = TestApp::with(backend, with_status_lists).await;
        let ada = app.sign_up("ada").await;
        let bot = ada.post("/auth/bots", &json!({"name": "helper"})).await;
        let path = format!("/auth/bots/{}", bot.json["id"].as_str().expect("made"));
        let mut helper = app.anon();
        helper.take_tokens(&ada.post(&format!("{path}/tokens"), &json!({})).await);
        assert!(!is_ended(&app, &helper).await);
        private(&ada.delete(&path).await, 204);
        eventually("the list says so", async || is_ended(&app, &helper).await).await;
        assert!(!is_ended(&app, &ada).await);
    }

    async fn only_sessions_made_while_it_is_on_have_a_place(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        assert_eq!(claims_of(&ada).get("status"), None);
        refused(&app.anon().get(&format!("{STATUS_LISTS}/0")).await, 404, "not_found");
        let later = app.another(with_status_lists).await;
        ada = ada.at(&later);
        private(&ada.refresh().await, 200);
        assert_eq!(claims_of(&ada).get("status"), None, "it was made before");
        made(&app, "bob", |_| {}).await;
        let mut bob = later.sign_in("bob").await;
        assert_eq!(status(&bob), json!({"idx": 1, "uri": format!("{ORIGIN}{STATUS_LISTS}/0")}));
        bob = bob.at(&app);
        private(&bob.refresh().await, 200);
        assert_eq!(claims_of(&bob).get("status"), None, "this node has it off");
        private(&bob.post("/auth/logout", &json!({})).await, 204);
        bob = later.sign_in("bob").await;
        assert_eq!(status(&bob)["idx"], 2);
        eventually("the first is marked", async || {
            later.clock.advance(Duration::from_secs(1));
            bits(&list(&later, &format!("{STATUS_LISTS}/0")).await)[0] == 2
        })
        .await;
    }

    async fn tokens_without_a_session_have_no_place(backend: Backend) {
        let app = TestApp::with(backend, with_status_lists).await;
        let ada = app.sign_up("ada").await;
        let token = ada.post("/auth/tokens", &json!({"name": "script"})).await.json["token"].clone();
        let script = app.anon().bearing(token.as_str());
        for (actor, place) in [(&script, None), (&ada, Some(&claims_of(&ada)["status"]))] {
            let reply = actor.proxied("GET", "app.example", "/").get("/auth/verify").await;
            let token = reply.header("authorization").expect("one for the service behind");
            assert_eq!(claims(token.strip_prefix("Bearer ").unwrap()).get("status"), place);
        }
    }
}

#[tokio::test]
async fn what_a_list_says() {
    let app = TestApp::with(Backend::Sqlite, with_status_lists).await;
    let path = format!("{STATUS_LISTS}/0");
    for path in [path.clone(), format!("{path}/")] {
        let reply = fetch(&app, &path).await;
        common_headers(&reply);
        assert_eq!(reply.header("cache-control"), Some("public, max-age=30"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
    let mut said = list(&app, &path).await;
    assert_eq!(bits(&said), vec![0; 1 << 17]);
    let lst = said["status_list"]["lst"].take();
    let start = 1_767_225_600;
    let expected = json!({
        "iss": ORIGIN, "sub": format!("{ORIGIN}{path}"), "iat": start, "exp": start + 120, "ttl": 30,
        "status_list": {"bits": 1, "lst": null},
    });
    assert_eq!((said, lst.is_string()), (expected, true));
}

#[tokio::test]
async fn a_list_is_made_anew_when_it_must_be() {
    let app = TestApp::with(Backend::Sqlite, with_status_lists).await;
    let path = format!("{STATUS_LISTS}/0");
    let first = fetch(&app, &path).await.body;
    app.clock.advance(Duration::from_secs(29));
    assert_eq!(fetch(&app, &path).await.body, first, "nothing has changed");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(list(&app, &path).await["iat"], 1_767_225_630);
    app.cx.rotate_signing_key().await.unwrap();
    app.clock.advance(PUBLISHING_DELAY);
    let kid = header(&fetch(&app, &path).await.text())["kid"].clone();
    assert_ne!(kid, header(&String::from_utf8_lossy(&first))["kid"]);
    list(&app, &path).await;
}

#[tokio::test]
async fn a_list_is_made_once_a_second_however_many_sessions_end() {
    let app = TestApp::with(Backend::Sqlite, with_status_lists).await;
    let path = format!("{STATUS_LISTS}/0");
    let first = fetch(&app, &path).await.body;
    for at in 0..3 {
        private(&app.sign_up(&format!("ada{at}")).await.post("/auth/logout", &json!({})).await, 204);
        app.cx.follow_revocations().await.unwrap();
        assert_eq!(fetch(&app, &path).await.body, first);
    }
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(bits(&list(&app, &path).await)[0], 0b1110, "then all of them stand in it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_lists_that_are_not_known_holds_nobody_up() {
    let cluster = OwnCluster::start(false);
    let database = Database::elsewhere(cluster.create_database("portcullis"));
    let app = TestApp::over(database, with_status_lists).await;
    cluster.pause();
    let asking = tokio::spawn({
        let anon = app.anon();
        async move { anon.get(&format!("{STATUS_LISTS}/7")).await }
    });
    for _ in 0..20 {
        fetch(&app, &format!("{STATUS_LISTS}/0")).await;
    }
    assert!(!asking.is_finished(), "it waits for the database");
    refused(&asking.await.expect("no panic"), 503, "store_unavailable");
    cluster.resume();
    drop(app);
}

#[tokio::test]
async fn lists_that_no_token_can_name_are_not_there() {
    let app = TestApp::with(Backend::Sqlite, with_status_lists).await;
    app.sign_up("ada").await;
    fetch(&app, &format!("{STATUS_LISTS}/0")).await;
    for list in
        ["7", "8796093022207", "18446744073709551616", "-1", "+0", "00", "0x0", "", "a", "0.0", "%30x"]
    {
        let reply = app.anon().get(&format!("{STATUS_LISTS}/{list}")).await;
        refused(&reply, 404, "not_found");
        if !list.is_empty() {
            assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{list}");
        }
    }
}

#[tokio::test]
async fn without_news_of_the_database_nobody_is_told_that_tokens_are_good() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        with_status_lists(setup);
        setup.settings.max_staleness = Duration::ZERO;
    })
    .await;
    let reply = app.anon().get(&format!("{STATUS_LISTS}/0")).await;
    refused(&reply, 503, "store_unavailable");
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
}
