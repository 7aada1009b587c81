//! The refusal table: every operation, and whom it refuses how. An operation that is missing here, in the
//! `OpenAPI` document or in `paths::ALL` fails these tests.

use std::collections::BTreeSet;

use http::{Method, Request};
use portcullis_testkit::{Actor, Backend, Reply, TestApp};
use portcullis_web::paths;

use crate::pages::Page;
use crate::support::{admin, oauth_refused, refused};

/// What an operation takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Json,
    JsonOrForm,
    /// The form of a page.
    Form,
}

use Takes::{Form, Json, JsonOrForm, Nothing};

struct Operation {
    method: &'static str,
    path: &'static str,
    takes: Takes,
    /// What somebody without a token gets, with an empty JSON object where JSON is taken.
    nobody: (u16, &'static str),
    /// What a user gets for what belongs to another; `None` where everything is the caller's own.
    wrong_user: Option<(u16, &'static str)>,
    /// What becomes of a browser's cookies where no page of ours asks, or without the CSRF token.
    cookies: Cookies,
}

/// What an operation does with cookies of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cookies {
    /// It changes nothing: whoever they speak for may look.
    Look,
    /// They say who asks, or are set: 403 without the token.
    Held,
    /// The same for `delivery: "cookie"`; else they are not looked at.
    HeldToDeliver,
    /// They are not looked at: as nobody.
    Ignored,
}

const fn op(
    method: &'static str,
    path: &'static str,
    takes: Takes,
    nobody: (u16, &'static str),
) -> Operation {
    let safe = matches!(method.as_bytes(), b"GET" | b"OPTIONS");
    let cookies = if safe { Cookies::Look } else { Cookies::Held };
    Operation { method, path, takes, nobody, wrong_user: None, cookies }
}

/// What signs in.
const fn delivers(path: &'static str, takes: Takes) -> Operation {
    Operation { cookies: Cookies::HeldToDeliver, ..op("POST", path, takes, FIELDS) }
}

/// What no cookie has a say in.
const fn without_cookies(path: &'static str, takes: Takes, nobody: (u16, &'static str)) -> Operation {
    Operation { cookies: Cookies::Ignored, ..op("POST", path, takes, nobody) }
}

/// What belongs to somebody: nobody else learns that it exists.
const fn owned(method: &'static str, path: &'static str, takes: Takes) -> Operation {
    Operation { wrong_user: Some((404, "not_found")), ..op(method, path, takes, MISSING) }
}

/// What administrators do to a user.
const fn administered(method: &'static str, path: &'static str) -> Operation {
    Operation { wrong_user: Some((403, "forbidden")), ..op(method, path, Nothing, MISSING) }
}

/// What is for administrators alone, whatever it names.
const fn for_administrators(method: &'static str, path: &'static str, takes: Takes) -> Operation {
    Operation { wrong_user: Some((403, "forbidden")), ..op(method, path, takes, MISSING) }
}

const OPEN: (u16, &str) = (200, "");
const MISSING: (u16, &str) = (401, "missing_token");
const FIELDS: (u16, &str) = (422, "validation_failed");
const FORGED: (u16, &str) = (403, "csrf_failed");
const NOT_THERE: (u16, &str) = (404, "not_found");
/// Of a page behind a mailed link, without one.
const NO_LINK: (u16, &str) = (400, "invalid_link");
/// Of the page behind the link of an invite, without one.
const NO_INVITE: (u16, &str) = (400, "invalid_invite");
/// Of a page that is somebody's own.
const TO_SIGN_IN: (u16, &str) = (303, "");

const TABLE: &[Operation] = &[
    op("GET", paths::HOME, Nothing, OPEN),
    op("GET", paths::SIGN_IN_PAGE, Nothing, OPEN),
    op("POST", paths::SIGN_IN_PAGE, Form, FORGED),
    op("GET", paths::SIGN_IN_FACTOR_PAGE, Nothing, TO_SIGN_IN),
    op("POST", paths::SIGN_IN_FACTOR_PAGE, Form, FORGED),
    op("GET", paths::STEP_UP_PAGE, Nothing, TO_SIGN_IN),
    op("POST", paths::STEP_UP_PAGE, Form, FORGED),
    op("GET", paths::FACTORS_PAGE, Nothing, TO_SIGN_IN),
    op("POST", paths::FACTORS_PAGE, Form, FORGED),
    op("GET", paths::TOTP_PAGE, Nothing, TO_SIGN_IN),
    op("POST", paths::TOTP_PAGE, Form, FORGED),
    op("GET", paths::RENEW, Nothing, TO_SIGN_IN),
    op("GET", paths::SIGN_UP_PAGE, Nothing, OPEN),
    op("POST", paths::SIGN_UP_PAGE, Form, FORGED),
    op("GET", paths::SIGN_OUT_PAGE, Nothing, OPEN),
    op("POST", paths::SIGN_OUT_PAGE, Form, FORGED),
    op("GET", paths::ACCOUNT_PAGE, Nothing, TO_SIGN_IN),
    op("POST", paths::ACCOUNT_PAGE, Form, FORGED),
    op("GET", paths::PASSWORD_PAGE, Nothing, TO_SIGN_IN),
    op("POST", paths::PASSWORD_PAGE, Form, FORGED),
    op("GET", paths::PASSKEYS_PAGE, Nothing, TO_SIGN_IN),
    op("POST", paths::PASSKEYS_PAGE, Form, FORGED),
    op("GET", paths::FORGOT_PASSWORD_PAGE, Nothing, OPEN),
    op("POST", paths::FORGOT_PASSWORD_PAGE, Form, FORGED),
    op("GET", paths::RESET_PASSWORD_PAGE, Nothing, NO_LINK),
    op("POST", paths::RESET_PASSWORD_PAGE, Form, FORGED),
    op("GET", paths::INVITE_PAGE, Nothing, NO_INVITE),
    op("POST", paths::INVITE_PAGE, Form, FORGED),
    op("GET", paths::VERIFY_EMAIL_PAGE, Nothing, OPEN),
    op("POST", paths::VERIFY_EMAIL_PAGE, Form, FORGED),
    op("GET", paths::NOT_ME_PAGE, Nothing, OPEN),
    op("POST", paths::NOT_ME_PAGE, Form, FORGED),
    op("GET", paths::UNDO_EMAIL_PAGE, Nothing, OPEN),
    op("POST", paths::UNDO_EMAIL_PAGE, Form, FORGED),
    op("GET", paths::KEEP_ACCOUNT_PAGE, Nothing, OPEN),
    op("POST", paths::KEEP_ACCOUNT_PAGE, Form, FORGED),
    op("GET", paths::ERROR_PAGE, Nothing, OPEN),
    delivers(paths::REGISTER, Json),
    delivers(paths::LOGIN, JsonOrForm),
    delivers(paths::LOGIN_FACTOR, JsonOrForm),
    op("POST", paths::STEP_UP, Json, MISSING),
    op("GET", paths::FACTORS, Nothing, MISSING),
    op("POST", paths::TOTP, Nothing, MISSING),
    op("POST", paths::TOTP_CONFIRM, Json, MISSING),
    op("POST", paths::RECOVERY_CODES, Nothing, MISSING),
    owned("DELETE", paths::TRUSTED_DEVICE, Nothing),
    owned("DELETE", paths::FACTOR, Nothing),
    op("POST", paths::REFRESH, Json, MISSING),
    op("GET", paths::CSRF, Nothing, OPEN),
    op("POST", paths::LOGOUT, Json, MISSING),
    op("POST", paths::LOGOUT_ALL, Nothing, MISSING),
    op("GET", paths::ME, Nothing, MISSING),
    op("PATCH", paths::ME, Json, MISSING),
    op("DELETE", paths::ME, Json, MISSING),
    op("GET", paths::ME_EXPORT, Nothing, MISSING),
    without_cookies(paths::ME_KEEP, Json, FIELDS),
    op("GET", paths::SESSIONS, Nothing, MISSING),
    owned("DELETE", paths::SESSION, Nothing),
    without_cookies(paths::SESSION_NOT_ME, Json, FIELDS),
    op("GET", paths::TOKENS, Nothing, MISSING),
    op("POST", paths::TOKENS, Json, FIELDS),
    op("GET", paths::TOKEN_CURRENT, Nothing, MISSING),
    op("DELETE", paths::TOKEN_CURRENT, Nothing, MISSING),
    op("GET", paths::TOKEN_PATTERN, Nothing, OPEN),
    without_cookies(paths::TOKEN_SCANNING, Json, (404, "not_found")),
    owned("PATCH", paths::TOKEN, Json),
    owned("DELETE", paths::TOKEN, Nothing),
    op("GET", paths::BOTS, Nothing, MISSING),
    op("POST", paths::BOTS, Json, MISSING),
    owned("PATCH", paths::BOT, Json),
    owned("DELETE", paths::BOT, Nothing),
    owned("POST", paths::BOT_TOKENS, Json),
    op("GET", paths::ACCOUNTS, Nothing, MISSING),
    op("POST", paths::ACCOUNTS, Json, MISSING),
    owned("GET", paths::ACCOUNT, Nothing),
    owned("PATCH", paths::ACCOUNT, Json),
    owned("DELETE", paths::ACCOUNT, Nothing),
    owned("POST", paths::ACCOUNT_SWITCH, Json),
    owned("POST", paths::ACCOUNT_LEAVE, Nothing),
    owned("POST", paths::ACCOUNT_TRANSFER, Json),
    owned("GET", paths::ACCOUNT_MEMBERS, Nothing),
    owned("PATCH", paths::ACCOUNT_MEMBER, Json),
    owned("DELETE", paths::ACCOUNT_MEMBER, Nothing),
    owned("GET", paths::ACCOUNT_INVITES, Nothing),
    owned("POST", paths::ACCOUNT_INVITES, Json),
    owned("DELETE", paths::ACCOUNT_INVITE, Nothing),
    owned("POST", paths::ACCOUNT_INVITE_RESEND, Nothing),
    op("POST", paths::INVITE_ACCEPT, Json, MISSING),
    op("POST", paths::IMPERSONATION_STOP, Nothing, MISSING),
    Operation { wrong_user: Some((403, "forbidden")), ..op("POST", paths::ADMIN_IMPERSONATE, Json, MISSING) },
    op("GET", paths::ADMIN_USERS, Nothing, MISSING),
    op("POST", paths::ADMIN_USERS, Json, MISSING),
    administered("GET", paths::ADMIN_USER),
    administered("DELETE", paths::ADMIN_USER),
    administered("DELETE", paths::ADMIN_USER_FACTORS),
    administered("POST", paths::ADMIN_USER_DISABLE),
    administered("POST", paths::ADMIN_USER_ENABLE),
    op("GET", paths::ADMIN_CLIENTS, Nothing, MISSING),
    op("POST", paths::ADMIN_CLIENTS, Json, MISSING),
    Operation { wrong_user: Some((403, "forbidden")), ..op("DELETE", paths::ADMIN_CLIENT, Nothing, MISSING) },
    op("GET", paths::ADMIN_SETTINGS, Nothing, MISSING),
    op("PUT", paths::ADMIN_SETTING, Json, MISSING),
    op("DELETE", paths::ADMIN_SETTING, Nothing, MISSING),
    op("GET", paths::ADMIN_ACCOUNTS, Nothing, MISSING),
    for_administrators("GET", paths::ADMIN_ACCOUNT, Nothing),
    for_administrators("PATCH", paths::ADMIN_ACCOUNT, Json),
    for_administrators("GET", paths::ADMIN_SUBSCRIPTION, Nothing),
    for_administrators("PUT", paths::ADMIN_SUBSCRIPTION, Json),
    for_administrators("DELETE", paths::ADMIN_SUBSCRIPTION, Nothing),
    op("GET", paths::ADMIN_INVITES, Nothing, MISSING),
    op("POST", paths::ADMIN_INVITES, Json, MISSING),
    for_administrators("GET", paths::ADMIN_INVITE, Nothing),
    for_administrators("DELETE", paths::ADMIN_INVITE, Nothing),
    op("GET", paths::ADMIN_AUDIT, Nothing, MISSING),
    op("GET", paths::ADMIN_AUDIT_EXPORT, Nothing, MISSING),
    without_cookies(paths::OAUTH_TOKEN, JsonOrForm, (400, "invalid_request")),
    without_cookies(paths::OAUTH_INTROSPECT, JsonOrForm, (401, "invalid_client")),
    without_cookies(paths::OAUTH_REVOKE, JsonOrForm, (400, "invalid_request")),
    op("POST", paths::PASSWORD_CHANGE, Json, MISSING),
    without_cookies(paths::PASSWORD_FORGOT, Json, FIELDS),
    without_cookies(paths::PASSWORD_VERIFY_RESET, Json, FIELDS),
    without_cookies(paths::PASSWORD_RESET, Json, FIELDS),
    op("GET", paths::VERIFICATION_STATUS, Nothing, OPEN),
    op("POST", paths::SEND_VERIFICATION, Json, MISSING),
    without_cookies(paths::EMAIL_VERIFY, Json, FIELDS),
    without_cookies(paths::EMAIL_NOT_ME, Json, FIELDS),
    without_cookies(paths::EMAIL_UNDO, Json, FIELDS),
    op("GET", paths::PASSKEYS, Nothing, MISSING),
    owned("PATCH", paths::PASSKEY, Json),
    owned("DELETE", paths::PASSKEY, Nothing),
    op("POST", paths::PASSKEY_REGISTER_START, Nothing, MISSING),
    op("POST", paths::PASSKEY_REGISTER_FINISH, Json, MISSING),
    without_cookies(paths::PASSKEY_LOGIN_START, Json, OPEN),
    delivers(paths::PASSKEY_LOGIN_FINISH, Json),
    op("GET", paths::CONFIG, Nothing, OPEN),
    op("GET", paths::VERIFY, Nothing, (404, "not_found")),
    delivers(paths::SET_UP, Json),
    op("GET", paths::SET_UP_PAGE, Nothing, OPEN),
    // With a mail server there are none; without one, `mail/dev_page.rs` asks.
    op("GET", paths::DEV_MAIL, Nothing, NOT_THERE),
    Operation { wrong_user: Some(NOT_THERE), ..op("GET", paths::DEV_MAIL_ONE, Nothing, NOT_THERE) },
    Operation { wrong_user: Some(NOT_THERE), ..op("GET", paths::DEV_MAIL_HTML, Nothing, NOT_THERE) },
    op("GET", paths::JWKS, Nothing, OPEN),
    op("GET", paths::METADATA, Nothing, OPEN),
    op("GET", paths::REVOCATIONS, Nothing, OPEN),
    op("OPTIONS", paths::REVOCATIONS, Nothing, (204, "")),
    op("GET", paths::STATUS_LIST, Nothing, (404, "not_found")),
    op("GET", paths::OPENAPI, Nothing, OPEN),
    op("GET", paths::DOCS, Nothing, OPEN),
    op("GET", paths::DOCS_PROBLEMS, Nothing, OPEN),
    op("GET", paths::ASSET, Nothing, OPEN),
    op("GET", paths::LIVE, Nothing, OPEN),
    op("GET", paths::READY, Nothing, OPEN),
];

impl Operation {
    /// The path as somebody asks for it.
    fn asked(&self, session: &str) -> String {
        let path = self.path.replace("{id}", session).replace("{user}", session).replace("{invite}", session);
        path.replace("{name}", "portcullis.css").replace("{list}", "0")
    }

