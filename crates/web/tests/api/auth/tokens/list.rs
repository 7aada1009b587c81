use std::collections::HashSet;
use std::time::Duration;

use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{api_token, holder, invalid, private};

on_both! {
    async fn live_ones_of_the_caller_from_the_newest(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        api_token(&bob, &json!({"name": "bob's"})).await;
        api_token(&ada, &json!({"name": "short", "expires_in_days": 1})).await;
        let mut names = Vec::new();
        for at in 0..5 {
            app.clock.advance(Duration::from_millis(1));
            names.insert(0, format!("{at}"));
            api_token(&ada, &json!({"name": names[0]})).await;
        }
        app.clock.advance(Duration::from_hours(24));
        let mut ada = ada;
        ada.refresh().await;
        let (mut seen, mut ids, mut path) = (Vec::new(), HashSet::new(), "/auth/tokens?limit=2".to_owned());
        for _ in 0..5 {
            let page = ada.get(&path).await;
            private(&page, 200);
            for item in page.json["items"].as_array().unwrap() {
                assert!(item.get("token").is_none());
                seen.push(item["name"].as_str().unwrap().to_owned());
                ids.insert(item["id"].as_str().unwrap().to_owned());
            }
            let Some(cursor) = page.json["next_cursor"].as_str() else { break };
            path = format!("/auth/tokens/?limit=2&cursor={cursor}");
        }
        assert_eq!(seen, names, "the expired one is not there");
        assert_eq!(ids.len(), 5);
    }

    async fn a_token_may_list_the_tokens_of_its_user(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let made = api_token(&ada, &json!({"name": "x"})).await;
        private(&holder(&app, &made).get("/auth/tokens").await, 200);
    }
}

#[tokio::test]
async fn a_page_is_named_as_everywhere() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for limit in ["0", "101", "-1", "x", ""] {
        invalid(&ada.get(&format!("/auth/tokens?limit={limit}")).await, &[("limit", "invalid")]);
    }
    invalid(&ada.get("/auth/tokens?cursor=x").await, &[("cursor", "invalid")]);
}
