//! A second factor, through the gateway: the challenge stays in a sealed cookie.

use std::time::Duration;

use portcullis_core::time::Clock as _;
use portcullis_core::user::Role;
use portcullis_testkit::{Actor, Authenticator, Backend, PASSWORD, SecurityKey};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::house::{House, sign_in};
use crate::upstream::App;

const FACTOR: &str = "/auth/login/factor";
const PASSKEY_START: &str = "/auth/passkeys/login/start";
const PASSKEY_LOGIN: &str = "/auth/passkeys/login/finish";

/// An app that makes codes for ada, who has set it up at the issuer.
async fn phone_of(house: &House, ada: &Actor) -> Authenticator {
    let begun = ada.post("/auth/factors/totp", &json!({})).await;
    let phone = Authenticator::new(begun.json["secret"].as_str().expect("a secret"));
    let code = phone.code(house.issuer.clock.now(), 0);
    let reply = ada.post("/auth/factors/totp/confirm", &json!({"code": code})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    house.issuer.clock.advance(Duration::from_secs(30));
    phone
}

fn code(house: &House, phone: &Authenticator) -> String {
    phone.code(house.issuer.clock.now(), 0)
}

/// The first half: the challenge, by its name.
async fn begin(browser: &Browser) -> String {
    let reply = sign_in(browser, "ada").await;
    reply.refused(403, "second_factor_required");
    assert_eq!(reply.json["methods"], json!(["totp", "recovery_code"]));
    assert!(!reply.text().contains("pcl_"), "the secret is for no script: {}", reply.text());
    reply.json["challenge"].as_str().expect("a challenge").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browser_that_began_goes_on_and_no_other() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let house = House::whole(backend, App::echo().await, |_| {}, |_| {}).await;
        let ada = house.issuer.sign_up("ada").await;
        let phone = phone_of(&house, &ada).await;
        let browser = house.browser();
        let challenge = begin(&browser).await;
        let body = |code: &str| json!({"challenge": challenge, "method": "totp", "code": code});
        house.browser().post(FACTOR, &body(&code(&house, &phone))).await.refused(400, "invalid_challenge");
        let mut other = body(&code(&house, &phone));
        other["challenge"] = "0".repeat(64).into();
        browser.post(FACTOR, &other).await.refused(400, "invalid_challenge");
        browser.post(FACTOR, &body("000000")).await.refused(403, "wrong_code");
        let reply = browser.post(FACTOR, &body(&code(&house, &phone))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.json.get("access_token").is_none() && reply.json.get("refresh_token").is_none());
        assert!(!browser.cookies().contains_key("pc_gateway_challenge"));
        assert_eq!(browser.get("/").await.app_saw("x-auth-user"), ada.user.as_deref());
        let again = browser.with_csrf().await.post(FACTOR, &body(&code(&house, &phone))).await;
        again.refused(400, "invalid_challenge");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_asked_on_a_page_again_until_it_is_right() {
    let house = House::new().await;
    let ada = house.issuer.sign_up("ada").await;
    let phone = phone_of(&house, &ada).await;
    let browser = house.browser();
    let fields = [("login", "ada@example.org"), ("password", PASSWORD), ("return_to", "/a")];
    let page = browser.submit("/auth/login", &fields).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    let challenge = text.split("name=\"challenge\" value=\"").nth(1).expect("a field");
    let challenge = challenge.split('"').next().expect("a value").to_owned();
    let fields = |code: &str| {
        [
            ("challenge".to_owned(), challenge.clone()),
            ("method".to_owned(), "totp".to_owned()),
            ("code".to_owned(), code.to_owned()),
            ("return_to".to_owned(), "/a".to_owned()),
        ]
    };
    let sent = fields("000000");
    let sent: Vec<_> = sent.iter().map(|(name, value)| (&**name, &**value)).collect();
    let page = browser.submit(FACTOR, &sent).await;
    assert_eq!(page.status, 403, "{}", page.text());
    assert!(page.text().contains(&challenge) && page.text().contains("not right"));
    let sent = fields(&code(&house, &phone));
    let sent: Vec<_> = sent.iter().map(|(name, value)| (&**name, &**value)).collect();
    let reply = browser.submit(FACTOR, &sent).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/a")), "{}", reply.text());
    assert_eq!(browser.get("/").await.app_saw("x-auth-user"), ada.user.as_deref());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_factor_is_set_up_and_a_sign_in_renewed_through_it() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await.with_csrf().await;
    let reply = browser.post("/auth/step-up", &json!({"password": PASSWORD})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.json.get("access_token").is_none() && reply.sets_cookies());
    let begun = browser.post("/auth/factors/totp", &Value::Null).await;
    assert_eq!(begun.status, 201, "{}", begun.text());
    let phone = Authenticator::new(begun.json["secret"].as_str().expect("a secret"));
    let confirm = json!({"code": code(&house, &phone)});
    let reply = browser.post("/auth/factors/totp/confirm", &confirm).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json["recovery_codes"].as_array().map(Vec::len), Some(10));
    assert_eq!(browser.get("/auth/factors").await.json["items"][0]["kind"], "totp");
    assert_eq!(browser.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_added_through_it_and_the_browser_stays_signed_in() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await.with_csrf().await;
    let stolen = browser.with_cookies(browser.cookies());
    let begun = browser.post("/auth/passkeys/register/start", &Value::Null).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    let credential = SecurityKey::default().create(&begun.json["publicKey"]);
    let made = json!({"ceremony": begun.json["ceremony"], "credential": credential, "name": "laptop"});
    let reply = browser.post("/auth/passkeys/register/finish", &made).await;
    assert_eq!((reply.status, reply.sets_cookies()), (201, true), "{}", reply.text());
    assert!(!reply.text().contains("token\""), "{}", reply.text());
    // At once, for who has a copy of what was before: nothing is left of that.
    let thief = stolen.get("/").await;
    assert_eq!((thief.app_saw("x-auth-user"), thief.sets_cookies()), (None, false), "{}", thief.text());
    assert_eq!(browser.get("/auth/passkeys").await.json["items"][0]["name"], "laptop");
    house.expire_access_tokens();
    assert_eq!(browser.get("/auth/me").await.status, 200, "the new refresh token is in the cookies");
    stolen.get("/auth/me").await.refused(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_must_set_one_up_opens_nothing_else() {
    let strict = |setup: &mut portcullis_testkit::Setup| {
        setup.settings.login.require_factor = vec![Role::from_stored(Role::USER)];
    };
    let house = House::whole(Backend::Sqlite, App::echo().await, strict, |_| {}).await;
    house.issuer.sign_up("ada").await;
    let browser = house.browser();
    let reply = sign_in(&browser, "ada").await;
    assert_eq!((reply.status, &reply.json["must_set_up_factor"]), (200, &json!(true)), "{}", reply.text());
    browser.get("/").await.refused(403, "factor_setup_required");
    let browser = browser.with_csrf().await;
    let begun = browser.post("/auth/factors/totp", &Value::Null).await;
    let phone = Authenticator::new(begun.json["secret"].as_str().expect("a secret"));
    let confirm = json!({"code": code(&house, &phone)});
    assert_eq!(browser.post("/auth/factors/totp/confirm", &confirm).await.status, 200);
    assert_eq!(browser.get("/").await.status, 200);
}

/// Registers a passkey from the session of `browser`.
async fn register(browser: &Browser, key: &mut SecurityKey) {
    let begun = browser.post("/auth/passkeys/register/start", &Value::Null).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    let credential = key.create(&begun.json["publicKey"]);
    let body = json!({"ceremony": begun.json["ceremony"], "credential": credential});
    let reply = browser.post("/auth/passkeys/register/finish", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

/// What answers the ceremony that `begun` has begun.
fn shown(key: &mut SecurityKey, begun: &Value) -> Value {
    json!({"ceremony": begun["ceremony"], "credential": key.get(&begun["publicKey"])})
}

/// How many mails have told ada of a new device so far.
async fn notices(house: &House) -> usize {
    house.issuer.mails().await.iter().filter(|mail| mail.text.contains("/not-me?token=")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_the_second_factor() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let house = House::whole(backend, App::echo().await, |_| {}, |_| {}).await;
        let browser = house.signed_in("ada").await.with_csrf().await;
        let mut key = SecurityKey::default();
        register(&browser, &mut key).await;
        let second = house.browser();
        let reply = sign_in(&second, "ada").await;
        reply.refused(403, "second_factor_required");
        assert_eq!(reply.json["methods"], json!(["passkey", "recovery_code"]));
        let challenge = &reply.json["challenge"];
        let start = json!({"challenge": challenge});
        let begun = second.post(PASSKEY_START, &start).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        assert_eq!(begun.json["publicKey"]["allowCredentials"].as_array().map(Vec::len), Some(1));
        // The name is worth nothing elsewhere, nor is any other here: nobody learns whose passkeys there are.
        house.browser().post(PASSKEY_START, &start).await.refused(400, "invalid_challenge");
        let other = json!({"challenge": "0".repeat(64)});
        second.post(PASSKEY_START, &other).await.refused(400, "invalid_challenge");
        let mut body = shown(&mut key, &begun.json);
        body["challenge"] = challenge.clone();
        body["method"] = json!("passkey");
        let reply = second.post(FACTOR, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.json.get("access_token").is_none());
        assert!(!second.cookies().contains_key("pc_gateway_challenge"));
        assert_eq!(second.get("/").await.status, 200);
        // What is used up names nobody any more.
        second.with_csrf().await.post(PASSKEY_START, &start).await.refused(400, "invalid_challenge");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_in_by_passkey_does_so_on_a_device_that_is_known() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await.with_csrf().await;
    let mut key = SecurityKey::default();
    register(&browser, &mut key).await;
    assert_eq!(browser.post("/auth/logout", &Value::Null).await.status, 204);
    // She has signed up elsewhere.
    assert_eq!(notices(&house).await, 1);
    // Nothing but its token tells which device it is: it calls itself otherwise each time.
    let by_passkey = async |browser: &Browser, key: &mut SecurityKey| {
        let begun = browser.post(PASSKEY_START, &json!({})).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let reply = browser.post(PASSKEY_LOGIN, &shown(key, &begun.json)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.json.get("access_token").is_none() && reply.sets_cookies());
        browser.get("/").await.app_saw("x-auth-user").map(str::to_owned).expect("signed in")
    };
    let ada = by_passkey(&browser.with("user-agent", "browser/2"), &mut key).await;
    let browser = browser.with_csrf().await.with("user-agent", "browser/3");
    assert_eq!(by_passkey(&browser, &mut key).await, ada);
    assert_eq!(notices(&house).await, 1);
    let strange = house.browser().with("user-agent", "browser/4");
    assert_eq!(by_passkey(&strange, &mut key).await, ada);
    assert_eq!(notices(&house).await, 2);
    // As a second factor it is the device that has sent the password.
    let reply = sign_in(&browser.with_csrf().await.with("user-agent", "browser/5"), "ada").await;
    reply.refused(403, "second_factor_required");
    let challenge = &reply.json["challenge"];
    let begun = browser.with_csrf().await.post(PASSKEY_START, &json!({"challenge": challenge})).await;
    let mut body = shown(&mut key, &begun.json);
    body["challenge"] = challenge.clone();
    body["method"] = json!("passkey");
    let last = browser.with_csrf().await.with("user-agent", "browser/6").post(FACTOR, &body).await;
    assert_eq!(last.status, 200, "{}", last.text());
    assert_eq!(notices(&house).await, 2);
}