    /// Answers in the form of RFC 6749.
    fn is_oauth(&self) -> bool {
        self.path.starts_with("/oauth/")
    }

    /// What it takes.
    fn kind(&self) -> Option<&'static str> {
        if self.takes == Form { FORM } else { JSON }
    }

    /// A body of that kind with nothing in it.
    fn nothing(&self) -> &'static str {
        if self.takes == Form { "" } else { "{}" }
    }

    async fn ask(&self, actor: &Actor, path: &str, kind: Option<&str>) -> Reply {
        self.ask_with(actor, path, kind, self.nothing()).await
    }

    async fn ask_with(&self, actor: &Actor, path: &str, kind: Option<&str>, body: &str) -> Reply {
        let mut request = Request::builder().method(self.method).uri(path);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let body = if self.takes == Nothing { "" } else { body };
        actor.exchange(request, body.to_owned().into()).await
    }
}

#[track_caller]
fn came_to(reply: &Reply, (status, code): (u16, &str), operation: &Operation) {
    if operation.is_oauth() {
        // What is no parameter list is an invalid request there, whatever is wrong with it.
        return oauth_refused(reply, status, if status == 415 { "invalid_request" } else { code });
    }
    if operation.takes == Form || [NO_LINK, NO_INVITE].contains(&(status, code)) {
        let page = Page::of(reply.clone(), status);
        return assert_eq!(page.code(), code, "{}", operation.path);
    }
    assert_eq!(reply.outcome(), (status, code), "{} {}: {}", operation.method, operation.path, reply.text());
    if status >= 400 {
        refused(reply, status, code);
    }
}

