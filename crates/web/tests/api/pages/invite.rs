//! `/invite`, and `/sign-up` with an invite: the whole way from the mail on.

use portcullis_testkit::{Backend, PASSWORD, TestApp};
use serde_json::json;

use super::{Page, open, send, sent_on, sign_in_at, submit};
use crate::auth::accounts::{account_of, at};
use crate::auth::invites::{by_invite, invite, register};
use crate::browsers::set_names;
use crate::on_both;
use crate::support::{admin, private, refused};

on_both! {
    async fn somebody_new_comes_by_the_link_in_the_mail(backend: Backend) {
        let app = TestApp::with(backend, by_invite).await;
        let root = admin(&app, "root").await;
        for (name, body) in [
            ("ada", json!({"email": "ada@example.org", "plan": "pro"})),
            ("bob", json!({"email": "BOB@example.org", "account_id": account_of(&root).await, "account_role": "engineer"})),
        ] {
            let made = invite(&root, &body).await;
            let mails = app.mails().await;
            let address = format!("{name}@example.org");
            let mail = mails.iter().find(|mail| mail.to.to_lowercase() == address).unwrap();
            let token = mail.token().unwrap().to_owned();
            assert!(mail.link().unwrap().contains(&format!("/invite?token={token}")), "{}", mail.text);
            let browser = app.browser();
            let page = open(&browser, &format!("/invite?token={token}")).await;
            let sign_up = format!("/sign-up?invite={token}");
            assert!(page.links().contains(&sign_up.as_str()), "{:?}", page.links());
            assert_eq!(open(&browser, &sign_up).await.value("invite_code"), token);
            let email = format!("{name}@example.org");
            let fields = [("email", &*email), ("password", PASSWORD), ("invite_code", &*token)];
            sent_on(&submit(&browser, &sign_up, &fields).await, "/account");
            // Used now, by whichever of its codes.
            assert_eq!(Page::of(browser.get(&format!("/invite?token={token}")).await, 400).code(), "invite_used");
            let code = if name == "ada" { "invite_code" } else { "account_invite_code" };
            let again = json!({"email": "eve@example.org", code: made["code"]});
            refused(&register(&app.anon(), "eve", &again).await, 400, "invite_used");
        }
        let bob = app.sign_in("bob").await;
        assert_eq!(bob.get("/auth/me").await.json["account"]["role"], "engineer");
    }

    async fn somebody_who_is_there_joins_by_a_button(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let account = account_of(&ada).await;
        ada.patch(&at(&account, ""), &json!({"name": "Engines <b>"})).await;
        private(&ada.post(&at(&account, "/invites"), &json!({"email": "bob@example.org"})).await, 201);
        let mails = app.mails().await;
        let path = format!("/invite?token={}", mails.last().unwrap().token().unwrap());
        assert!(mails.last().unwrap().text.contains("ada"), "who invites");
        let browser = app.browser();
        let page = open(&browser, &path).await;
        let to_sign_in = page.links().into_iter().find(|link| link.starts_with("/sign-in")).unwrap().to_owned();
        sent_on(&sign_in_at(&browser, &to_sign_in, "bob").await, &path);
        let page = open(&browser, &path).await;
        assert!(page.reply.text().contains("Engines &#60;b&#62;"), "{}", page.reply.text());
        assert_eq!(bob.get("/auth/accounts").await.json["items"].as_array().unwrap().len(), 1, "nothing was used up");
        Page::of(send(&browser, &path, &[("csrf_token", "wrong")]).await, 403);
        sent_on(&submit(&browser, &path, &[]).await, "/account");
        assert_eq!(bob.get("/auth/accounts").await.json["items"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn the_outbox_holds_no_link_and_no_code() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.sends_mail = false).await;
    let root = admin(&app, "root").await;
    let account = account_of(&root).await;
    let path = at(&account, "/invites");
    let made = root.post(&path, &json!({"email": "ada@example.org"})).await.json;
    private(&root.post(&format!("{path}/{}/resend", made["id"].as_str().unwrap()), &json!({})).await, 200);
    let platform = invite(&root, &json!({"email": "bob@example.org"})).await;
    let stored = std::fs::read(app.database.url.trim_start_matches("sqlite://")).unwrap();
    let wal = std::fs::read(format!("{}-wal", app.database.url.trim_start_matches("sqlite://")))
        .unwrap_or_default();
    let holds = |text: &str| {
        [&stored, &wal].iter().any(|file| file.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    assert!(holds("account_invite"), "the mail is there");
    for code in [&made["code"], &platform["code"]] {
        let code = code.as_str().unwrap();
        assert!(!holds(code) && !holds(&code.replace('-', "")), "{code}");
    }
    assert!(!holds("pcl_"));
}

#[tokio::test]
async fn the_sign_up_page_asks_for_a_code_where_one_is_needed() {
    let app = TestApp::with(Backend::Sqlite, by_invite).await;
    let root = admin(&app, "root").await;
    let browser = app.browser();
    assert!(open(&browser, "/sign-in").await.links().contains(&"/sign-up"));
    for (code, status, refusal) in
        [("", 403, "invite_required"), ("wrong", 400, "invalid_invite"), ("pcl_x", 400, "invalid_invite")]
    {
        let fields = [("email", "ada@example.org"), ("password", PASSWORD), ("invite_code", code)];
        let reply = submit(&browser, "/sign-up", &fields).await;
        assert!(set_names(&reply).is_empty());
        let page = Page::of(reply, status);
        assert!(page.code() == refusal && page.is_wrong("invite_code"), "{code}");
        assert_eq!((page.value("email"), page.value("invite_code")), ("ada@example.org", code));
    }
    let made = invite(&root, &json!({})).await;
    let typed = made["code"].as_str().unwrap().to_lowercase();
    let fields = [("email", "ada@example.org"), ("password", PASSWORD), ("invite_code", &*typed)];
    sent_on(&submit(&browser, "/sign-up", &fields).await, "/account");
    let open_to_all = TestApp::new(Backend::Sqlite).await;
    let page = open(&open_to_all.browser(), "/sign-up").await;
    assert!(page.by_id("invite_code").is_none());
}
