//! What is told of factors, and what never is.

use portcullis_testkit::TestApp;
use serde_json::json;

use super::{TOTP, set_up};
use crate::on_both;
use crate::support::{admin, events, private, refused, user_id};

on_both! {
    async fn the_export_says_what_there_is_and_no_secret(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let pending = ada.post(TOTP, &json!({})).await;
        let reply = ada.get("/auth/me/export").await;
        private(&reply, 200);
        let factors = &reply.json["factors"];
        assert_eq!((&factors[0]["id"], &factors[0]["kind"]), (&json!(phone.id), &json!("totp")));
        assert_eq!(factors.as_array().unwrap().len(), 1);
        let text = reply.text();
        let secret = pending.json["secret"].as_str().unwrap();
        for secret in phone.recovery_codes.iter().map(String::as_str).chain([secret]) {
            assert!(!text.contains(secret));
        }
    }

    async fn an_administrator_removes_them_for_somebody_who_has_lost_them(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        set_up(&app, &mut ada).await;
        let root = admin(&app, "root").await;
        let path = format!("/admin/api/users/{}/factors", user_id(&ada));
        refused(&ada.delete(&path).await, 403, "forbidden");
        private(&root.delete(&path).await, 204);
        ada.until_refused("/auth/me").await;
        assert_eq!(ada.refresh().await.status, 200);
        app.sign_in("ada").await;
        let reset = events(&app, "factor.reset").await;
        assert_eq!((reset.len(), &reset[0]["actor"]), (1, &json!(root.user)));
        app.deliver_mail().await;
        let mails = app.mails().await;
        assert!(mails.iter().any(|mail| mail.to == "ada@example.org" && mail.subject == "A second factor was removed"));
        refused(&root.delete(&path).await, 409, "no_factor");
        let nobody = "/admin/api/users/00000000-0000-7000-8000-000000000000/factors";
        refused(&root.delete(nobody).await, 404, "not_found");
        // Or a session that has shown nothing of late would take away even its own.
        let own = format!("/admin/api/users/{}/factors", user_id(&root));
        let mut root = root;
        set_up(&app, &mut root).await;
        app.clock.advance(std::time::Duration::from_secs(601));
        root.refresh().await;
        refused(&root.delete(&own).await, 403, "fresh_login_required");
        assert_eq!(root.get("/auth/factors").await.json["items"].as_array().unwrap().len(), 1);
    }
}
