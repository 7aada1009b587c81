//! What ends a session ends its access tokens on every node within a second, and a restart brings none back.

use std::time::{Duration, Instant};

use portcullis_testkit::{Backend, Installation, PASSWORD, RunningServer};
use serde_json::json;

use crate::support::{Tokens, get_as, installation, login, logout, register, verify};

crate::on_both!(access_tokens_die_on_both_nodes_and_stay_dead);

/// What is promised.
const A_SECOND: Duration = Duration::from_secs(1);

/// Asks both nodes from now on until both refuse.
async fn assert_dies(nodes: [&RunningServer; 2], access: &str, how: &str) {
    let since = Instant::now();
    for (name, node) in ["a", "b"].into_iter().zip(nodes) {
        let mut client = node.client();
        loop {
            let asked = since.elapsed();
            let reply = verify(&mut client, access).await.expect("an answer");
            if reply.outcome() == (401, "invalid_token") {
                break;
            }
            assert_eq!(reply.status, 200, "{how}: {}", reply.text());
            assert!(asked < A_SECOND, "{how}: node {name} accepts the token after {asked:?}");
        }
    }
}

/// A user with two sessions, known to be good on both nodes.
async fn signed_in(nodes: [&RunningServer; 2], email: &str) -> [Tokens; 2] {
    let (mut on_a, mut on_b) = (nodes[0].client(), nodes[1].client());
    let both = [register(&mut on_a, email).await, login(&mut on_b, email).await];
    for tokens in &both {
        assert_eq!(verify(&mut on_a, &tokens.access).await.expect("an answer").status, 200);
        assert_eq!(verify(&mut on_b, &tokens.access).await.expect("an answer").status, 200);
    }
    both
}

/// Ends what it names in each way; the access tokens that must be dead, and those that must not.
async fn end_in_every_way(
    site: &Installation,
    nodes: [&RunningServer; 2],
) -> (Vec<(&'static str, String)>, Vec<String>) {
    let (mut on_a, mut on_b) = (nodes[0].client(), nodes[1].client());
    let (mut dead, mut alive) = (Vec::new(), Vec::new());

    let [one, other] = signed_in(nodes, "logout@example.org").await;
    assert_eq!(logout(&mut on_a, &one.refresh).await.expect("an answer").status, 204);
    assert_dies(nodes, &one.access, "logout").await;
    dead.push(("logout", one.access));
    alive.push(other.access);

    let [one, other] = signed_in(nodes, "everywhere@example.org").await;
    let bearer = format!("Bearer {}", one.access);
    let reply = on_a.send("POST", "/auth/logout/all", &[("Authorization", &bearer)], None).await;
    assert_eq!(reply.expect("an answer").status, 204);
    for tokens in [one, other] {
        assert_dies(nodes, &tokens.access, "logout everywhere").await;
        dead.push(("logout everywhere", tokens.access));
    }

    let [one, other] = signed_in(nodes, "change@example.org").await;
    let bearer = format!("Bearer {}", one.access);
    let body = json!({ "current_password": PASSWORD, "new_password": "another harbour, another lamp" });
    let headers = [("Authorization", bearer.as_str())];
    let reply = on_b.send("POST", "/auth/password/change", &headers, Some(&body)).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    for tokens in [one, other] {
        assert_dies(nodes, &tokens.access, "password change").await;
        dead.push(("password change", tokens.access));
    }
    alive.push(Tokens::of(&reply).access);

    let both = signed_in(nodes, "disabled@example.org").await;
    site.run(&["user", "disable", "disabled@example.org"], "").await;
    for tokens in both {
        assert_dies(nodes, &tokens.access, "user disable").await;
        dead.push(("user disable", tokens.access));
    }

    let both = signed_in(nodes, "reset@example.org").await;
    let set = ["user", "set-password", "reset@example.org", "--password-stdin"];
    site.run(&set, "another harbour, another lamp").await;
    for tokens in both {
        assert_dies(nodes, &tokens.access, "user set-password").await;
        dead.push(("user set-password", tokens.access));
    }

    let both = signed_in(nodes, "promoted@example.org").await;
    site.run(&["user", "set-role", "promoted@example.org", "editor"], "").await;
    for tokens in both {
        assert_dies(nodes, &tokens.access, "user set-role").await;
        dead.push(("user set-role", tokens.access));
    }

    let [one, other] = signed_in(nodes, "revoked@example.org").await;
    site.run(&["session", "revoke", &one.session], "").await;
    assert_dies(nodes, &one.access, "session revoke").await;
    dead.push(("session revoke", one.access));
    alive.push(other.access);
    (dead, alive)
}

async fn access_tokens_die_on_both_nodes_and_stay_dead(backend: Backend) {
    let site = installation(backend);
    let (mut a, mut b) = (site.serve().await, site.serve().await);
    let (dead, alive) = end_in_every_way(&site, [&a, &b]).await;
    // All at once: none is left that could remember.
    a.kill().await;
    b.kill().await;
    a.start_again().await;
    b.start_again().await;
    for node in [&a, &b] {
        let mut client = node.client();
        for (how, access) in &dead {
            let reply = verify(&mut client, access).await.expect("an answer");
            assert_eq!(reply.outcome(), (401, "invalid_token"), "{how}, after a restart");
            let reply = get_as(&mut client, "/auth/me", access).await.expect("an answer");
            assert_eq!(reply.outcome(), (401, "invalid_token"), "{how}, after a restart");
        }
        for access in &alive {
            assert_eq!(verify(&mut client, access).await.expect("an answer").status, 200);
        }
    }
}
