//! Acting as another user by token exchange: the same rules as `POST /admin/api/users/{id}/impersonate`.

use std::time::Duration;

use portcullis_core::user::Role;
use portcullis_testkit::TestApp;
use serde_json::json;

use super::support::{ACCESS_TOKEN, ISSUER, TOKEN, administrator, api_token, exchange, post, services};
use crate::on_both;
use crate::support::{claims, made, oauth_refused, private, refused, user_id};

fn acting(user: &str) -> [(&str, &str); 2] {
    [("requested_subject", user), ("reason", "ticket 7")]
}

on_both! {
    async fn an_administrator_acts_as_somebody(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let root = administrator(&app).await;
        let ada = app.sign_up("ada").await;
        let own = root.access_token.as_deref().unwrap();
        let id = ada.user.clone().unwrap();
        for (user, mode) in [(&*id, None), ("ada@example.org", Some("full")), (&*id, Some("read"))] {
            let mode: Vec<_> = mode.into_iter().map(|mode| ("mode", mode)).collect();
            let reply = exchange(&app.anon(), own, &[&acting(user)[..], &mode].concat()).await;
            private(&reply, 200);
            assert_eq!(reply.json["issued_token_type"], ACCESS_TOKEN);
            let found = claims(reply.json["access_token"].as_str().unwrap());
            assert_eq!(found["sub"], json!(id));
            assert_eq!(found["act"], json!({"sub": root.user}));
            let reads_only = mode.first().is_none_or(|mode| mode.1 == "read");
            assert_eq!(found.get("read_only").is_some(), reads_only);
            assert_eq!(found["sid"], reply.json["session_id"]);
            // The session goes on by its refresh token, and no longer than it may.
            let token = reply.json["refresh_token"].as_str().unwrap();
            let next = post(&app.anon(), TOKEN, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
            private(&next, 200);
            assert_eq!(claims(next.json["access_token"].as_str().unwrap())["act"], json!({"sub": root.user}));
        }
        app.clock.advance(Duration::from_hours(1));
        let expired = exchange(&app.anon(), own, &acting(&id)).await;
        oauth_refused(&expired, 400, "invalid_request");
    }

    async fn nobody_else_does(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let root = administrator(&app).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let id = bob.user.clone().unwrap();
        let own = root.access_token.clone().unwrap();
        let full = [&acting(&id)[..], &[("mode", "full")]].concat();
        let as_bob = exchange(&app.anon(), &own, &full).await.json["access_token"].as_str().unwrap().to_owned();
        let wide = root.post("/auth/refresh", &json!({"refresh_token": root.refresh_token})).await;
        let wide = wide.json["access_token"].as_str().unwrap().to_owned();
        let (api, _) = api_token(&root, None).await;
        let short = exchange(&app.anon(), &api, &[]).await.json["access_token"].as_str().unwrap().to_owned();
        let bot = root.post("/auth/bots", &json!({"name": "helper"})).await.json["id"].as_str().unwrap().to_owned();
        let bot = root.post(&format!("/auth/bots/{bot}/tokens"), &json!({"audience": ISSUER})).await;
        let bot = bot.json["access_token"].as_str().unwrap().to_owned();
        for (subject, why) in [
            (ada.access_token.clone().unwrap(), "wrong_audience"),
            (as_bob, "not_while_acting"),
            (api, "session_required"),
            (short, "session_required"),
            (bot, "session_required"),
            (wide, "wrong_audience"),
        ] {
            let reply = exchange(&app.anon(), &subject, &acting(ada.user.as_deref().unwrap())).await;
            oauth_refused(&reply, 400, "invalid_request");
            let description = reply.json["error_description"].as_str().unwrap();
            assert!(description.starts_with(why), "{description}");
        }
        let narrow = ada.post("/auth/refresh", &json!({"refresh_token": ada.refresh_token, "audience": ISSUER})).await;
        let reply = exchange(&app.anon(), narrow.json["access_token"].as_str().unwrap(), &acting(&id)).await;
        oauth_refused(&reply, 400, "invalid_request");
        assert!(reply.json["error_description"].as_str().unwrap().starts_with("forbidden"));
        refused(&ada.bearing(narrow.json["access_token"].as_str()).get("/admin/api/clients").await, 403, "forbidden");
    }

    async fn and_nobody_else_is_acted_as(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = administrator(&app).await;
        let own = root.access_token.as_deref().unwrap();
        let other = app.sign_up("other").await;
        app.cx.set_role(user_id(&other), Role::ADMIN).await.unwrap();
        let gone = made(&app, "gone", |_| {}).await;
        app.cx.disable_user(gone.id).await.unwrap();
        let mut texts = std::collections::BTreeSet::new();
        for user in [
            other.user.as_deref().unwrap(),
            root.user.as_deref().unwrap(),
            "gone@example.org",
            "nobody@example.org",
            "00000000-0000-7000-8000-000000000000",
        ] {
            let reply = exchange(&app.anon(), own, &acting(user)).await;
            oauth_refused(&reply, 400, "invalid_request");
            texts.insert(reply.body);
        }
        assert_eq!(texts.len(), 1);
        for more in [
            &[("requested_subject", "other@example.org")][..],
            &[("requested_subject", "other@example.org"), ("reason", "  ")],
            &[("requested_subject", "other@example.org"), ("reason", "x"), ("mode", "write")],
            &[("requested_subject", "other@example.org"), ("reason", "x"), ("scope", "a")],
            &[("requested_subject", "other@example.org"), ("reason", "x"), ("audience", ISSUER)],
        ] {
            oauth_refused(&exchange(&app.anon(), own, more).await, 400, "invalid_request");
        }
    }
}
