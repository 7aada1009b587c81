//! Twenty people use one invite at the same moment, at two processes on one database.

use std::fs;
use std::time::Duration;

use portcullis_testkit::{Backend, Installation, PASSWORD, eventually};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Tokens, installation};

on_both!(one_of_twenty_gets_in);

/// The first administrator, by the set-up link.
async fn administrator(site: &Installation, client: &mut portcullis_testkit::HttpClient) -> Tokens {
    let link = eventually(Duration::from_secs(10), "the set-up link", async || {
        fs::read_to_string(site.path("data/setup-link")).ok().filter(|link| link.ends_with('\n'))
    })
    .await;
    let token = link.trim().split_once("#token=").expect("a token").1;
    let body = json!({"token": token, "email": "root@example.org", "password": PASSWORD, "delivery": "body"});
    let reply = client.post("/auth/setup", &body).await.expect("an answer");
    assert_eq!(reply.status, 201, "{}", reply.text());
    Tokens::of(&reply)
}

async fn one_of_twenty_gets_in(backend: Backend) {
    let site = installation(backend)
        .env("PORTCULLIS_REGISTRATION__MODE", "invite")
        .env("PORTCULLIS_RATE_LIMIT__ENABLED", "false")
        .env("PORTCULLIS_PASSWORD__MEMORY_KIB", "8");
    let (mut one, mut two) = (site.start(), site.start());
    one.ready().await;
    two.ready().await;
    let root = administrator(&site, &mut one.client()).await;
    let bearer = format!("Bearer {}", root.access);
    for (round, wanted) in [json!({}), json!({"plan": "pro", "trial_days": 14})].into_iter().enumerate() {
        let headers = [("Authorization", bearer.as_str())];
        let made = one.client().send("POST", "/admin/api/invites", &headers, Some(&wanted)).await;
        let made: Value = made.expect("an answer").json;
        let calls = (0..20).map(|number| {
            let mut client = if number % 2 == 0 { one.client() } else { two.client() };
            let email = format!("user{round}-{number}@example.org");
            let body = json!({"email": email, "password": PASSWORD, "invite_code": made["code"]});
            tokio::spawn(async move {
                let reply = client.post("/auth/register", &body).await.expect("an answer");
                (reply.status, reply.code().to_owned())
            })
        });
        let mut outcomes = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            outcomes.push(call.await.expect("no panic"));
        }
        outcomes.sort();
        assert_eq!(outcomes[0], (201, String::new()));
        assert!(outcomes[1..].iter().all(|outcome| *outcome == (400, "invite_used".into())), "{outcomes:?}");
        let path = format!("/admin/api/invites/{}", made["id"].as_str().expect("an id"));
        let left = two.client().send("GET", &path, &headers, None).await.expect("an answer").json;
        assert_eq!((&left["status"], &left["used"]), (&json!("used"), &json!(1)));
        let accounts = two.client().send("GET", "/admin/api/accounts", &headers, None).await;
        let accounts = accounts.expect("an answer").json["items"].as_array().map(Vec::len);
        assert_eq!(accounts, Some(2 + round), "nobody is half there");
    }
}
