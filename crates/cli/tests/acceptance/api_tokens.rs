//! API tokens on two server processes: the cap is exact whoever asks where, and a revoked token is dead everywhere
//! within a second.

use std::time::{Duration, Instant};

use portcullis_core::ids::ApiTokenId;
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::time::Timestamp;
use portcullis_store::api_tokens::{Made, NewApiToken, insert};
use portcullis_store::{DatabaseOptions, Store};
use portcullis_testkit::{Backend, Database, HttpClient, Reply, RunningServer};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{get_as, installation, installation_on, register, verify};

crate::on_both!(of_thirty_at_nineteen_live_ones_one_is_made);

const LIVE: usize = 19;
const EXPIRED: u128 = 5;
const ASKING: usize = 30;
/// What is promised.
const A_SECOND: Duration = Duration::from_secs(1);

async fn make(client: &mut HttpClient, access: &str) -> Reply {
    let bearer = format!("Bearer {access}");
    let body = json!({ "name": "a script" });
    let made = client.send("POST", "/auth/tokens", &[("Authorization", &bearer)], Some(&body)).await;
    made.expect("an answer")
}

/// Tokens that expired long ago: they take up no room.
async fn add_expired(url: String, user: &str) {
    let store = Store::open(&DatabaseOptions { url, max_connections: Some(1) }).await.expect("opens");
    for number in 0..EXPIRED {
        let new = NewApiToken {
            id: ApiTokenId::from_uuid(Uuid::from_u128(number)),
            user: user.parse().expect("an id"),
            epoch: 1,
            session: None,
            digest: SecretDigest::of(&number.to_string()),
            key_prefix: "00000000".into(),
            name: "an old one".into(),
            description: None,
            scopes: None,
            now: Timestamp::from_seconds(1_000),
            expires_at: Timestamp::from_seconds(2_000),
            most: 20,
        };
        let made = store.write(move |tx| {
            let new = new.clone();
            Box::pin(async move { insert(tx, &new).await })
        });
        assert_eq!(made.await.expect("committed"), Made::Done);
    }
}

async fn assert_dies(nodes: [&RunningServer; 2], token: &str) {
    let since = Instant::now();
    for node in nodes {
        let mut client = node.client();
        loop {
            let asked = since.elapsed();
            let reply = verify(&mut client, token).await.expect("an answer");
            if reply.outcome() == (401, "invalid_token") {
                break;
            }
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert!(asked < A_SECOND, "accepted after {asked:?}");
        }
    }
}

async fn of_thirty_at_nineteen_live_ones_one_is_made(backend: Backend) {
    let database = (backend == Backend::Postgres).then(|| Database::fresh(backend));
    let site = match &database {
        Some(database) => installation_on(&database.url),
        None => installation(backend),
    };
    let (a, b) = (site.serve().await, site.serve().await);
    let mut client = a.client();
    let ada = register(&mut client, "ada@example.org").await;
    let me = get_as(&mut client, "/auth/me", &ada.access).await.expect("an answer");
    let file = format!("sqlite://{}", site.path("data/portcullis.db").display());
    let url = database.as_ref().map_or(file, |database| database.url.clone());
    add_expired(url, me.json["id"].as_str().expect("an id")).await;
    for _ in 0..LIVE {
        assert_eq!(make(&mut client, &ada.access).await.status, 201);
    }
    let mut asking = JoinSet::new();
    for at in 0..ASKING {
        let (mut client, access) = ([&a, &b][at % 2].client(), ada.access.clone());
        asking.spawn(async move { make(&mut client, &access).await });
    }
    let answers = asking.join_all().await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|reply| reply.status == 201);
    assert_eq!(made.len(), 1);
    assert!(refused.iter().all(|reply| reply.outcome() == (409, "too_many_tokens")));

    let token = made[0].json["token"].as_str().expect("a token");
    for node in [&a, &b] {
        assert_eq!(verify(&mut node.client(), token).await.expect("an answer").status, 200);
    }
    let bearer = format!("Token {token}");
    let reply = b.client().send("DELETE", "/auth/tokens/current", &[("Authorization", &bearer)], None).await;
    assert_eq!(reply.expect("an answer").status, 204);
    assert_dies([&a, &b], token).await;
}
