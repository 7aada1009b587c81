//! `tokens.claims.<name> = "account.plan"`: what the account in use has subscribed to, as a claim.

use std::time::Duration;

use portcullis_app::settings::PlanClaim;
use portcullis_core::subscription::Plan;
use portcullis_testkit::{Setup, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{admin, claims_of, private};

fn with_claims(setup: &mut Setup) {
    setup.settings.plan_claims =
        vec![("plan".into(), PlanClaim::Plan), ("plan_status".into(), PlanClaim::Status)];
    setup.settings.registration.default_plan = Some(Plan::from_stored("starter".into()));
    setup.settings.registration.trial_days = Some(14);
}

on_both! {
    async fn a_claim_says_the_plan_until_it_has_expired(backend: Backend) {
        let app = TestApp::with(backend, with_claims).await;
        let mut ada = app.sign_up("ada").await;
        let said = |claims: &Value| (claims["plan"].clone(), claims["plan_status"].clone());
        assert_eq!(said(&claims_of(&ada)), (json!("starter"), json!("trialing")));
        app.clock.advance(Duration::from_hours(14 * 24));
        assert_eq!(ada.refresh().await.status, 200);
        assert_eq!(said(&claims_of(&ada)), (Value::Null, json!("expired")));
        let root = admin(&app, "root").await;
        let account = claims_of(&ada)["account"].as_str().unwrap().to_owned();
        let path = format!("/admin/api/accounts/{account}/subscription");
        private(&root.send(http::Method::PUT, &path, Some(&json!({"plan": "pro"}))).await, 200);
        assert_eq!(ada.refresh().await.status, 200);
        assert_eq!(said(&claims_of(&ada)), (json!("pro"), json!("active")));
        // A second account begins no second trial.
        let second = ada.post("/auth/accounts", &json!({"name": "second"})).await.json;
        assert_eq!(second["subscription"], Value::Null);
        private(&ada.post(&format!("/auth/accounts/{}/switch", second["id"].as_str().unwrap()), &json!({})).await, 200);
        assert_eq!(ada.refresh().await.status, 200);
        assert_eq!(said(&claims_of(&ada)), (Value::Null, Value::Null));
    }
}
