//! The list and what comes after a cursor, on one node.

use http::{Method, Request};
use portcullis_core::user::Role;
use portcullis_testkit::{Actor, Backend, PASSWORD, Reply, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{FEED, OTHER_PASSWORD, common_headers, eventually, hashed, invalid, refused, user_id};

const NOTHING: &str = "0-0000000000000000";
/// When a token that is made at the first moment of the test's clock has expired, and two minutes.
const EXP: i64 = 1_767_225_600 + 900 + 120;

async fn feed(app: &TestApp, query: &str) -> Reply {
    let reply = app.anon().get(&format!("{FEED}{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    common_headers(&reply);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    reply
}

/// What came after `cursor`, once there is something.
async fn after(app: &TestApp, cursor: &str) -> Reply {
    feed(app, &format!("?after={cursor}&wait=30")).await
}

fn cursor(reply: &Reply) -> &str {
    reply.json["cursor"].as_str().expect("a cursor")
}

fn ended(actor: &Actor) -> Value {
    json!({"id": hashed(actor.session.as_deref().unwrap()), "exp": EXP})
}

async fn log_out(actor: &Actor) {
    let reply = actor.post("/auth/logout", &json!({})).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
}

on_both! {
    async fn ended_sessions_stand_in_it_and_come_after_a_cursor(backend: Backend) {
        let app = TestApp::new(backend).await;
        let empty = feed(&app, "").await;
        assert_eq!(empty.json, json!({"cursor": NOTHING, "complete": true, "sessions": []}));
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        assert_eq!(feed(&app, &format!("?after={NOTHING}")).await.json["sessions"], json!([]));

        log_out(&ada).await;
        let first = after(&app, NOTHING).await;
        assert_eq!(first.json["sessions"], json!([ended(&ada)]));
        assert_eq!((&first.json["complete"], first.header("cache-control")), (&json!(false), Some("no-store")));
        let nothing_new = feed(&app, &format!("?after={}", cursor(&first))).await;
        let expected = json!({"cursor": cursor(&first), "complete": false, "sessions": []});
        assert_eq!((&nothing_new.json, nothing_new.header("retry-after")), (&expected, None));

        log_out(&bob).await;
        let second = after(&app, cursor(&first)).await;
        assert_eq!(second.json["sessions"], json!([ended(&bob)]));
        let whole = feed(&app, "").await;
        let expected =
            json!({"cursor": cursor(&second), "complete": true, "sessions": [ended(&ada), ended(&bob)]});
        assert_eq!(whole.json, expected);
        let both = after(&app, NOTHING).await;
        assert_eq!(both.json["sessions"], whole.json["sessions"]);
    }

    async fn a_changed_role_ends_tokens_up_to_a_generation(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        ada.refresh().await;
        assert!(app.cx.set_role(user_id(&ada), Role::ADMIN).await.unwrap());
        let mut entry = ended(&ada);
        entry["upto"] = json!(2);
        let told = after(&app, NOTHING).await;
        assert_eq!(told.json["sessions"], json!([entry]));
        log_out(&ada).await;
        let told = after(&app, cursor(&told)).await;
        assert_eq!(told.json["sessions"], json!([ended(&ada)]), "both count, the wider one wins");
        assert_eq!(feed(&app, "").await.json["sessions"], json!([entry, ended(&ada)]));
    }

    async fn a_changed_password_keeps_the_session_that_changed_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, tablet) = (app.sign_up("ada").await, app.sign_in("ada").await);
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        assert_eq!(ada.post("/auth/password/change", &body).await.status, 200);
        let mut own = ended(&ada);
        own["upto"] = json!(1);
        assert_eq!(after(&app, NOTHING).await.json["sessions"], json!([own, ended(&tablet)]));
    }

    async fn a_cursor_that_is_no_place_in_the_list_gets_the_whole_list(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        log_out(&ada).await;
        let told = after(&app, NOTHING).await;
        let (number, mark) = cursor(&told).split_once('-').unwrap();
        let ahead = format!("{}-{mark}", number.parse::<i64>().unwrap() + 1);
        let other = format!("{number}-{:016x}", u64::from_str_radix(mark, 16).unwrap() ^ 1);
        for strange in ["", "x", "7", &ahead, &other, &format!("9223372036854775807-{mark}")] {
            let whole = feed(&app, &format!("?wait=30&after={strange}")).await;
            assert_eq!(whole.json["complete"], true, "{strange}");
            assert_eq!(whole.json["sessions"], json!([ended(&ada)]), "{strange}");
            assert_eq!(whole.header("cache-control"), Some("no-store"));
        }
    }

    async fn what_has_expired_is_forgotten_and_cursors_live_on(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        log_out(&ada).await;
        let before = after(&app, NOTHING).await;
        app.clock.set(portcullis_core::time::Timestamp::from_seconds(EXP));
        eventually("it is forgotten", async || feed(&app, "").await.json["sessions"] == json!([])).await;
        app.cx.purge().await.expect("purged");
        let late = app.another(|_| {}).await;
        for node in [&app, &late] {
            assert_eq!(cursor(&feed(node, "").await), cursor(&before));
            let nothing = feed(node, &format!("?after={}", cursor(&before))).await;
            assert_eq!((&nothing.json["complete"], &nothing.json["sessions"]), (&json!(false), &json!([])));
        }
        let answer = app.anon().post("/auth/refresh", &json!({"refresh_token": bob.refresh_token})).await;
        assert_eq!(answer.status, 200);
        log_out(&bob).await;
        let told = after(&app, cursor(&before)).await;
        assert_eq!(told.json["sessions"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_restored_database_is_told_from_the_one_it_was() {
    let app = TestApp::new(Backend::Sqlite).await;
    let (ada, bob, eve) = (app.sign_up("ada").await, app.sign_up("bob").await, app.sign_up("eve").await);
    log_out(&ada).await;
    let saved = after(&app, NOTHING).await;
    let copy = app.database.file("copy.db").expect("beside it").display().to_string();
    assert!(app.cx.store.backup(&copy).await.unwrap());
    log_out(&bob).await;
    let lost = after(&app, cursor(&saved)).await;

    let copied = portcullis_testkit::Database::elsewhere(format!("sqlite://{copy}"));
    let restored = TestApp::over(copied, |_| {}).await;
    let whole = feed(&restored, &format!("?after={}&wait=30", cursor(&lost))).await;
    let expected = json!({"cursor": cursor(&saved), "complete": true, "sessions": [ended(&ada)]});
    assert_eq!(whole.json, expected, "ahead of the list");
    log_out(&eve.at(&restored)).await;
    let told = after(&restored, cursor(&saved)).await;
    assert_eq!(told.json["sessions"], json!([ended(&eve)]));
    let whole = feed(&restored, &format!("?after={}&wait=30", cursor(&lost))).await;
    assert_eq!(whole.json["complete"], true, "of the same number, and another entry");
    assert_eq!(whole.json["sessions"], json!([ended(&ada), ended(&eve)]));
}

#[tokio::test]
async fn who_has_the_list_already_is_told_so() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let first = feed(&app, "").await;
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    let tag = first.header("etag").expect("a tag").to_owned();
    for known in [tag.clone(), tag.replace("W/", ""), format!("\"x\", {tag}"), "*".to_owned()] {
        let again = app.anon().with_header("if-none-match", &known).get(FEED).await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(&*tag)), "{known}");
        assert_eq!(again.header("cache-control"), Some("no-cache"));
    }
    log_out(&ada).await;
    after(&app, NOTHING).await;
    let changed = app.anon().with_header("if-none-match", &tag).get(FEED).await;
    assert_eq!((changed.status, &changed.json["sessions"]), (200, &json!([ended(&ada)])));
    let head = Request::builder().method(Method::HEAD).uri(FEED);
    let head = app.anon().exchange(head, axum::body::Body::empty()).await;
    assert_eq!(head.header("etag"), changed.header("etag"));
    let asked = app.anon().with_header("if-none-match", "*").get(&format!("{FEED}?after=x")).await;
    assert_eq!((asked.status, asked.header("etag")), (200, None), "an answer to a cursor is nobody else's");
}

#[tokio::test]
async fn pages_of_any_origin_may_read_it() {
    let app = TestApp::new(Backend::Sqlite).await;
    let page = app.anon().with_header("origin", "https://elsewhere.example");
    let preflight = page
        .with_header("access-control-request-method", "GET")
        .with_header("access-control-request-headers", "if-none-match");
    let reply = preflight.send(Method::OPTIONS, FEED, None).await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    common_headers(&reply);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, HEAD"),
        ("access-control-allow-headers", "If-None-Match"),
        ("access-control-max-age", "86400"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    assert_eq!(reply.header("access-control-allow-credentials"), None);
    let refusal = page.get(&format!("{FEED}?wait=x")).await;
    assert_eq!(refusal.header("access-control-allow-origin"), Some("*"), "a page can read why");
}

#[tokio::test]
async fn waits_that_cannot_be_read_are_refused() {
    let app = TestApp::new(Backend::Sqlite).await;
    for wait in ["", "31", "-1", "1.5", "x", "%2B1", "99999999999999999999", "30%20"] {
        for query in [format!("?wait={wait}"), format!("?after={NOTHING}&wait={wait}")] {
            invalid(&app.anon().get(&format!("{FEED}{query}")).await, &[("wait", "invalid")]);
        }
    }
    refused(&app.anon().get(&format!("{FEED}?after=%ff")).await, 400, "malformed_request");
    for query in ["?wait=30", "?wait=0", "?unknown=1", "?wait=007"] {
        assert_eq!(feed(&app, query).await.json["complete"], true, "{query}");
    }
}
