//! A login whose password check overlaps a change of what proves the user never leaves a live session made
//! with the old password: a thousand rounds on each database.

use std::sync::Arc;

use portcullis_app::sessions::Page;
use portcullis_core::ids::UserId;
use portcullis_testkit::{Actor, PASSWORD, Reply, TestApp};
use serde_json::json;
use tokio::task::{JoinSet, yield_now};

use crate::on_both;
use crate::support::{OTHER_PASSWORD, credentials, made, session_id, user_id};

/// How many rounds are under way at once.
const AT_ONCE: usize = 20;

struct Nodes {
    one: TestApp,
    two: TestApp,
}

impl Nodes {
    async fn new(backend: portcullis_testkit::Backend) -> Arc<Self> {
        let one = TestApp::new(backend).await;
        let two = one.another(|_| {}).await;
        Arc::new(Self { one, two })
    }

    /// The node on which the login of this round runs.
    fn of(&self, round: usize) -> &TestApp {
        if round.is_multiple_of(2) { &self.one } else { &self.two }
    }

    async fn live(&self, user: UserId) -> usize {
        self.one.cx.list_sessions(user, Page { before: None, limit: 100 }).await.expect("it answers").len()
    }
}

/// Lets the other side get ahead by a little, differently in each round.
async fn delay(round: usize) {
    for _ in 0..round % 40 {
        yield_now().await;
    }
}

async fn login(node: &TestApp, name: &str, round: usize) -> (Actor, Reply) {
    delay(round / 40).await;
    let mut actor = node.anon();
    let reply = actor.post("/auth/login", &credentials(name, PASSWORD)).await;
    assert!(matches!(reply.status, 200 | 401), "{}", reply.text());
    if reply.status == 200 {
        actor.take_tokens(&reply);
    }
    (actor, reply)
}

/// The session that a login may have got is dead on both nodes.
async fn is_dead(nodes: &Nodes, (mut actor, reply): (Actor, Reply)) {
    if reply.status != 200 {
        assert_eq!(reply.code(), "invalid_credentials");
        return;
    }
    assert_eq!(actor.refresh().await.outcome(), (401, "refresh_revoked"));
    for node in [&nodes.one, &nodes.two] {
        actor.at(node).until_refused("/auth/me").await;
    }
}

/// Runs rounds, some at once; how many there were.
async fn rounds<F>(
    nodes: &Arc<Nodes>,
    numbers: std::ops::Range<usize>,
    round: impl Fn(Arc<Nodes>, usize) -> F,
) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut running, mut done) = (JoinSet::new(), 0);
    for number in numbers {
        if running.len() >= AT_ONCE {
            running.join_next().await.expect("one runs").expect("the round holds");
            done += 1;
        }
        running.spawn(round(nodes.clone(), number));
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("the round holds");
        done += 1;
    }
    done
}

async fn against_disabling(nodes: Arc<Nodes>, round: usize) {
    let name = format!("user{round}");
    let user = made(&nodes.one, &name, |_| {}).await.id;
    let disabling = async {
        delay(round).await;
        nodes.one.cx.disable_user(user).await.expect("it is written")
    };
    let (login, disabled) = tokio::join!(login(nodes.of(round), &name, round), disabling);
    assert!(disabled);
    assert_eq!(nodes.live(user).await, 0, "round {round}");
    is_dead(&nodes, login).await;
}

async fn against_setting(nodes: Arc<Nodes>, round: usize) {
    let name = format!("user{round}");
    let user = made(&nodes.one, &name, |_| {}).await;
    let setting = async {
        delay(round).await;
        nodes.one.cx.set_password(&user, OTHER_PASSWORD.into(), false).await
    };
    let (login, set) = tokio::join!(login(nodes.of(round), &name, round), setting);
    set.expect("nobody else changes it");
    assert_eq!(nodes.live(user.id).await, 0, "round {round}");
    is_dead(&nodes, login).await;
}

async fn against_changing(nodes: Arc<Nodes>, round: usize) {
    let name = format!("user{round}");
    let mut owner = nodes.one.sign_up(&name).await;
    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let changing = async {
        delay(round).await;
        owner.post("/auth/password/change", &body).await
    };
    let (login, changed) = tokio::join!(login(nodes.of(round), &name, round), changing);
    assert_eq!(changed.status, 200, "{}", changed.text());
    owner.take_tokens(&changed);
    let user = user_id(&owner);
    let live = nodes.one.cx.list_sessions(user, Page { before: None, limit: 100 }).await.expect("it answers");
    let live: Vec<_> = live.into_iter().map(|session| session.id).collect();
    assert_eq!(live, [session_id(&owner)], "round {round}");
    is_dead(&nodes, login).await;
}

on_both! {
    async fn disabling_wins(backend: Backend) {
        let nodes = Nodes::new(backend).await;
        assert_eq!(rounds(&nodes, 0..400, against_disabling).await, 400);
    }

    async fn a_password_set_by_an_operator_wins(backend: Backend) {
        let nodes = Nodes::new(backend).await;
        assert_eq!(rounds(&nodes, 0..300, against_setting).await, 300);
    }

    async fn a_changed_password_wins(backend: Backend) {
        let nodes = Nodes::new(backend).await;
        assert_eq!(rounds(&nodes, 0..300, against_changing).await, 300);
    }
}
