//! Recovery codes.

use std::time::Duration;

use portcullis_testkit::{SentMail, TestApp};
use serde_json::json;

use super::{challenge, set_up, show, sign_in, texts};
use crate::across::rate_limits::limited;
use crate::on_both;
use crate::support::{claims_of, events, private, refused};

const CODES: &str = "/auth/factors/recovery-codes";

on_both! {
    async fn each_is_good_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let code = phone.recovery_codes[3].to_uppercase().replace('-', " ");
        let first = challenge(&app.anon(), "ada").await;
        let reply = show(&app.anon(), &first, "recovery_code", &code).await;
        private(&reply, 200);
        ada.take_tokens(&reply);
        assert_eq!(claims_of(&ada)["amr"], json!(["pwd", "recovery", "mfa"]));
        let second = challenge(&app.anon(), "ada").await;
        refused(&show(&app.anon(), &second, "recovery_code", &code).await, 403, "wrong_code");
        assert_eq!(ada.get("/auth/factors").await.json["recovery_codes"], json!(9));
        // Of two who use one at once one signs in.
        let third = challenge(&app.anon(), "ada").await;
        let (here, there) = (app.anon(), other.anon());
        let (one, two) = tokio::join!(
            show(&here, &second, "recovery_code", &phone.recovery_codes[5]),
            show(&there, &third, "recovery_code", &phone.recovery_codes[5])
        );
        let won = [&one, &two].into_iter().filter(|reply| reply.status == 200).count();
        assert_eq!(won, 1, "{} {}", one.text(), two.text());
        assert_eq!(ada.get("/auth/factors").await.json["recovery_codes"], json!(8));
    }

    async fn a_new_set_makes_the_old_one_void(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        refused(&ada.post(CODES, &json!({})).await, 409, "no_factor");
        let phone = set_up(&app, &mut ada).await;
        let reply = ada.post(CODES, &json!({})).await;
        private(&reply, 201);
        let new = texts(&reply.json["recovery_codes"]);
        assert_eq!((new.len(), new.iter().any(|code| phone.recovery_codes.contains(code))), (10, false));
        assert_eq!(ada.get("/auth/me").await.status, 200, "no factor has changed");
        app.deliver_mail().await;
        assert!(app.mails().await.iter().any(|mail| mail.subject == "New recovery codes were made"));
        let open = challenge(&app.anon(), "ada").await;
        refused(&show(&app.anon(), &open, "recovery_code", &phone.recovery_codes[0]).await, 403, "wrong_code");
        private(&show(&app.anon(), &open, "recovery_code", &new[0]).await, 200);
        app.clock.advance(Duration::from_mins(11));
        refused(&ada.post(CODES, &json!({})).await, 403, "fresh_login_required");
        assert_eq!(events(&app, "factor.recovery_codes_made").await.len(), 1);
    }

    /// The address need not be theirs.
    async fn whoever_makes_them_again_and_again_fills_no_mailbox(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let other = app.another(limited).await;
        let mut ada = app.sign_up("ada").await;
        set_up(&app, &mut ada).await;
        for at in 0..8 {
            let node = if at % 2 == 0 { &app } else { &other };
            private(&ada.at(node).post(CODES, &json!({})).await, 201);
        }
        app.deliver_mail().await;
        let told = |mail: &&SentMail| mail.subject == "New recovery codes were made";
        assert_eq!(app.mails().await.iter().filter(told).count(), 5);
        assert_eq!(events(&app, "factor.recovery_codes_made").await.len(), 8, "the log tells of all");
    }

    async fn nobody_elses_opens(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (ada_phone, bob_phone) = (set_up(&app, &mut ada).await, set_up(&app, &mut bob).await);
        let open = challenge(&app.anon(), "ada").await;
        refused(&show(&app.anon(), &open, "recovery_code", &bob_phone.recovery_codes[0]).await, 403, "wrong_code");
        sign_in(&app, "ada", &ada_phone).await;
    }
}
