use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{api_token, events, holder, invalid, private, redacted, refused};

on_both! {
    async fn a_token_is_shown_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let body = json!({
            "name": "  deploy \u{fc} ", "description": "two\nlines", "expires_in_days": 30, "scopes": ["b", "a", "b"],
        });
        let reply = ada.post("/auth/tokens", &body).await;
        private(&reply, 201);
        let mut expected = json!({
            "token": "[API token]", "id": "[id]", "name": "deploy \u{fc}", "description": "two\nlines",
            "key_prefix": reply.json["key_prefix"], "scopes": ["a", "b"], "created_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-31T00:00:00Z", "last_used_at": null,
        });
        assert_eq!(redacted(&reply.json), expected);
        let token = reply.json["token"].as_str().unwrap();
        assert_eq!(token.len(), 54);
        assert_eq!(&token[4..12], reply.json["key_prefix"].as_str().unwrap());
        let listed = ada.get("/auth/tokens").await;
        private(&listed, 200);
        expected.as_object_mut().unwrap().remove("token");
        assert_eq!(redacted(&listed.json), json!({"items": [expected], "next_cursor": null}));
        let told = events(&app, "api_token.created").await;
        assert_eq!(told.len(), 1);
        assert_eq!((told[0]["user"].as_str(), told[0]["actor"].as_str()), (ada.user.as_deref(), ada.user.as_deref()));
        assert_eq!(told[0]["detail"], json!({"api_token": reply.json["id"]}));
    }

    async fn ninety_days_and_all_that_the_user_may_unless_said_otherwise(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        for body in [json!({"name": "x"}), json!({
            "name": "x", "description": null, "expires_in_days": null, "scopes": null, "password": null, "email": null,
        })] {
            let made = api_token(&ada, &body).await;
            assert_eq!(made["expires_at"], "2026-04-01T00:00:00Z");
            assert_eq!((&made["scopes"], &made["description"]), (&json!(null), &json!(null)));
        }
        for (days, end) in [(1, "2026-01-02T00:00:00Z"), (365, "2027-01-01T00:00:00Z")] {
            let made = api_token(&ada, &json!({"name": "x", "expires_in_days": days})).await;
            assert_eq!(made["expires_at"], end);
        }
    }

    async fn it_opens_what_its_user_may_open_on_every_node(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let made = api_token(&ada, &json!({"name": "x"})).await;
        let token = made["token"].as_str().unwrap();
        for node in [&app, &other] {
            for scheme in ["Bearer", "bearer", "Token", "TOKEN"] {
                let script = node.anon().with_header("authorization", &format!("{scheme} {token}"));
                let me = script.get("/auth/me").await;
                private(&me, 200);
                assert_eq!(me.json["id"].as_str(), ada.user.as_deref());
            }
        }
        let patched = holder(&app, &made).patch("/auth/me", &json!({"job_title": "engineer"})).await;
        private(&patched, 200);
    }

    async fn twenty_live_ones_and_no_more(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let mut first = None;
        for _ in 0..19 {
            first = Some(api_token(&ada, &json!({"name": "x", "expires_in_days": 1})).await);
        }
        let nodes = [ada.clone(), ada.at(&other)];
        let asked = (0..30).map(|at| {
            let ada = nodes[at % 2].clone();
            tokio::spawn(async move { ada.post("/auth/tokens", &json!({"name": "x"})).await })
        });
        let mut made = 0;
        for asked in asked.collect::<Vec<_>>() {
            let reply = asked.await.unwrap();
            if reply.status == 201 { made += 1 } else { refused(&reply, 409, "too_many_tokens") }
        }
        assert_eq!(made, 1);
        api_token(&bob, &json!({"name": "x"})).await;
        let path = format!("/auth/tokens/{}", first.unwrap()["id"].as_str().unwrap());
        private(&ada.delete(&path).await, 204);
        api_token(&ada, &json!({"name": "x"})).await;
        refused(&ada.post("/auth/tokens", &json!({"name": "x"})).await, 409, "too_many_tokens");
        app.clock.advance(std::time::Duration::from_hours(24));
        let ada = app.sign_in("ada").await;
        for _ in 0..18 {
            api_token(&ada, &json!({"name": "expired ones leave room"})).await;
        }
        refused(&ada.post("/auth/tokens", &json!({"name": "x"})).await, 409, "too_many_tokens");
    }
}

