//! The feed over several nodes of one database, and without the database.

use std::time::Duration;

use portcullis_testkit::postgres::{self, OwnCluster};
use portcullis_testkit::{Backend, Database, Reply, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{FEED, common_headers, eventually, hashed, refused};

async fn feed(app: &TestApp, query: &str) -> Reply {
    let reply = app.anon().get(&format!("{FEED}{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn ids(reply: &Reply) -> Vec<&str> {
    reply.json["sessions"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect()
}

on_both! {
    async fn who_waits_on_one_node_hears_of_the_other(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut cursor = feed(&other, "").await.json["cursor"].clone();
        for at in 0..3 {
            let ada = app.sign_up(&format!("ada{at}")).await;
            let path = format!("{FEED}?after={}&wait=30", cursor.as_str().unwrap());
            let waiting = tokio::spawn({
                let anon = other.anon();
                async move { anon.get(&path).await }
            });
            eventually("it waits", async || other.app.waiting() == 1).await;
            ada.post("/auth/logout", &json!({})).await;
            let told = waiting.await.expect("no panic");
            assert_eq!(ids(&told), [hashed(ada.session.as_deref().unwrap())]);
            assert_eq!(told.json["complete"], false);
            cursor = told.json["cursor"].clone();
        }
    }

    async fn a_cursor_is_good_on_every_node_even_on_one_that_is_behind(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut cursor = feed(&app, "").await.json["cursor"].clone();
        for at in 0..10 {
            let ada = app.sign_up(&format!("ada{at}")).await;
            ada.post("/auth/logout", &json!({})).await;
            let told = feed(&app, &format!("?after={}&wait=30", cursor.as_str().unwrap())).await;
            cursor = told.json["cursor"].clone();
            // At once: it may not have read that far by itself.
            let there = feed(&other, &format!("?after={}", cursor.as_str().unwrap())).await;
            assert_eq!(there.json, json!({"cursor": cursor, "complete": false, "sessions": []}));
        }
        let late = app.another(|_| {}).await;
        let whole: Vec<Value> = [feed(&app, "").await, feed(&other, "").await, feed(&late, "").await]
            .map(|reply| reply.json)
            .into();
        assert_eq!((&whole[0], &whole[0]), (&whole[1], &whole[2]));
        assert_eq!((whole[0]["sessions"].as_array().unwrap().len(), &whole[0]["cursor"]), (10, &cursor));
        let there = feed(&late, &format!("?after={}", cursor.as_str().unwrap())).await;
        assert_eq!((&there.json["complete"], &there.json["sessions"]), (&json!(false), &json!([])));
    }

    async fn entries_come_in_one_order_on_all_nodes_however_many_write(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut leavers = Vec::new();
        for at in 0..12 {
            let name = format!("ada{at}");
            leavers.push(app.sign_up(&name).await.at(if at % 2 == 0 { &app } else { &other }));
        }
        let readers = [&app, &other].map(|node| {
            let anon = node.anon();
            tokio::spawn(async move {
                let (mut seen, mut cursor) = (Vec::new(), "0-0000000000000000".to_owned());
                while seen.len() < 12 {
                    let reply = anon.get(&format!("{FEED}?after={cursor}&wait=30")).await;
                    assert_eq!((reply.status, &reply.json["complete"]), (200, &json!(false)));
                    seen.extend(ids(&reply).into_iter().map(str::to_owned));
                    reply.json["cursor"].as_str().unwrap().clone_into(&mut cursor);
                }
                (seen, cursor)
            })
        });
        let leaving = leavers.iter().cloned().map(|leaver| {
            tokio::spawn(async move { leaver.post("/auth/logout", &json!({})).await.status })
        });
        for leaving in leaving.collect::<Vec<_>>() {
            assert_eq!(leaving.await.expect("no panic"), 204);
        }
        let [one, two] = readers;
        let (one, two) = (one.await.expect("no panic"), two.await.expect("no panic"));
        assert_eq!(one, two);
        let mut told = one.0;
        let mut expected: Vec<_> =
            leavers.iter().map(|leaver| hashed(leaver.session.as_deref().unwrap())).collect();
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "each once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_news_for_too_long_nobody_is_told_that_there_is_nothing_new() {
    let cluster = OwnCluster::start(false);
    let database = Database::elsewhere(cluster.create_database("portcullis"));
    let app = TestApp::over(database, |setup| setup.settings.max_staleness = Duration::from_secs(2)).await;
    let cursor = feed(&app, "").await.json["cursor"].clone();
    let path = format!("{FEED}?after={}&wait=30", cursor.as_str().unwrap());
    let waiting = tokio::spawn({
        let (anon, path) = (app.anon(), path.clone());
        async move { anon.get(&path).await }
    });
    eventually("it waits", async || app.app.waiting() == 1).await;
    cluster.stop();
    let told = waiting.await.expect("no panic");
    refused(&told, 503, "store_unavailable");
    assert_eq!(told.header("access-control-allow-origin"), Some("*"));
    for path in [FEED, &path] {
        refused(&app.anon().get(path).await, 503, "store_unavailable");
    }
    cluster.start_again();
    eventually("it knows again", async || app.anon().get(FEED).await.status == 200).await;
    let ada = app.sign_up("ada").await;
    ada.post("/auth/logout", &json!({})).await;
    let told = feed(&app, &format!("?after={}&wait=30", cursor.as_str().unwrap())).await;
    common_headers(&told);
    assert_eq!(ids(&told), [hashed(ada.session.as_deref().unwrap())]);
    drop(app);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_is_ahead_is_not_judged_without_the_database() {
    let cluster = OwnCluster::start(false);
    let app = TestApp::over(Database::elsewhere(cluster.create_database("portcullis")), |_| {}).await;
    cluster.stop();
    refused(&app.anon().get(&format!("{FEED}?after=7-0000000000000000")).await, 503, "store_unavailable");
    assert_eq!(feed(&app, "").await.json["complete"], true, "what is known is told");
    drop(app);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_set_back_under_running_nodes_is_noticed() {
    let app = TestApp::new(Backend::Postgres).await;
    let other = app.another(|_| {}).await;
    let (ada, bob, eve) = (app.sign_up("ada").await, app.sign_up("bob").await, app.sign_up("eve").await);
    let id = |session: &Option<String>| hashed(session.as_deref().unwrap());
    ada.post("/auth/logout", &json!({})).await;
    let kept = feed(&app, "?after=0-0000000000000000&wait=30").await.json["cursor"].clone();
    bob.post("/auth/logout", &json!({})).await;
    let lost = feed(&app, &format!("?after={}&wait=30", kept.as_str().unwrap())).await.json["cursor"].clone();
    let lost = format!("?after={}&wait=30", lost.as_str().unwrap());
    let waiting = tokio::spawn({
        let (anon, path) = (other.anon(), format!("{FEED}{lost}"));
        async move { anon.get(&path).await }
    });
    eventually("it waits", async || other.app.waiting() == 1).await;
    // As after a failover to a standby that had not got the last commit: the number is given again.
    let sql = "DELETE FROM revocations WHERE seq = (SELECT MAX(seq) FROM revocations); \
        SELECT setval(pg_get_serial_sequence('revocations', 'seq'), (SELECT MAX(seq) FROM revocations))";
    postgres::query(&app.database.url, sql).expect("the rows can be taken away");
    let told = waiting.await.expect("no panic");
    let expected = [id(&ada.session)];
    assert_eq!((&told.json["complete"], &told.json["cursor"]), (&json!(true), &kept));
    assert_eq!(ids(&told), expected);
    let at_once = lost.replace("&wait=30", "");
    eventually("the other node notices it, too", async || {
        feed(&app, &at_once).await.json["complete"] == true
    })
    .await;
    eve.post("/auth/logout", &json!({})).await;
    for node in [&app, &other] {
        let told = feed(node, &format!("?after={}&wait=30", kept.as_str().unwrap())).await;
        assert_eq!((&told.json["complete"], ids(&told)), (&json!(false), vec![&*id(&eve.session)]));
        let told = feed(node, &lost).await;
        assert_eq!(told.json["complete"], true, "the same number, and another entry");
        assert_eq!(ids(&told), [id(&ada.session), id(&eve.session)]);
    }
}
