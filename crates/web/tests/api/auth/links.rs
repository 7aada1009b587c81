//! Every kind of mailed link, and how it is refused. Where a system that Portcullis replaces had the fault, the test says
//! so: `000` is Metaculus, `004` resolutionflow.

use http::{Method, Request};
use portcullis_testkit::{Actor, PASSWORD, Reply, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{OTHER_PASSWORD, credentials, mailed, refused};

/// What a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reset,
    Verify,
    Change,
    Undo,
}

use Kind::{Change, Reset, Undo, Verify};

const ALL: [Kind; 4] = [Reset, Verify, Change, Undo];

impl Kind {
    const fn path(self) -> &'static str {
        match self {
            Reset => "/auth/password/reset",
            Verify | Change => "/auth/email/verify",
            Undo => "/auth/email/undo",
        }
    }

    /// Uses a link.
    async fn using(self, by: &Actor, token: &str) -> Reply {
        let body = match self {
            Reset => json!({"token": token, "new_password": OTHER_PASSWORD}),
            _ => json!({"token": token}),
        };
        by.post(self.path(), &body).await
    }

    /// Asks for a link for `ada`, and opens the mail.
    async fn asked(self, app: &TestApp, ada: &Actor) -> String {
        match self {
            Reset => {
                let reply =
                    app.anon().post("/auth/password/forgot", &json!({"email": "ada@example.org"})).await;
                assert_eq!(reply.status, 202, "{}", reply.text());
                mailed(app, "ada@example.org").await
            }
            Verify => {
                assert_eq!(ada.post("/auth/email/send-verification", &json!({})).await.status, 202);
                mailed(app, "ada@example.org").await
            }
            Change => {
                let body = json!({"email": "ada@new.example", "current_password": PASSWORD});
                assert_eq!(ada.patch("/auth/me", &body).await.status, 200);
                mailed(app, "ada@new.example").await
            }
            Undo => {
                let token = Box::pin(Change.asked(app, ada)).await;
                assert_eq!(Change.using(&app.anon(), &token).await.status, 204);
                mailed(app, "ada@example.org").await
            }
        }
    }
}

fn dead(reply: &Reply) {
    refused(reply, 400, "invalid_link");
}

