//! Devices on which no second factor is asked for.

use std::time::Duration;

use portcullis_testkit::{Actor, PASSWORD, Reply, TestApp};
use serde_json::{Value, json};

use super::{LOGIN_FACTOR, Phone, TOTP, challenge, set_up};
use crate::on_both;
use crate::support::{OTHER_PASSWORD, claims_of, credentials, private, refused};

/// Signs in with the factor, and wants the device to be trusted.
pub(crate) async fn trust(app: &TestApp, phone: &Phone) -> Actor {
    let mut device = app.anon();
    let challenge = challenge(&device, "ada").await;
    let code = phone.next(app);
    let body = json!({"challenge": challenge, "method": "totp", "code": code, "remember_device": true});
    let reply = device.post(LOGIN_FACTOR, &body).await;
    private(&reply, 200);
    device.take_tokens(&reply);
    device
}

/// The password alone, on a device.
pub(crate) async fn again(device: &Actor, password: &str) -> Reply {
    let mut body = credentials("ada", password);
    body["device_token"] = device.device_token.clone().into();
    device.post("/auth/login", &body).await
}

on_both! {
    async fn are_asked_for_the_password_alone(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let mut device = trust(&app, &phone).await;
        let reply = again(&device, PASSWORD).await;
        private(&reply, 200);
        device.take_tokens(&reply);
        assert_eq!(claims_of(&device)["amr"], json!(["pwd"]), "nobody has shown a factor");
        refused(&device.post(TOTP, &json!({})).await, 403, "fresh_login_required");
        refused(&again(&device, OTHER_PASSWORD).await, 401, "invalid_credentials");
        let own = device.get("/auth/factors").await.json;
        assert_eq!(own["trusted_devices"].as_array().unwrap().len(), 1);
        assert_eq!(own["trusted_devices"][0]["device"], json!("portcullis-tests"));
        // Any other is asked, and so is one that is known but not trusted.
        challenge(&app.anon(), "ada").await;
        refused(&again(&ada, PASSWORD).await, 403, "second_factor_required");
        // For thirty days.
        app.clock.advance(Duration::from_hours(30 * 24));
        refused(&again(&device, PASSWORD).await, 403, "second_factor_required");
    }

    async fn until_their_user_says_so(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let device = trust(&app, &phone).await;
        let bob = app.sign_up("bob").await;
        let id = device.get("/auth/factors").await.json["trusted_devices"][0]["id"].clone();
        let path = format!("/auth/factors/devices/{}", id.as_str().unwrap());
        refused(&bob.delete(&path).await, 404, "not_found");
        private(&ada.delete(&path).await, 204);
        refused(&ada.delete(&path).await, 404, "not_found");
        refused(&again(&device, PASSWORD).await, 403, "second_factor_required");
    }

    async fn end_with_what_proves_the_user(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let device = trust(&app, &phone).await;
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        private(&ada.post("/auth/password/change", &body).await, 200);
        refused(&again(&device, OTHER_PASSWORD).await, 403, "second_factor_required");
    }

    async fn end_with_signing_out_everywhere(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let device = trust(&app, &phone).await;
        private(&ada.post("/auth/logout/all", &Value::Null).await, 204);
        refused(&again(&device, PASSWORD).await, 403, "second_factor_required");
    }

    async fn end_with_a_change_of_factors(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let device = trust(&app, &phone).await;
        set_up(&app, &mut ada).await;
        refused(&again(&device, PASSWORD).await, 403, "second_factor_required");
        assert_eq!(ada.get("/auth/factors").await.json["trusted_devices"], json!([]));
    }

    async fn are_none_where_the_operator_wants_none(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            setup.settings.login.trust_device_for = Duration::ZERO;
        })
        .await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let device = trust(&app, &phone).await;
        refused(&again(&device, PASSWORD).await, 403, "second_factor_required");
        assert_eq!(device.get("/auth/factors").await.json["trusted_devices"], json!([]));
    }
}
