//! `/admin/api/users/{id}/impersonate` and `/auth/impersonation/stop`: an administrator acts as another user.

mod begin;
mod bounds;
mod end;

use portcullis_testkit::{Actor, Reply, TestApp};
use serde_json::json;

use crate::support::private;

/// Asks to act as the user of `other`.
async fn ask(actor: &Actor, other: &Actor, mode: &str) -> Reply {
    let path = format!("/admin/api/users/{}/impersonate", other.user.as_deref().unwrap());
    actor.post(&path, &json!({"reason": "ticket 4711", "mode": mode})).await
}

/// `root` as the user of `other`.
async fn acting(app: &TestApp, root: &Actor, other: &Actor, mode: &str) -> Actor {
    let reply = ask(root, other, mode).await;
    private(&reply, 200);
    let mut actor = app.anon();
    actor.take_tokens(&reply);
    actor
}
