//! Many sign-ins of one user at the same moment, all with the right password.

use std::sync::Arc;

use portcullis_testkit::Backend;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{installation, register, try_login};

crate::on_both!(right_passwords_at_once_are_all_let_in);

/// More than the wrong ones that are free.
const AT_ONCE: usize = 30;

async fn right_passwords_at_once_are_all_let_in(backend: Backend) {
    let site = installation(backend);
    let server = site.serve().await;
    register(&mut server.client(), "ada@example.org").await;
    for _ in 0..5 {
        let together = Arc::new(Barrier::new(AT_ONCE));
        let mut clients = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (mut client, together) = (server.client(), together.clone());
            clients.spawn(async move {
                client.get("/health/live").await.expect("connects");
                together.wait().await;
                try_login(&mut client, "ada@example.org").await.expect("an answer")
            });
        }
        while let Some(reply) = clients.join_next().await {
            let reply = reply.expect("no panic");
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    }
}
