use std::time::Duration;

use portcullis_testkit::{Actor, PASSWORD, Reply, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{invalid, made, private, redacted, refused, token_json, user_json};

async fn set_up(actor: &Actor, token: &str, name: &str) -> Reply {
    let email = format!("{name}@example.org");
    let body = json!({"token": token, "email": email, "password": PASSWORD, "name": name});
    actor.post("/auth/setup", &body).await
}

on_both! {
    async fn the_link_makes_one_administrator_and_is_spent(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let token = app.cx.set_up_token().await.unwrap().expect("there was never an administrator");
        assert_eq!(other.cx.set_up_token().await.unwrap().as_deref(), Some(&*token), "every node shows the same");
        let reply = set_up(&other.anon(), &token, "root").await;
        private(&reply, 201);
        let mut expected = user_json("root", None);
        expected["role"] = "admin".into();
        assert_eq!(redacted(&reply.json), json!({"user": expected}));
        refused(&set_up(&app.anon(), &token, "second").await, 400, "invalid_link");
        assert!(app.cx.set_up_token().await.unwrap().is_none());
    }

    async fn with_delivery_signs_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let token = app.cx.set_up_token().await.unwrap().unwrap();
        let body = json!({"token": *token, "email": "root@example.org", "password": PASSWORD, "name": "root",
            "delivery": "body"});
        let reply = app.anon().post("/auth/setup/", &body).await;
        private(&reply, 201);
        let mut expected = token_json("root");
        expected["user"]["role"] = "admin".into();
        assert_eq!(redacted(&reply.json), expected);
    }

    async fn of_many_at_once_one_becomes_administrator(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let token = app.cx.set_up_token().await.unwrap().unwrap().to_string();
        let calls = (0..10).map(|at| {
            let actor = if at % 2 == 0 { app.anon() } else { other.anon() };
            let token = token.clone();
            tokio::spawn(async move { set_up(&actor, &token, &format!("root{at}")).await })
        });
        let mut made = 0;
        for call in calls.collect::<Vec<_>>() {
            let reply = call.await.unwrap();
            match reply.status {
                201 => made += 1,
                _ => refused(&reply, 400, "invalid_link"),
            }
        }
        assert_eq!(made, 1);
    }

    async fn a_wrong_link_is_refused_and_a_wrong_field_does_not_spend_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let token = app.cx.set_up_token().await.unwrap().unwrap();
        for wrong in ["", "pcs_0", "garbage", &token[..token.len() - 1], &format!("{}x", *token)] {
            refused(&set_up(&app.anon(), wrong, "root").await, 400, "invalid_link");
        }
        refused(&set_up(&app.anon(), &token, "ada").await, 409, "email_taken");
        let weak = json!({"token": *token, "email": "root@example.org", "password": "weak"});
        invalid(&app.anon().post("/auth/setup", &weak).await, &[("password", "password_too_short")]);
        assert_eq!(set_up(&app.anon(), &token, "root").await.status, 201);
    }

    async fn an_administrator_made_in_another_way_voids_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let token = app.cx.set_up_token().await.unwrap().unwrap();
        made(&app, "boss", |request| request.role = "admin".into()).await;
        refused(&set_up(&app.anon(), &token, "root").await, 400, "invalid_link");
        assert!(app.cx.set_up_token().await.unwrap().is_none());
    }

    async fn it_is_good_for_a_day_and_offered_anew_after_that(backend: Backend) {
        let app = TestApp::new(backend).await;
        let token = app.cx.set_up_token().await.unwrap().unwrap();
        app.clock.advance(Duration::from_hours(24));
        refused(&set_up(&app.anon(), &token, "root").await, 400, "invalid_link");
        let next = app.cx.set_up_token().await.unwrap().expect("still nobody");
        assert_ne!(*next, *token);
        refused(&set_up(&app.anon(), &token, "root").await, 400, "invalid_link");
        assert_eq!(set_up(&app.anon(), &next, "root").await.status, 201);
    }
}