const JSON: Option<&str> = Some("application/json");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
const NO_SESSION: &str = "00000000-0000-7000-8000-000000000000";

#[tokio::test]
async fn table_document_and_paths_hold_the_same_operations() {
    let app = TestApp::new(Backend::Sqlite).await;
    let document = app.anon().get("/openapi.json").await.json;
    let documented = document["paths"].as_object().unwrap().iter();
    let documented: BTreeSet<(String, String)> = documented
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.to_uppercase()))
        })
        .collect();
    let table: BTreeSet<_> = TABLE.iter().map(|row| (row.path.to_owned(), row.method.to_owned())).collect();
    assert_eq!(table.len(), TABLE.len(), "no operation stands twice");
    assert_eq!(table, documented);
    let in_document: BTreeSet<_> = documented.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths::ALL.iter().copied().collect::<BTreeSet<_>>(), in_document);
}

#[tokio::test]
async fn the_document_tells_what_needs_a_token() {
    let app = TestApp::new(Backend::Sqlite).await;
    let document = app.anon().get("/openapi.json").await.json;
    for row in TABLE {
        let operation = &document["paths"][row.path][row.method.to_lowercase()];
        // By password, an API token can be had without.
        let by_password = (row.method, row.path) == ("POST", paths::TOKENS);
        let needs = row.nobody == MISSING || row.path == paths::VERIFY || by_password || row.is_oauth();
        assert_eq!(operation["security"].is_array(), needs, "{} {}", row.method, row.path);
        assert_eq!(operation["requestBody"].is_object(), row.takes != Nothing, "{} {}", row.method, row.path);
    }
}

