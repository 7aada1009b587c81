//! `/sign-up`

use portcullis_core::registration::Mode;
use portcullis_testkit::{Backend, PASSWORD, TestApp};

use super::{Page, open, send, sent_on, sign_in_at, submit};
use crate::browsers::set_names;
use crate::on_both;

on_both! {
    /// The whole way, as a person goes it.
    async fn up_out_in_and_out(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.browser();
        let page = open(&ada, "/").await;
        assert!(page.links().contains(&"/sign-up"));
        let fields = [("name", "Ada \"<b>"), ("email", "ada@example.org"), ("password", PASSWORD)];
        let reply = submit(&ada, "/sign-up", &fields).await;
        sent_on(&reply, "/account");
        assert_eq!(set_names(&reply), ["csrftoken", "pc_access", "pc_device", "pc_refresh"]);
        let page = open(&ada, "/account").await;
        assert_eq!(page.by_id("name").unwrap().text, "Ada \"<b>");
        assert_eq!(page.links(), ["/account/password", "/account/factors", "/account/passkeys", "/sign-out"]);
        sent_on(&submit(&ada, "/sign-out", &[]).await, "/sign-out");
        open(&ada, "/sign-out").await;
        sent_on(&ada.get("/account").await, "/sign-in?return_to=%2Faccount");
        sent_on(&sign_in_at(&ada, "/sign-in?return_to=%2Faccount", "ada").await, "/account");
        open(&ada, "/account").await;
        sent_on(&submit(&ada, "/sign-out", &[]).await, "/sign-out");
        assert_eq!(ada.jar().names(), ["pc_device"], "the device stays known");
    }

    async fn what_is_wrong_stands_next_to_its_field(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let browser = app.browser();
        let long = "x".repeat(101);
        for (name, email, password, status, wrong) in [
            ("", "nonsense", PASSWORD, 422, &["email"][..]),
            ("", "new@example.org", "short", 422, &["password"]),
            ("", "new@example.org", "new@example.org", 422, &["password"]),
            (&*long, "", "", 422, &["name", "email", "password"]),
            ("Ada", "ADA@example.org", PASSWORD, 409, &["email"]),
        ] {
            let fields = [("name", name), ("email", email), ("password", password)];
            let reply = submit(&browser, "/sign-up", &fields).await;
            assert!(set_names(&reply).is_empty());
            let page = Page::of(reply, status);
            let marked: Vec<_> =
                ["name", "email", "password"].into_iter().filter(|field| page.is_wrong(field)).collect();
            assert_eq!(marked, wrong);
            assert_eq!((page.value("name"), page.value("email")), (name, email));
            assert!(page.by_id(wrong[0]).unwrap().attribute("autofocus").is_some());
            assert!(page.tags.iter().any(|tag| tag.name == "title" && tag.text.starts_with("Error: ")));
        }
        let fields = [("email", "new@example.org"), ("password", PASSWORD)];
        sent_on(&submit(&browser, "/sign-up?return_to=/docs", &fields).await, "/docs");
    }
}

#[tokio::test]
async fn a_closed_one_says_so() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.settings.registration.mode = Mode::Closed).await;
    let browser = app.browser();
    assert!(!open(&browser, "/sign-in").await.links().contains(&"/sign-up"));
    let page = open(&browser, "/sign-up?return_to=/docs").await;
    assert!(page.tags.iter().all(|tag| tag.name != "form"));
    assert_eq!(page.links(), ["/sign-in?return_to=%2Fdocs"]);
    let fields = [("email", "ada@example.org"), ("password", PASSWORD)];
    let page = Page::of(send(&browser, "/sign-up", &fields).await, 403);
    assert_eq!(page.code(), "registration_closed");
    assert!(browser.jar().names().is_empty());
}
