//! Every field of every endpoint, wrong in every way: a 4xx problem that names it, never a 5xx.

use portcullis_testkit::{Actor, PASSWORD, Reply, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{invalid, refused};

struct Endpoint {
    method: &'static str,
    path: &'static str,
    /// Fields that may be left out or be `null`.
    optional: &'static [&'static str],
    required: &'static [&'static str],
}

const ENDPOINTS: [Endpoint; 10] = [
    Endpoint {
        method: "POST",
        path: "/auth/register",
        required: &["email", "password"],
        optional: &["name", "username", "delivery"],
    },
    Endpoint {
        method: "POST",
        path: "/auth/login",
        required: &["password"],
        optional: &["email", "username", "login", "delivery", "device_token", "audience", "csrf_token"],
    },
    Endpoint {
        method: "POST",
        path: "/auth/refresh",
        required: &[],
        optional: &["refresh_token", "audience"],
    },
    Endpoint { method: "POST", path: "/auth/logout", required: &[], optional: &["refresh_token"] },
    Endpoint {
        method: "PATCH",
        path: "/auth/me",
        required: &[],
        optional: &["name", "username", "phone", "job_title", "timezone", "locale", "email"],
    },
    Endpoint {
        method: "POST",
        path: "/auth/password/change",
        required: &["current_password", "new_password"],
        optional: &[],
    },
    Endpoint {
        method: "POST",
        path: "/auth/setup",
        required: &["token", "email", "password"],
        optional: &["name", "username", "delivery"],
    },
    Endpoint {
        method: "POST",
        path: "/auth/tokens",
        required: &["name"],
        optional: &["description", "email", "username", "login", "password"],
    },
    Endpoint { method: "POST", path: "/auth/bots", required: &["name"], optional: &[] },
    Endpoint {
        method: "POST",
        path: "/admin/api/users/00000000-0000-7000-8000-000000000000/impersonate",
        required: &["reason"],
        optional: &["mode"],
    },
];

impl Endpoint {
    fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }

    /// A body with something in every required field.
    fn body(&self) -> Value {
        let mut body = json!({});
        for field in self.required {
            body[*field] = match *field {
                "email" => "ada@example.org".into(),
                "password" | "current_password" => PASSWORD.into(),
                _ => "something".into(),
            };
        }
        body
    }

    async fn send(&self, actor: &Actor, body: String) -> Reply {
        let method = self.method.parse().unwrap();
        actor.send_bytes(method, self.path, "application/json", body.into()).await
    }

    /// The body with `field` set to this JSON text, which need not be one that a `Value` can hold.
    fn with(&self, field: &str, text: &str) -> String {
        let mut body = self.body();
        body.as_object_mut().unwrap().remove(field);
        let rest = body.to_string();
        let rest = rest.trim_start_matches('{').trim_end_matches('}');
        let comma = if rest.is_empty() { "" } else { "," };
        format!("{{\"{field}\":{text}{comma}{rest}}}")
    }
}

on_both! {
    async fn wrong_types_are_named(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        for endpoint in &ENDPOINTS {
            for field in endpoint.fields() {
                for text in ["1", "-1.5e300", "true", "[]", "[\"x\"]", "{}", "{\"a\":{}}"] {
                    let reply = endpoint.send(&ada, endpoint.with(field, text)).await;
                    invalid(&reply, &[(field, "wrong_type")]);
                }
                for text in ["1e400", "-1e400", "NaN", "Infinity", "01", "'x'", "\"\\ud800\"", "\"\\x\"", "\"a\nb\"", ""] {
                    let reply = endpoint.send(&ada, endpoint.with(field, text)).await;
                    refused(&reply, 400, "malformed_json");
                }
                let nul = endpoint.send(&ada, endpoint.with(field, "\"a\\u0000b\"")).await;
                invalid(&nul, &[(field, "nul_character")]);
                let twice = endpoint.with(field, &format!("\"a\",\"{field}\":\"a\""));
                refused(&endpoint.send(&ada, twice).await, 400, "malformed_json");
            }
            for field in endpoint.required {
                let mut body = endpoint.body();
                body.as_object_mut().unwrap().remove(*field);
                invalid(&endpoint.send(&ada, body.to_string()).await, &[(field, "required")]);
                let reply = endpoint.send(&ada, endpoint.with(field, "null")).await;
                invalid(&reply, &[(field, "wrong_type")]);
            }
            for body in ["1", "null", "\"x\"", "[]", "true", "[\"a@example.org\",\"seven purple gates\"]"] {
                invalid(&endpoint.send(&ada, body.into()).await, &[("", "wrong_type")]);
            }
        }
    }

    async fn strange_texts_are_taken_or_refused_and_never_a_fault(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let anon = app.anon();
        let (long, longer) = ("x".repeat(10_000), "\u{1f419}".repeat(10_000));
        let marks = format!("a{}", "\u{301}".repeat(3_000));
        let texts = [
            "", " ", "\t\r\n", "\u{1}\u{1f}\u{7f}", "\u{200b}", "\u{202e}evil", "\u{feff}", "\u{fffd}", "\u{ffff}",
            "\u{10ffff}", "\u{e000}", "e\u{301}", "\u{212b}\u{1e9e}\u{130}\u{131}", "\u{fb01}", "\u{5d0}\u{202d}",
            "%00", "%s%n", "' OR 1=1 --", "\\", "\"", "{}", "null", "../../etc", "<script>", "${x}", "a@b",
            "\u{1f468}\u{200d}\u{1f469}", "a\u{0}b".trim_matches('\0'), &long, &longer, &marks,
        ];
        for endpoint in &ENDPOINTS {
            for field in endpoint.fields() {
                for text in texts.iter().filter(|text| !text.contains('\0')) {
                    let actor = if endpoint.path == "/auth/login" { &anon } else { &ada };
                    // A session is not ended on the way: signing out here is by the (bad) refresh token.
                    let reply = endpoint.send(actor, endpoint.with(field, &Value::from(*text).to_string())).await;
                    let what = || format!("{} {field}: {:.40} {}", endpoint.path, text.escape_debug().to_string(), reply.text());
                    assert!(reply.status < 500, "{}", what());
                    if reply.status >= 400 {
                        assert!(!reply.code().is_empty(), "{}", what());
                        refused(&reply, reply.status, reply.code());
                    }
                }
            }
        }
        assert_eq!(ada.get("/auth/me").await.status, 200);
    }
}
