//! Two nodes on one database: what is good once is good once on both together.

use portcullis_testkit::{SecurityKey, TestApp};

use super::{LOGIN_FINISH, LOGIN_START, REGISTER_FINISH, REGISTER_START, begin, created, register, shown};
use crate::on_both;
use crate::support::{events, private};

on_both! {
    async fn of_eight_that_end_a_ceremony_at_once_one_does(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::default();
        register(&mut ada, &mut authenticator, "x").await;
        let begun = begin(&other.anon(), LOGIN_START).await;
        let body = shown(&mut authenticator, &begun);
        let tries = (0..8).map(|number| {
            let actor = if number % 2 == 0 { app.anon() } else { other.anon() };
            let body = body.clone();
            async move { actor.post(LOGIN_FINISH, &body).await.status }
        });
        let mut came_to = futures_util::future::join_all(tries).await;
        came_to.sort_unstable();
        assert_eq!(came_to, [200, 400, 400, 400, 400, 400, 400, 400]);
    }

    async fn of_two_copies_that_count_alike_one_signs_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::counting();
        register(&mut ada, &mut authenticator, "x").await;
        let mut tries = Vec::new();
        for node in [&app, &other] {
            let begun = begin(&node.anon(), LOGIN_START).await;
            let count = authenticator.counter;
            tries.push((node.anon(), shown(&mut authenticator, &begun)));
            authenticator.counter = count;
        }
        let tries = tries.into_iter().map(|(actor, body)| async move { actor.post(LOGIN_FINISH, &body).await.status });
        let mut came_to = futures_util::future::join_all(tries).await;
        came_to.sort_unstable();
        assert_eq!(came_to, [200, 401]);
        assert_eq!(events(&app, "passkey.copied").await.len(), 1);
    }

    async fn what_begins_on_one_node_ends_on_another(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::default();
        let begun = begin(&ada, REGISTER_START).await;
        private(&ada.at(&other).post(REGISTER_FINISH, &created(&mut authenticator, &begun, "x")).await, 201);
        let begun = begin(&other.anon(), LOGIN_START).await;
        private(&app.anon().post(LOGIN_FINISH, &shown(&mut authenticator, &begun)).await, 200);
    }
}
