//! `/openapi.json`, `/docs`, `/docs/problems`

use portcullis_testkit::{Backend, TestApp};
use serde_json::Value;

use crate::support::common_headers;

#[tokio::test]
async fn the_document_describes_every_operation_and_every_code() {
    let app = TestApp::new(Backend::Sqlite).await;
    let reply = app.anon().get("/openapi.json").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    common_headers(&reply);
    let document = &reply.json;
    assert_eq!((&document["openapi"], &document["info"]["version"]), (&"3.1.0".into(), &"test".into()));
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} says what it does");
            assert!(operation["responses"]["default"].is_object(), "{method} {path} says how errors look");
        }
    }
    let codes =
        document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    assert!(codes.len() > 40 && codes.contains(&Value::from("refresh_reused")));
    for reference in references(document) {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(references)).collect()
        }
        _ => vec![],
    }
}

#[tokio::test]
async fn people_find_every_operation_and_every_code() {
    let app = TestApp::new(Backend::Sqlite).await;
    let document = app.anon().get("/openapi.json").await.json;
    let page = app.anon().get("/docs/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    common_headers(&page);
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.text().contains(&format!("<code>{path}</code>")), "{path}");
    }
    let page = app.anon().get("/docs/problems").await;
    common_headers(&page);
    let codes = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    for code in codes.as_array().unwrap() {
        let anchor = format!("id=\"{}\"", code.as_str().unwrap());
        assert!(page.text().contains(&anchor), "the `type` of a problem leads to {anchor}");
    }
}
