//! The development page: mails of an installation without a mail server.

use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::{notice, reset_mail};
use crate::pages::Page;
use crate::support::{admin, refused};

async fn keeping() -> TestApp {
    TestApp::with(Backend::Sqlite, |setup| setup.sends_mail = false).await
}

#[tokio::test]
async fn an_administrator_reads_mails_and_opens_their_links() {
    let app = keeping().await;
    let mail = reset_mail(&app, "ada@example.org");
    app.enqueue_mail(&mail).await;
    assert_eq!(app.app.kept_mail_page().as_deref(), Some("http://localhost:8400/dev/mail"));
    let root = admin(&app, "root").await;
    let list = Page::of(root.get("/dev/mail").await, 200);
    assert_eq!(list.links(), [format!("/dev/mail/{}", mail.id)]);
    let page = Page::of(root.get(&format!("/dev/mail/{}", mail.id)).await, 200);
    let link = page.by_id("link").unwrap().attribute("href").unwrap();
    assert!(link.starts_with("http://localhost:8400/reset-password?token=pcl_"), "{link}");
    let html = root.get(&format!("/dev/mail/{}/html", mail.id)).await;
    assert_eq!(html.status, 200);
    let policy = html.header("content-security-policy").unwrap();
    assert!(policy.starts_with("sandbox; default-src 'none'; ") && !policy.contains("script"), "{policy}");
    assert_eq!(html.header("cache-control"), Some("no-store"));
    assert!(html.text().contains("token=pcl_"));
    refused(&root.get("/dev/mail/00000000-0000-7000-8000-000000000000").await, 404, "not_found");
    // By cookie, too.
    let mut browser = app.browser();
    browser.sign_in("root", "cookies").await;
    assert_eq!(browser.get("/dev/mail").await.status, 200);
}

#[tokio::test]
async fn nobody_else_does() {
    let app = keeping().await;
    let mail = notice(&app, "ada@example.org");
    app.enqueue_mail(&mail).await;
    let ada = app.sign_up("ada").await;
    for path in
        ["/dev/mail".to_owned(), format!("/dev/mail/{}", mail.id), format!("/dev/mail/{}/html", mail.id)]
    {
        refused(&ada.get(&path).await, 403, "forbidden");
        refused(&app.anon().bearing(Some("wrong")).get(&path).await, 401, "invalid_token");
        for query in ["", "?setup=", "?setup=pcs_wrong"] {
            let reply = app.anon().get(&format!("{path}{query}")).await;
            assert_eq!(
                (reply.status, reply.header("location")),
                (303, Some("/sign-in?return_to=%2Fdev%2Fmail"))
            );
        }
    }
}

#[tokio::test]
async fn the_set_up_link_opens_it_while_it_is_good() {
    let app = keeping().await;
    let mail = notice(&app, "ada@example.org");
    app.enqueue_mail(&mail).await;
    let token = app.cx.set_up_token().await.unwrap().unwrap();
    let path = format!("/dev/mail?setup={}", *token);
    let page = Page::of(app.anon().get(&path).await, 200);
    assert_eq!(page.links(), [format!("/dev/mail/{}?setup={}", mail.id, *token)]);
    Page::of(app.anon().get(page.links()[0]).await, 200);
    let body = json!({"token": &*token, "email": "root@example.org", "password": "seven purple gates"});
    assert_eq!(app.anon().post("/auth/setup", &body).await.status, 201);
    assert_eq!(app.anon().get(&path).await.status, 303, "it is spent");
}

#[tokio::test]
async fn elsewhere_there_is_no_such_page() {
    let sends = TestApp::new(Backend::Sqlite).await;
    let public = TestApp::with(Backend::Sqlite, |setup| {
        setup.sends_mail = false;
        setup.web.public_url = "https://id.example.org".parse().unwrap();
        setup.web.hosts = vec!["localhost:8400".into()];
    })
    .await;
    for app in [&sends, &public] {
        let token = app.cx.set_up_token().await.unwrap().unwrap();
        refused(&app.anon().get(&format!("/dev/mail?setup={}", *token)).await, 404, "not_found");
        let root = admin(app, "root").await;
        refused(&root.get("/dev/mail").await, 404, "not_found");
        assert_eq!(app.app.kept_mail_page(), None);
    }
}