#[tokio::test]
async fn as_nobody() {
    let app = TestApp::new(Backend::Sqlite).await;
    for row in TABLE {
        for slash in ["", "/"] {
            let path = format!("{}{slash}", row.asked(NO_SESSION));
            if path != "//" {
                came_to(&row.ask(&app.anon(), &path, row.kind()).await, row.nobody, row);
            }
        }
    }
    let verify = TABLE.iter().find(|row| row.path == paths::VERIFY).unwrap();
    let proxy = app.anon().proxied("GET", "app.example", "/");
    came_to(&verify.ask(&proxy, verify.path, None).await, MISSING, verify);
}

#[tokio::test]
async fn as_the_wrong_user() {
    let app = TestApp::new(Backend::Sqlite).await;
    let (ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let mut asked = 0;
    for row in TABLE {
        // What names a thing in its path must say how it refuses the thing of another.
        assert_eq!(row.wrong_user.is_some(), row.path.contains("{id}"), "{}", row.path);
        if let Some(refusal) = row.wrong_user {
            let path = row.asked(bob.session.as_deref().unwrap());
            // All that these operations must be told, so that only the owner is wrong.
            let body = r#"{"name": "a name", "reason": "a reason", "role": "member", "email": "a@example.org",
                "user_id": "00000000-0000-7000-8000-000000000000", "plan": "pro"}"#;
            came_to(&row.ask_with(&ada, &path, JSON, body).await, refusal, row);
            asked += 1;
        }
    }
    assert!(asked >= 7, "{asked}");
    assert_eq!(bob.refresh().await.status, 200, "nothing happened to the other's");
}