on_both! {
    /// 000: an activation link stayed replayable for three days, since only a sign-in by password ended it. 004: using one
    /// left its siblings good.
    async fn a_link_is_good_once(backend: Backend) {
        for kind in ALL {
            let app = TestApp::new(backend).await;
            let ada = app.sign_up("ada").await;
            let token = kind.asked(&app, &ada).await;
            assert_eq!(kind.using(&app.anon(), &token).await.status, 204, "{kind:?}");
            dead(&kind.using(&app.anon(), &token).await);
        }
    }

    async fn of_two_at_once_one_wins(backend: Backend) {
        for kind in ALL {
            let app = TestApp::new(backend).await;
            let other = app.another(|_| {}).await;
            let ada = app.sign_up("ada").await;
            let token = kind.asked(&app, &ada).await;
            let (here, there) = (app.anon(), other.anon());
            let replies = futures_util::future::join_all((0..8).map(|number| {
                kind.using(if number % 2 == 0 { &here } else { &there }, &token)
            }))
            .await;
            let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 204);
            assert_eq!((won.len(), lost.len()), (1, 7), "{kind:?}");
            lost.into_iter().for_each(dead);
        }
    }

    /// Scanners of mail open every link.
    async fn looking_uses_nothing_up(backend: Backend) {
        for (kind, page) in
            [(Reset, "/reset-password"), (Verify, "/verify-email"), (Change, "/verify-email"), (Undo, "/undo-email")]
        {
            let app = TestApp::new(backend).await;
            let ada = app.sign_up("ada").await;
            let token = kind.asked(&app, &ada).await;
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                for path in [page, kind.path()] {
                    let request = Request::builder().method(&method).uri(format!("{path}?token={token}"));
                    let reply = app.anon().exchange(request, axum::body::Body::empty()).await;
                    assert_eq!(reply.status == 200, path == page && method != Method::OPTIONS, "{method} {path}");
                }
            }
            assert_eq!(kind.using(&app.anon(), &token).await.status, 204, "{kind:?}");
        }
    }

    /// 000: activation and reset shared one kind of token.
    async fn a_link_of_another_purpose_does_nothing(backend: Backend) {
        for kind in ALL {
            let app = TestApp::new(backend).await;
            let ada = app.sign_up("ada").await;
            let token = kind.asked(&app, &ada).await;
            for other in ALL.into_iter().filter(|other| other.path() != kind.path()) {
                dead(&other.using(&app.anon(), &token).await);
            }
            assert_eq!(kind.using(&app.anon(), &token).await.status, 204, "{kind:?}");
        }
    }

    /// 000: activating a user who was active handed out tokens before the link was looked at.
    async fn garbage_with_a_real_id_does_nothing(backend: Backend) {
        for kind in ALL {
            let app = TestApp::new(backend).await;
            let ada = app.sign_up("ada").await;
            let token = kind.asked(&app, &ada).await;
            // Ids stand in the middle, the MAC at the end: everything but the MAC is real.
            for at in [4, 20, 30, 40, 58] {
                let mut forged = token.clone();
                let other = if &token[at..=at] == "A" { "B" } else { "A" };
                forged.replace_range(at..=at, other);
                dead(&kind.using(&app.anon(), &forged).await);
            }
            for garbage in ["", "pcl_", "x", &token[..58], &format!("{token}A"), &token.to_uppercase()] {
                let reply = kind.using(&app.anon(), garbage).await;
                dead(&reply);
            }
            assert_eq!(kind.using(&app.anon(), &token).await.status, 204, "{kind:?}");
        }
    }

    async fn a_newer_link_takes_the_place_of_the_older(backend: Backend) {
        for kind in [Reset, Verify, Change] {
            let app = TestApp::new(backend).await;
            let ada = app.sign_up("ada").await;
            let older = kind.asked(&app, &ada).await;
            let newer = kind.asked(&app, &ada).await;
            assert_ne!(older, newer);
            dead(&kind.using(&app.anon(), &older).await);
            assert_eq!(kind.using(&app.anon(), &newer).await.status, 204, "{kind:?}");
        }
    }

    /// 000: links of before the change worked on.
    async fn a_link_dies_with_the_password(backend: Backend) {
        for kind in [Reset, Verify, Change] {
            let app = TestApp::new(backend).await;
            let ada = app.sign_up("ada").await;
            let token = kind.asked(&app, &ada).await;
            let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
            assert_eq!(ada.post("/auth/password/change", &body).await.status, 200);
            dead(&kind.using(&app.anon(), &token).await);
        }
    }

    /// 004: a link for the old address verified the new one.
    async fn a_link_dies_with_the_address(backend: Backend) {
        for kind in [Reset, Verify] {
            let app = TestApp::new(backend).await;
            let ada = app.sign_up("ada").await;
            let token = kind.asked(&app, &ada).await;
            let change = Change.asked(&app, &ada).await;
            assert_eq!(Change.using(&app.anon(), &change).await.status, 204);
            dead(&kind.using(&app.anon(), &token).await);
        }
    }

    /// What brings the old address back outlives a change of password: whoever took the account has changed that first.
    async fn undoing_outlives_a_change_of_password(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let undo = Undo.asked(&app, &ada).await;
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        assert_eq!(ada.post("/auth/password/change", &body).await.status, 200);
        assert_eq!(Undo.using(&app.anon(), &undo).await.status, 204);
    }

    async fn a_link_runs_out(backend: Backend) {
        for (kind, hours) in [(Reset, 1), (Verify, 24), (Change, 24), (Undo, 7 * 24)] {
            for (before, status) in [(1, 204), (0, 400)] {
                let app = TestApp::new(backend).await;
                let ada = app.sign_up("ada").await;
                let token = kind.asked(&app, &ada).await;
                app.clock.advance(std::time::Duration::from_secs(hours * 3600 - before));
                assert_eq!(kind.using(&app.anon(), &token).await.status, status, "{kind:?}");
            }
        }
    }

    /// 000: reset mails went to inactive users, whose links could never work.
    async fn a_disabled_user_is_mailed_nothing_and_their_links_die(backend: Backend) {
        for kind in ALL {
            let app = TestApp::new(backend).await;
            let ada = app.sign_up("ada").await;
            let token = kind.asked(&app, &ada).await;
            let id = ada.user.as_deref().and_then(|id| id.parse().ok()).expect("signed up");
            assert!(app.cx.disable_user(id).await.expect("disabled"));
            dead(&kind.using(&app.anon(), &token).await);
            let before = app.mails().await.len();
            for path in ["/auth/password/forgot", "/auth/email/send-verification"] {
                let reply = app.anon().post(path, &json!({"email": "ada@example.org"})).await;
                assert_eq!(reply.status, 202);
            }
            app.cx.answer_mail_requests().await.expect("answered");
            assert_eq!(app.mails().await.len(), before, "{kind:?}");
        }
    }

    /// A link under a server key that was changed in the contract's steps goes on working; under one that this node has
    /// not got, it is a fault of ours.
    async fn links_outlive_a_change_of_the_server_key(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let token = Verify.asked(&app, &ada).await;
        let changed = app.another(|setup| setup.server_keys = vec![[2; 32], [1; 32]]).await;
        assert_eq!(Verify.using(&changed.anon(), &token).await.status, 204);
        assert_eq!(app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await.status, 200);
    }
}
