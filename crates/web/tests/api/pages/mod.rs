//! Our pages, as a browser without scripts opens them and presses their buttons.

mod account;
mod assets;
mod csrf;
mod factors;
mod forward_auth;
mod html;
mod invite;
mod mailed;
mod narrow;
mod passkeys;
mod password;
mod provider;
mod refusals;
mod renewing;
mod return_to;
mod sign_in;
mod sign_out;
mod sign_up;
mod without_password;

use http::Request;
use portcullis_testkit::app::Browser;
use portcullis_testkit::{PASSWORD, Reply, TestApp};
use url::form_urlencoded::Serializer;

pub(crate) use html::Tag;

use crate::support::common_headers;

/// A page as it came, checked for what holds for all of them.
pub(crate) struct Page {
    pub(crate) reply: Reply,
    pub(crate) tags: Vec<Tag>,
}

impl Page {
    #[track_caller]
    pub(crate) fn of(reply: Reply, status: u16) -> Self {
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        common_headers(&reply);
        let waits = reply.header("retry-after").map(|text| text.parse::<u64>().expect("seconds"));
        assert_eq!(waits.is_some_and(|seconds| seconds >= 1), matches!(status, 429 | 503), "{waits:?}");
        assert_eq!(reply.header("www-authenticate").is_some(), status == 401);
        let tags = html::tags(&reply.text());
        html::holds_nothing_inline(&tags, reply.header("content-security-policy").unwrap());
        html::is_accessible(&tags, &reply.text());
        Self { reply, tags }
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Tag> {
        self.tags.iter().find(|tag| tag.attribute("id") == Some(id))
    }

    /// The value of the field with this name.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> &str {
        let mut fields = self.tags.iter().filter(|tag| tag.name == "input");
        let field = fields.find(|tag| tag.attribute("name") == Some(name));
        field.unwrap_or_else(|| panic!("no field {name}: {}", self.reply.text())).attribute("value").unwrap()
    }

    /// The code of what went wrong.
    pub(crate) fn code(&self) -> &str {
        self.by_id("message").and_then(|tag| tag.attribute("data-code")).unwrap_or_default()
    }

    /// Whether the field is marked as wrong, with its message next to it.
    pub(crate) fn is_wrong(&self, field: &str) -> bool {
        let error = format!("{field}-error");
        let input = self.by_id(field).expect("the field");
        let marked = input.attribute("aria-invalid") == Some("true");
        let described =
            input.attribute("aria-describedby").is_some_and(|ids| ids.split(' ').any(|id| id == error));
        assert_eq!((marked, described), (self.by_id(&error).is_some(), marked), "{field}");
        marked
    }

    /// Where the links lead.
    pub(crate) fn links(&self) -> Vec<&str> {
        self.tags.iter().filter(|tag| tag.name == "a").filter_map(|tag| tag.attribute("href")).collect()
    }
}

/// Opens a page.
pub(crate) async fn open(browser: &Browser, path: &str) -> Page {
    Page::of(browser.get(path).await, 200)
}

/// Sends a form as it is.
pub(crate) async fn send(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Reply {
    let body = Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::builder().method("POST").uri(path);
    browser.exchange(request.header("content-type", "application/x-www-form-urlencoded"), body.into()).await
}

/// Opens a page, fills its form in and presses its button.
pub(crate) async fn submit(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Reply {
    let page = open(browser, path).await;
    let token = page.value("csrf_token").to_owned();
    send(browser, path, &[&[("csrf_token", &*token)], fields].concat()).await
}

/// What somebody fills in to sign in.
pub(crate) fn filled(name: &str) -> [(String, String); 2] {
    [("email".into(), format!("{name}@example.org")), ("password".into(), PASSWORD.into())]
}

/// Signs in by the page.
pub(crate) async fn sign_in_at(browser: &Browser, path: &str, name: &str) -> Reply {
    let filled = filled(name);
    let fields: Vec<_> = filled.iter().map(|(name, value)| (&**name, &**value)).collect();
    submit(browser, path, &fields).await
}

/// A browser in which `name`, who is new, has signed in by the page.
pub(crate) async fn signed_in(app: &TestApp, name: &str) -> Browser {
    app.sign_up(name).await;
    let browser = app.browser();
    sent_on(&sign_in_at(&browser, "/sign-in", name).await, "/account");
    browser
}

/// Asserts a 303.
#[track_caller]
pub(crate) fn sent_on(reply: &Reply, place: &str) {
    assert_eq!((reply.status, reply.header("location")), (303, Some(place)), "{}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(reply.body.is_empty());
    common_headers(reply);
}