#[tokio::test]
async fn every_field_wrong_in_every_way() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let send = async |field: &str, text: &str| {
        let name = if field == "name" { "" } else { ",\"name\":\"x\"" };
        let body = format!("{{\"{field}\":{text}{name}}}");
        ada.send_bytes(http::Method::POST, "/auth/tokens", "application/json", body.into()).await
    };
    let quoted = |text: &str| format!("\"{text}\"");
    let (hundred, long) = ("\u{fc}".repeat(100), "\u{fc}".repeat(500));
    for (field, text) in [
        ("name", quoted(&hundred)),
        ("description", quoted(&long)),
        ("description", quoted("")),
        ("scopes", "[]".into()),
        ("scopes", format!("[{}]", quoted(&"x".repeat(100)))),
        ("unknown", "1".into()),
    ] {
        assert_eq!(send(field, &text).await.status, 201, "{field}");
    }
    for (field, text, code) in [
        ("name", quoted(""), "blank"),
        ("name", quoted(" \\t "), "blank"),
        ("name", quoted(&format!("{hundred}x")), "too_long"),
        ("name", quoted("a\\nb"), "control_character"),
        ("name", quoted("a\\u001bb"), "control_character"),
        ("name", "null".into(), "wrong_type"),
        ("description", quoted(&format!("{long}x")), "too_long"),
        ("description", quoted("a\\u0007b"), "control_character"),
        ("expires_in_days", "0".into(), "out_of_range"),
        ("expires_in_days", "-1".into(), "out_of_range"),
        ("expires_in_days", "366".into(), "out_of_range"),
        ("expires_in_days", "9223372036854775807".into(), "out_of_range"),
        ("expires_in_days", "-9223372036854775808".into(), "out_of_range"),
        ("expires_in_days", "18446744073709551615".into(), "invalid_value"),
        ("expires_in_days", "1.5".into(), "wrong_type"),
        ("expires_in_days", "1e2".into(), "wrong_type"),
        ("expires_in_days", "true".into(), "wrong_type"),
        ("expires_in_days", "[]".into(), "wrong_type"),
        ("expires_in_days", quoted("90"), "wrong_type"),
        ("expires_in_days", quoted(""), "wrong_type"),
        ("scopes", quoted("read"), "wrong_type"),
        ("scopes", "{}".into(), "wrong_type"),
        ("scopes", "[\"a b\"]".into(), "invalid"),
        ("scopes", "[\"\"]".into(), "invalid"),
        ("scopes", "[\"\u{fc}\"]".into(), "invalid"),
        ("scopes", format!("[{}]", quoted(&"x".repeat(101))), "invalid"),
        ("scopes", format!("[{}\"a\"]", "\"a\",".repeat(50)), "too_many"),
    ] {
        invalid(&send(field, &text).await, &[(field, code)]);
    }
    for (text, field) in [("[1]", "scopes[0]"), ("[\"a\",null]", "scopes[1]")] {
        invalid(&send("scopes", text).await, &[(field, "wrong_type")]);
    }
    for text in ["1e400", "-1e400", "NaN", "0x10", "090"] {
        refused(&send("expires_in_days", text).await, 400, "malformed_json");
    }
    let all = json!({"name": "", "description": "\u{7}", "expires_in_days": 0, "scopes": [""]});
    let fields = [
        ("name", "blank"),
        ("description", "control_character"),
        ("scopes", "invalid"),
        ("expires_in_days", "out_of_range"),
    ];
    invalid(&ada.post("/auth/tokens", &all).await, &fields);
}

#[tokio::test]
async fn the_operator_sets_how_many_and_for_how_long() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.settings.api_tokens.per_user = 1;
        setup.settings.api_tokens.default_days = 7;
        setup.settings.api_tokens.max_days = 30;
    })
    .await;
    let ada = app.sign_up("ada").await;
    invalid(
        &ada.post("/auth/tokens", &json!({"name": "x", "expires_in_days": 31})).await,
        &[("expires_in_days", "out_of_range")],
    );
    assert_eq!(api_token(&ada, &json!({"name": "x"})).await["expires_at"], "2026-01-08T00:00:00Z");
    refused(&ada.post("/auth/tokens", &json!({"name": "x"})).await, 409, "too_many_tokens");
}

#[tokio::test]
async fn without_proof_there_is_none() {
    let app = TestApp::new(Backend::Sqlite).await;
    let body = json!({"name": "x"});
    refused(&app.anon().post("/auth/tokens", &body).await, 401, "missing_token");
    refused(&app.anon().bearing(Some("garbage")).post("/auth/tokens", &body).await, 401, "invalid_token");
    let named = json!({"name": "x", "email": "ada@example.org"});
    refused(&app.anon().post("/auth/tokens", &named).await, 401, "missing_token");
}

#[tokio::test]
async fn a_scanner_is_told_what_to_look_for() {
    let app = TestApp::new(Backend::Sqlite).await;
    let reply = app.anon().get("/auth/tokens/secret-scanning-pattern").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=86400"));
    assert_eq!(reply.json["pattern"], "pct_[0-9A-Za-z]{50}");
    assert_eq!((&reply.json["prefix"], &reply.json["checksum"]), (&json!("pct_"), &json!("crc32-base62")));
}
