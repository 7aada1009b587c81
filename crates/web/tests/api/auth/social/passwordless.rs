//! Users without a password.

use portcullis_testkit::{PASSWORD, TestApp};
use serde_json::{Value, json};

use super::{ada, another, arrived, world};
use crate::on_both;
use crate::support::{OTHER_PASSWORD, admin, credentials, mailed, private, refused};

async fn tries(app: &TestApp, name: &str) -> Value {
    let reply = app.anon().post("/auth/login", &credentials(name, PASSWORD)).await;
    refused(&reply, 401, "invalid_credentials");
    reply.json
}

on_both! {
    async fn nobody_signs_them_in_by_a_password_or_learns_that_they_have_none(backend: Backend) {
        let (app, fake) = world(backend).await;
        arrived(&app, &fake, &ada(&fake)).await;
        app.sign_up("bob").await;
        let wrong = app.anon().post("/auth/login", &credentials("bob", OTHER_PASSWORD)).await.json;
        assert_eq!(tries(&app, "ada").await, wrong);
        assert_eq!(tries(&app, "nobody").await, wrong);
    }

    /// 004 answered 400 `use_oauth_provider` to whoever tried; here the operator says whether.
    async fn the_providers_are_named_where_the_operator_wants_it(backend: Backend) {
        let (app, fake) = world(backend).await;
        arrived(&app, &fake, &ada(&fake)).await;
        app.sign_up("bob").await;
        let open = another(&app, &fake, |setup| setup.settings.reveal_providers = true).await;
        assert_eq!(tries(&open, "ada").await["providers"], json!(["acme"]));
        assert_eq!(tries(&open, "nobody").await.get("providers"), None);
        let wrong = open.anon().post("/auth/login", &credentials("bob", OTHER_PASSWORD)).await.json;
        assert_eq!(wrong.get("providers"), None);
        // At run time, too.
        let root = admin(&app, "root").await;
        let set = root.send(http::Method::PUT, "/admin/api/settings/login_reveal_providers", Some(&json!({"value": true}))).await;
        private(&set, 200);
        assert_eq!(tries(&app, "ada").await["providers"], json!(["acme"]));
    }

    async fn they_set_one_by_a_mailed_link_and_stay_known(backend: Backend) {
        let (app, fake) = world(backend).await;
        let before = arrived(&app, &fake, &ada(&fake)).await;
        let change = json!({"current_password": "x", "new_password": PASSWORD});
        refused(&before.post("/auth/password/change", &change).await, 409, "no_password");
        app.anon().post("/auth/password/forgot", &json!({"email": "ada@example.org"})).await;
        let token = mailed(&app, "ada@example.org").await;
        let body = json!({"token": token, "new_password": PASSWORD});
        assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);
        private(&app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await, 200);
        assert_eq!(arrived(&app, &fake, &ada(&fake)).await.user, before.user);
    }
}
