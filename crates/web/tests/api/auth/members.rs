//! `/auth/accounts/{id}/members` and `…/invites`: who may do what to whom, that an owner stays, and that tokens say what
//! is so.

use std::time::Duration;

use portcullis_testkit::{Actor, TestApp};
use serde_json::{Value, json};

use super::accounts::{account_of, at, join};
use super::invites::register;
use crate::on_both;
use crate::support::{claims_of, invalid, private, refused};

fn member(account: &str, actor: &Actor) -> String {
    at(account, &format!("/members/{}", actor.user.as_deref().expect("signed in")))
}

async fn roles(actor: &Actor, account: &str) -> Vec<(String, String)> {
    let reply = actor.get(&at(account, "/members")).await;
    private(&reply, 200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = reply.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(&one["email"]).replace("@example.org", ""), text(&one["role"])))
        .collect();
    found.sort();
    found
}

fn expected(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned())).collect()
}

on_both! {
    async fn owners_may_all_admins_what_concerns_no_owner_others_nothing(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (cyd, dan) = (app.sign_up("cyd").await, app.sign_up("dan").await);
        let account = account_of(&ada).await;
        join(&ada, &account, &bob, "admin").await;
        join(&bob, &account, &cyd, "engineer").await;
        for (actor, target, role, outcome) in [
            (&cyd, &cyd, "admin", 403),
            (&cyd, &ada, "member", 403),
            (&bob, &ada, "member", 403),
            (&bob, &bob, "owner", 403),
            (&bob, &cyd, "owner", 403),
            (&bob, &cyd, "viewer", 204),
            (&bob, &cyd, "viewer", 204),
            (&bob, &dan, "viewer", 404),
            (&dan, &cyd, "viewer", 404),
            (&ada, &cyd, "owner", 204),
            (&ada, &cyd, "engineer", 204),
        ] {
            let reply = actor.patch(&member(&account, target), &json!({"role": role})).await;
            assert_eq!(reply.status, outcome, "{role}: {}", reply.text());
        }
        invalid(&ada.patch(&member(&account, &bob), &json!({"role": "A B"})).await, &[("role", "invalid")]);
        assert_eq!(roles(&ada, &account).await, expected(&[("ada", "owner"), ("bob", "admin"), ("cyd", "engineer")]));
        let cyd = app.sign_in("cyd").await;
        for (actor, target, outcome) in [(&cyd, &bob, 403), (&bob, &ada, 403), (&bob, &dan, 404), (&bob, &cyd, 204)] {
            assert_eq!(actor.delete(&member(&account, target)).await.status, outcome);
        }
        let invites = at(&account, "/invites");
        let to = |role: &str| json!({"email": "eve@example.org", "role": role});
        refused(&bob.post(&invites, &to("owner")).await, 403, "forbidden");
        private(&bob.post(&invites, &to("admin")).await, 201);
        let cyd = app.sign_in("cyd").await;
        for actor in [&cyd, &dan] {
            refused(&actor.post(&invites, &to("member")).await, 404, "not_found");
            refused(&actor.get(&invites).await, 404, "not_found");
            refused(&actor.get(&at(&account, "/members")).await, 404, "not_found");
        }
    }

    async fn the_last_owner_stays(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let account = account_of(&ada).await;
        join(&ada, &account, &bob, "admin").await;
        refused(&ada.post(&at(&account, "/leave"), &json!({})).await, 409, "last_owner");
        refused(&ada.delete(&member(&account, &ada)).await, 409, "last_owner");
        refused(&ada.patch(&member(&account, &ada), &json!({"role": "admin"})).await, 409, "last_owner");
        refused(&ada.delete(&at(&account, "")).await, 409, "account_has_members");
        refused(&bob.delete(&at(&account, "")).await, 403, "forbidden");
        refused(&bob.post(&at(&account, "/transfer"), &json!({"user_id": bob.user})).await, 403, "forbidden");
        refused(&ada.post(&at(&account, "/transfer"), &json!({"user_id": ada.user})).await, 404, "not_found");
        private(&ada.post(&at(&account, "/transfer"), &json!({"user_id": bob.user})).await, 204);
        let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
        assert_eq!(roles(&bob, &account).await, expected(&[("ada", "admin"), ("bob", "owner")]));
        private(&ada.post(&at(&account, "/leave"), &json!({})).await, 204);
        assert_eq!(roles(&bob, &account).await, expected(&[("bob", "owner")]));
    }

    async fn of_two_owners_who_leave_at_once_one_stays(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        for round in 0..5 {
            let ada = app.sign_up(&format!("ada{round}")).await;
            let bob = app.sign_up(&format!("bob{round}")).await;
            let account = account_of(&ada).await;
            join(&ada, &account, &bob, "owner").await;
            let calls = [(ada.clone(), "/leave"), (bob.at(&other), "/leave")].map(|(actor, how)| {
                let path = at(&account, how);
                tokio::spawn(async move { actor.post(&path, &json!({})).await.outcome_owned() })
            });
            let mut outcomes = Vec::new();
            for call in calls {
                outcomes.push(call.await.unwrap());
            }
            outcomes.sort();
            assert_eq!(outcomes, [(204, String::new()), (409, "last_owner".to_owned())]);
        }
    }

    async fn handing_over_to_somebody_who_leaves_keeps_an_owner(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        for round in 0..5 {
            let (ada_name, bob_name) = (format!("ada{round}"), format!("bob{round}"));
            let (ada, bob) = (app.sign_up(&ada_name).await, app.sign_up(&bob_name).await);
            let account = account_of(&ada).await;
            join(&ada, &account, &bob, "admin").await;
            let (to, leave) = (at(&account, "/transfer"), at(&account, "/leave"));
            let (ada_there, goer, heir) = (ada.clone(), bob.at(&other), json!({"user_id": bob.user}));
            let given = tokio::spawn(async move { ada_there.post(&to, &heir).await.status });
            let left = tokio::spawn(async move { goer.post(&leave, &json!({})).await.status });
            let outcome = (given.await.unwrap(), left.await.unwrap());
            let ada = app.sign_in(&ada_name).await;
            let found = roles(&ada, &account).await;
            match outcome {
                // The heir was there, and then was the last owner.
                (204, 409) => assert_eq!(found, expected(&[(&ada_name, "admin"), (&bob_name, "owner")])),
                // The heir had gone.
                (404, 204) => assert_eq!(found, expected(&[(&ada_name, "owner")])),
                other => panic!("{other:?}: {found:?}"),
            }
        }
    }

    async fn two_admins_who_remove_each_other_do_not_both(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let (ada, bob, cyd) = (app.sign_up("ada").await, app.sign_up("bob").await, app.sign_up("cyd").await);
        let account = account_of(&ada).await;
        join(&ada, &account, &bob, "admin").await;
        join(&ada, &account, &cyd, "admin").await;
        let calls = [(bob.clone(), member(&account, &cyd)), (cyd.at(&other), member(&account, &bob))]
            .map(|(actor, path)| tokio::spawn(async move { actor.delete(&path).await.status }));
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(call.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses[0], 204);
        assert!(matches!(statuses[1], 401 | 404), "who was removed removes nobody: {statuses:?}");
        assert_eq!(roles(&ada, &account).await.len(), 2);
    }

    async fn tokens_die_with_the_role_on_every_node(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let account = account_of(&ada).await;
        join(&ada, &account, &bob, "member").await;
        let mut bob = app.sign_in("bob").await;
        private(&bob.post(&at(&account, "/switch"), &json!({"default": true})).await, 200);
        assert_eq!(bob.refresh().await.status, 200);
        let old = bob.at(&other);
        assert_eq!(old.get("/auth/me").await.status, 200, "known there");
        private(&ada.patch(&member(&account, &bob), &json!({"role": "admin"})).await, 204);
        refused(&bob.get("/auth/me").await, 401, "invalid_token");
        old.until_refused("/auth/me").await;
        assert_eq!(bob.refresh().await.status, 200);
        assert_eq!(claims_of(&bob)["account_role"], "admin");
        assert_eq!(bob.get("/auth/me").await.json["account"]["role"], "admin");

        let old = bob.at(&other);
        assert_eq!(old.get("/auth/me").await.status, 200);
        private(&ada.delete(&member(&account, &bob)).await, 204);
        refused(&bob.get("/auth/me").await, 401, "invalid_token");
        old.until_refused("/auth/me").await;
        assert_eq!(bob.refresh().await.status, 200);
        assert_eq!(claims_of(&bob)["account_role"], "owner", "of their own");
        assert_ne!(claims_of(&bob)["account"], json!(account));
        refused(&bob.post(&at(&account, "/switch"), &json!({})).await, 404, "not_found");
    }

    /// Whoever goes over while they are removed ends up outside.
    async fn going_over_races_with_being_removed(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let account = account_of(&ada).await;
        for round in 0..5 {
            let mut bob = app.sign_up(&format!("bob{round}")).await;
            join(&ada, &account, &bob, "member").await;
            let (goer, host) = (bob.at(&other), ada.clone());
            let (path, gone) = (at(&account, "/switch"), member(&account, &bob));
            let over = tokio::spawn(async move { goer.post(&path, &json!({"default": true})).await.status });
            let removed = tokio::spawn(async move { host.delete(&gone).await.status });
            assert!(matches!(over.await.unwrap(), 200 | 401 | 404));
            assert_eq!(removed.await.unwrap(), 204);
            assert_eq!(bob.refresh().await.status, 200);
            assert_ne!(claims_of(&bob)["account"], json!(account));
            let again = app.sign_in(&format!("bob{round}")).await;
            assert_ne!(claims_of(&again)["account"], json!(account));
        }
    }

    async fn an_invite_is_for_one_address_and_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let (ada, bob, cyd) = (app.sign_up("ada").await, app.sign_up("bob").await, app.sign_up("cyd").await);
        let account = account_of(&ada).await;
        let invites = at(&account, "/invites");
        let made = ada.post(&invites, &json!({"email": "BOB@example.ORG"})).await;
        private(&made, 201);
        assert_eq!((&made.json["role"], &made.json["uses"]), (&json!("member"), &json!(1)));
        let accept = json!({"code": made.json["code"]});
        refused(&cyd.post("/auth/invites/accept", &accept).await, 403, "invite_email_mismatch");
        refused(&cyd.post("/auth/invites/accept", &json!({"code": "pci_x"})).await, 400, "invalid_invite");
        let calls = (0..20).map(|at| {
            let (actor, accept) = (if at % 2 == 0 { bob.clone() } else { bob.at(&other) }, accept.clone());
            tokio::spawn(async move { actor.post("/auth/invites/accept", &accept).await.outcome_owned() })
        });
        let mut outcomes = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            outcomes.push(call.await.unwrap());
        }
        outcomes.sort();
        assert_eq!(outcomes[0], (200, String::new()));
        assert!(outcomes[1..].iter().all(|(_, code)| code == "already_member" || code == "invite_used"), "{outcomes:?}");
        assert_eq!(roles(&ada, &account).await.len(), 2);
        app.clock.advance(Duration::from_millis(1));
        let again = ada.post(&invites, &json!({"email": "bob@example.org"})).await;
        refused(&bob.post("/auth/invites/accept", &json!({"code": again.json["code"]})).await, 409, "already_member");
        let left = ada.get(&invites).await.json["items"].clone();
        assert_eq!((&left[0]["status"], &left[1]["status"]), (&json!("open"), &json!("used")), "{left}");
    }

    async fn invites_are_listed_renewed_and_taken_back(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (account, theirs) = (account_of(&ada).await, account_of(&bob).await);
        let invites = at(&account, "/invites");
        invalid(&ada.post(&invites, &json!({"email": "x", "role": " "})).await, &[("email", "invalid_email"), ("role", "blank")]);
        let made = ada.post(&invites, &json!({"email": "new@example.org", "role": "engineer", "expires_in_days": 3})).await.json;
        let id = made["id"].as_str().unwrap();
        let mut shown = made.clone();
        shown.as_object_mut().unwrap().remove("code");
        assert_eq!(ada.get(&invites).await.json, json!({"items": [shown], "next_cursor": null}));
        app.clock.advance(Duration::from_hours(4 * 24));
        let ada = app.sign_in("ada").await;
        let bob = app.sign_in("bob").await;
        let code = json!({"account_invite_code": made["code"]});
        refused(&register(&app.anon(), "new", &code).await, 400, "invite_expired");
        // By whoever manages another account.
        refused(&bob.post(&at(&theirs, &format!("/invites/{id}/resend")), &json!({})).await, 404, "not_found");
        refused(&bob.delete(&at(&theirs, &format!("/invites/{id}"))).await, 404, "not_found");
        let renewed = ada.post(&format!("{invites}/{id}/resend"), &json!({})).await;
        private(&renewed, 200);
        assert_eq!((&renewed.json["code"], &renewed.json["expires_at"]), (&made["code"], &json!("2026-01-12T00:00:00Z")));
        private(&ada.delete(&format!("{invites}/{id}")).await, 204);
        refused(&ada.delete(&format!("{invites}/{id}")).await, 409, "conflict");
        refused(&ada.post(&format!("{invites}/{id}/resend"), &json!({})).await, 409, "conflict");
        refused(&register(&app.anon(), "new", &code).await, 400, "invalid_invite");
    }
}
