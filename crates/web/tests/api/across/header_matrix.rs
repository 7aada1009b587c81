//! Every form of `Authorization` with every kind of token: what it is worth is the same everywhere, and never a
//! 403 or a fault.

use std::time::Duration;

use http::Request;
use portcullis_testkit::{Actor, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{api_token, refused};

/// Status and code.
type Worth = (u16, &'static str);

const GOOD: Worth = (200, "");
const INVALID: Worth = (401, "invalid_token");
const MALFORMED: Worth = (401, "malformed_authorization");
const MISSING: Worth = (401, "missing_token");

/// Tokens by what they are, and what a good header with them is worth.
async fn tokens(app: &TestApp) -> Vec<(&'static str, String, Worth)> {
    let token = |made: &serde_json::Value| made["token"].as_str().unwrap().to_owned();
    let late = app.sign_up("late").await;
    let expired = token(&api_token(&late, &json!({"name": "x", "expires_in_days": 1})).await);
    app.clock.advance(Duration::from_hours(24));
    let gone = app.sign_up("gone").await;
    let revoked = api_token(&gone, &json!({"name": "x"})).await;
    gone.delete(&format!("/auth/tokens/{}", revoked["id"].as_str().unwrap())).await;
    gone.post("/auth/logout", &json!({})).await;
    let ada = app.sign_up("ada").await;
    let good = token(&api_token(&ada, &json!({"name": "x"})).await);
    let (rest, last) = good.split_at(good.len() - 1);
    let miswritten = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    vec![
        ("a JWT", ada.access_token.unwrap(), GOOD),
        ("an expired JWT", late.access_token.unwrap(), INVALID),
        ("a revoked JWT", gone.access_token.unwrap(), INVALID),
        ("an API token", good, GOOD),
        ("an expired API token", expired, INVALID),
        ("a revoked API token", token(&revoked), INVALID),
        ("an API token miswritten", miswritten, INVALID),
        ("garbage", "garbage".into(), INVALID),
    ]
}

/// Header lines by their form, and what they are worth with a good token; `None`: whatever the token is worth.
fn forms(token: &str) -> Vec<(Vec<String>, Option<Worth>)> {
    let scheme = |scheme: &str| vec![format!("{scheme} {token}")];
    vec![
        (scheme("Bearer"), None),
        (scheme("bearer"), None),
        (scheme("BEARER"), None),
        (scheme("Token"), None),
        (scheme("token"), None),
        (scheme("Bearer  "), None),
        (vec![token.to_owned()], Some(MALFORMED)),
        (vec!["Bearer".into()], Some(MALFORMED)),
        (vec!["Bearer ".into()], Some(MALFORMED)),
        (vec!["Token".into()], Some(MALFORMED)),
        (vec![String::new()], Some(MALFORMED)),
        (scheme("Basic"), Some(MALFORMED)),
        (vec![format!("Bearer {token} {token}")], Some(MALFORMED)),
        (vec![format!("Bearer {token}, Bearer {token}")], Some(MALFORMED)),
        (vec![format!("Bearer {token}"), format!("Bearer {token}")], Some(MALFORMED)),
        (vec![format!("Bearer {token}"), "Token x".into()], Some(MALFORMED)),
        (vec![], Some(MISSING)),
    ]
}

async fn ask(actor: &Actor, path: &str, lines: &[String]) -> portcullis_testkit::Reply {
    let mut request = Request::builder().method("GET").uri(path);
    for line in lines {
        request = request.header("authorization", line);
    }
    actor.exchange(request, "".into()).await
}

on_both! {
    async fn what_a_header_is_worth(backend: Backend) {
        let app = TestApp::new(backend).await;
        let nobody = app.anon().proxied("GET", "app.example", "/");
        for (what, token, worth) in tokens(&app).await {
            for (lines, form) in forms(&token) {
                let expected = form.unwrap_or(worth);
                for path in ["/auth/me", "/auth/sessions", "/auth/tokens", "/auth/bots", "/auth/verify"] {
                    let reply = ask(&nobody, path, &lines).await;
                    let forms: Vec<_> = lines.iter().map(|line| line.replace(&token, "…")).collect();
                    assert_eq!(reply.outcome(), expected, "{what} as {forms:?} at {path}: {}", reply.text());
                    if expected != GOOD {
                        refused(&reply, expected.0, expected.1);
                    }
                }
            }
        }
    }
}