/// A page that forges a request has the cookies and not the token, or it is of another origin. A route that takes its
/// identity from a cookie in any other way than all others do comes out here.
#[tokio::test]
async fn by_cookie_from_a_page_that_may_not() {
    let app = TestApp::new(Backend::Sqlite).await;
    admin(&app, "root").await;
    let mut root = app.browser();
    root.sign_in("root", "cookies").await;
    let token = root.fetch_csrf_token().await;
    let held = root.jar().clone();
    let evil = root.saying(&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]);
    let forgeries = [root.knowing(None), root.knowing(Some("wrong")), evil, root.saying(&[])];
    for row in TABLE {
        let (body, expected) = match row.cookies {
            Cookies::Look => continue,
            Cookies::Held if row.takes == Form => ("email=a%40example.org&password=x&session=x", FORGED),
            Cookies::Held => (r#"{"name": "a name", "reason": "a reason"}"#, FORGED),
            Cookies::HeldToDeliver => (
                r#"{"email": "a@example.org", "password": "x", "token": "x", "ceremony": "x",
                    "credential": {}, "delivery": "cookie"}"#,
                FORGED,
            ),
            Cookies::Ignored => ("{}", row.nobody),
        };
        let body = if row.takes == Nothing { "" } else { body };
        for page in &forgeries {
            let mut request = Request::builder().method(row.method).uri(row.asked(NO_SESSION));
            if let Some(kind) = row.kind().filter(|_| row.takes != Nothing) {
                request = request.header("content-type", kind);
            }
            came_to(&page.exchange(request, body.to_owned().into()).await, expected, row);
        }
    }
    assert_eq!(*root.jar(), held, "nothing was set and nothing cleared");
    assert_eq!(root.knowing(Some(&token)).refresh().await.status, 200, "nothing has happened");
}

