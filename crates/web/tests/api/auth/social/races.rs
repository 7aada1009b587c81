//! Many at once, over two nodes of one database.

use portcullis_testkit::{Actor, Reply};
use serde_json::{Value, json};

use super::{APP, ada, another, arrived, begun, brought, identities_of, world};
use crate::on_both;
use crate::support::private;

const CALLBACK: &str = "/auth/oauth/acme/callback";

/// Each brings theirs at once.
async fn all(calls: Vec<(Actor, Value)>) -> Vec<Reply> {
    let calls =
        calls.into_iter().map(|(actor, body)| tokio::spawn(async move { actor.post(CALLBACK, &body).await }));
    let mut replies = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        replies.push(call.await.unwrap());
    }
    replies
}

on_both! {
    async fn of_twenty_with_one_state_one_is_signed_in(backend: Backend) {
        let (app, fake) = world(backend).await;
        let other = another(&app, &fake, |_| {}).await;
        let begun = begun(&app.anon()).await;
        let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &ada(&fake));
        let body = brought(&begun, &returned);
        let nodes = [&app, &other];
        let replies = all((0..20).map(|at| (nodes[at % 2].anon(), body.clone())).collect()).await;
        let mut outcomes: Vec<_> = replies.iter().map(Reply::outcome).collect();
        outcomes.sort_unstable();
        assert_eq!(outcomes[0], (200, ""));
        assert!(outcomes[1..].iter().all(|outcome| *outcome == (400, "provider_error")), "{outcomes:?}");
    }

    async fn many_first_sign_ins_of_one_person_make_one_user(backend: Backend) {
        let (app, fake) = world(backend).await;
        let other = another(&app, &fake, |_| {}).await;
        let nodes = [&app, &other];
        let mut calls = Vec::new();
        for at in 0..8 {
            let begun = begun(&nodes[at % 2].anon()).await;
            let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &ada(&fake));
            calls.push((nodes[at % 2].anon(), brought(&begun, &returned)));
        }
        let replies = all(calls).await;
        let users: std::collections::BTreeSet<_> =
            replies.iter().map(|reply| reply.json["user"]["id"].to_string()).collect();
        assert!(replies.iter().all(|reply| reply.status == 200), "{:?}", replies.iter().map(Reply::text).collect::<Vec<_>>());
        assert_eq!((users.len(), app.cx.store.count_users().await.unwrap()), (1, 1));
    }

    /// One subject, told with two addresses at once: one person all the same.
    async fn one_person_under_two_addresses_is_one_user(backend: Backend) {
        let (app, fake) = world(backend).await;
        let other = another(&app, &fake, |_| {}).await;
        let nodes = [&app, &other];
        let mut calls = Vec::new();
        for at in 0..6 {
            let begun = begun(&nodes[at % 2].anon()).await;
            let person = fake.person("ada-there", &format!("ada{}@example.org", at % 2), true);
            let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &person);
            calls.push((nodes[at % 2].anon(), brought(&begun, &returned)));
        }
        let replies = all(calls).await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{:?}", replies.iter().map(Reply::text).collect::<Vec<_>>());
        assert_eq!(app.cx.store.count_users().await.unwrap(), 1);
    }

    /// Of many who come to an address that a squatter holds, one takes it, and all are that user.
    async fn many_who_claim_one_address_are_one_user(backend: Backend) {
        let (app, fake) = world(backend).await;
        let other = another(&app, &fake, |_| {}).await;
        let squatter = app.sign_up("ada").await;
        let nodes = [&app, &other];
        let mut calls = Vec::new();
        for at in 0..6 {
            let begun = begun(&nodes[at % 2].anon()).await;
            let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &ada(&fake));
            calls.push((nodes[at % 2].anon(), brought(&begun, &returned)));
        }
        let replies = all(calls).await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{:?}", replies.iter().map(Reply::text).collect::<Vec<_>>());
        squatter.until_refused("/auth/me").await;
        assert_eq!(crate::support::events(&app, "email.claimed").await.len(), 1);
    }

    async fn of_two_users_who_link_one_person_one_does(backend: Backend) {
        let (app, fake) = world(backend).await;
        let other = another(&app, &fake, |_| {}).await;
        let users = [app.sign_up("bob").await, app.sign_up("carl").await.at(&other)];
        let mut calls = Vec::new();
        for user in &users {
            let begun = user.post("/auth/oauth/acme/link", &json!({"redirect_uri": APP})).await.json;
            let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &ada(&fake));
            calls.push((user.clone(), brought(&begun, &returned)));
        }
        let replies = all(calls).await;
        let mut outcomes: Vec<_> = replies.iter().map(Reply::outcome).collect();
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(200, ""), (409, "identity_taken")]);
        let winner = usize::from(replies[1].status == 200);
        assert_eq!(identities_of(&users[winner]).await.len(), 1);
        assert!(identities_of(&users[1 - winner]).await.is_empty());
        assert_eq!(arrived(&app, &fake, &ada(&fake)).await.user, users[winner].user);
        private(&users[1 - winner].get("/auth/me").await, 200);
    }
}
