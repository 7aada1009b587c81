//! `/forgot-password` and the pages behind mailed links

use portcullis_testkit::{PASSWORD, TestApp};
use serde_json::json;

use super::{Page, open, submit};
use crate::on_both;
use crate::support::{OTHER_PASSWORD, credentials, mailed};

on_both! {
    /// The whole way, as a person goes it.
    async fn a_lost_password(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let browser = app.browser();
        assert!(open(&browser, "/sign-in").await.links().contains(&"/forgot-password"));
        let known = submit(&browser, "/forgot-password", &[("email", "ada@example.org")]).await;
        let unknown = submit(&browser, "/forgot-password", &[("email", "eve@example.org")]).await;
        assert_eq!((known.status, known.text()), (200, unknown.text()));
        let link = format!("/reset-password?token={}", mailed(&app, "ada@example.org").await);
        let page = Page::of(submit(&browser, &link, &[("new_password", "short")]).await, 422);
        assert!(page.is_wrong("new_password"));
        let reply = submit(&browser, &link, &[("new_password", OTHER_PASSWORD)]).await;
        assert!(Page::of(reply, 200).links().contains(&"/sign-in"));
        assert_eq!(app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await.status, 200);
        for reply in [browser.get(&link).await, browser.get("/reset-password").await] {
            assert_eq!(Page::of(reply, 400).code(), "invalid_link");
        }
    }

    /// The whole way from the mail of a sign-in to another password. Scanners of mail open the link first.
    async fn somebody_else_signed_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let thief = app.anon().from_address("198.51.100.7");
        let reply = thief.post("/auth/login", &credentials("ada", PASSWORD)).await;
        let thief = thief.bearing(reply.json["access_token"].as_str());
        let link = format!("/not-me?token={}", mailed(&app, "ada@example.org").await);
        let browser = app.browser();
        for _ in 0..2 {
            let page = open(&browser, &link).await;
            assert!(page.reply.text().contains("Somebody signed in to your account"));
            app.anon().send(http::Method::HEAD, &link, None).await;
        }
        assert_eq!(app.anon().post(&link, &json!({})).await.status, 415, "no form of ours");
        assert_eq!(thief.get("/auth/me").await.status, 200, "looking does nothing");
        let done = Page::of(submit(&browser, &link, &[]).await, 200);
        assert!(done.reply.text().contains("A mail is on its way"), "{}", done.reply.text());
        assert_eq!(thief.get("/auth/me").await.status, 401);
        assert_eq!(Page::of(submit(&browser, &link, &[]).await, 400).code(), "invalid_link");
        let link = format!("/reset-password?token={}", mailed(&app, "ada@example.org").await);
        Page::of(submit(&browser, &link, &[("new_password", OTHER_PASSWORD)]).await, 200);
        // A link of another kind, or none, is that of a registration as far as the page knows.
        assert!(open(&browser, "/not-me?token=pcl_x").await.reply.text().contains("Somebody signed up"));
    }

    async fn somebody_else_made_an_account(backend: Backend) {
        let app = TestApp::new(backend).await;
        let eve = app.sign_up("ada").await;
        let browser = app.browser();
        assert_eq!(eve.post("/auth/email/send-verification", &json!({})).await.status, 202);
        let token = mailed(&app, "ada@example.org").await;
        let asked = open(&browser, &format!("/verify-email?token={token}")).await;
        let link = format!("/not-me?token={token}");
        assert!(asked.reply.text().contains(&link) && asked.reply.text().contains("This was not me"));
        assert!(open(&browser, &link).await.reply.text().contains("Somebody made an account"));
        assert_eq!(eve.get("/auth/me").await.status, 200, "looking does nothing");
        Page::of(submit(&browser, &link, &[]).await, 200);
        assert_eq!(eve.get("/auth/me").await.status, 401);
    }

    async fn an_address_is_verified_and_changed_and_brought_back(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let browser = app.browser();
        assert_eq!(ada.post("/auth/email/send-verification", &json!({})).await.status, 202);
        let link = format!("/verify-email?token={}", mailed(&app, "ada@example.org").await);
        Page::of(submit(&browser, &link, &[]).await, 200);
        assert_eq!(ada.get("/auth/me").await.json["email_verified"], true);
        assert_eq!(Page::of(submit(&browser, &link, &[]).await, 400).code(), "invalid_link");

        let body = json!({"email": "ada@new.example", "current_password": PASSWORD});
        assert_eq!(ada.patch("/auth/me", &body).await.status, 200);
        let link = format!("/verify-email?token={}", mailed(&app, "ada@new.example").await);
        Page::of(submit(&browser, &link, &[]).await, 200);
        assert_eq!(ada.get("/auth/me").await.json["email"], "ada@new.example");
        let link = format!("/undo-email?token={}", mailed(&app, "ada@example.org").await);
        Page::of(submit(&browser, &link, &[]).await, 200);
        assert_eq!(ada.get("/auth/me").await.status, 401);
    }
}