#[tokio::test]
async fn by_the_wrong_method() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    for row in TABLE {
        let mut right: BTreeSet<_> =
            TABLE.iter().filter(|other| other.path == row.path).map(|other| other.method).collect();
        if right.contains("GET") {
            right.insert("HEAD");
        }
        for method in methods.iter().filter(|method| !right.contains(method.as_str())) {
            for actor in [&ada, &app.anon()] {
                let reply = actor.send(method.clone(), &row.asked(NO_SESSION), None).await;
                // No form was sent, so there is no page to show it on again.
                if row.is_oauth() {
                    oauth_refused(&reply, 405, "invalid_request");
                } else {
                    refused(&reply, 405, "method_not_allowed");
                }
                let allow: BTreeSet<_> =
                    reply.header("allow").expect("Allow").split(',').map(str::trim).collect();
                assert_eq!(allow, right, "{}", row.path);
            }
        }
    }
}

#[tokio::test]
async fn with_the_wrong_content_type() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("ada").await;
    let kinds = ["text/plain", "application/jsonx", "application/json+x", "text/json", "", "*/*"];
    let kinds = kinds.into_iter().map(Some).chain([None, FORM, JSON]);
    for row in TABLE.iter().filter(|row| row.takes != Nothing) {
        // Signing out is among them.
        let ada = app.sign_in("ada").await;
        let path = row.asked(NO_SESSION);
        for kind in kinds.clone() {
            if kind == row.kind() || (row.takes == JsonOrForm && kind == FORM) {
                continue;
            }
            came_to(&row.ask(&ada, &path, kind).await, (415, "unsupported_media_type"), row);
        }
        let right = row.kind().unwrap();
        let twice = ada.with_header("content-type", right);
        came_to(&row.ask(&twice, &path, Some(right)).await, (415, "unsupported_media_type"), row);
        for kind in [format!("{right}; charset=utf-8"), right.to_uppercase(), format!("{right};")] {
            let reply = row.ask(&ada, &path, Some(&kind)).await;
            assert_ne!(reply.status, 415, "{kind} at {path}");
        }
    }
}
