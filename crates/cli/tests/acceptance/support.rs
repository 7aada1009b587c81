//! Signing in and asking, as a client and as a reverse proxy would.

use std::io;

use portcullis_testkit::{Backend, HttpClient, Installation, PASSWORD, Reply};
use serde_json::json;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// What a reverse proxy must show to ask about bearers.
pub(crate) const FORWARD: &str = "between-us-and-the-proxy-for-tests";

/// An installation whose `/auth/verify` answers [`FORWARD`].
pub(crate) fn installation(backend: Backend) -> Installation {
    with_forward(Installation::fresh(BINARY, backend))
}

/// One on a PostgreSQL that the test looks after itself.
pub(crate) fn installation_on(url: &str) -> Installation {
    with_forward(Installation::new(BINARY).postgres(url))
}

fn with_forward(installation: Installation) -> Installation {
    installation.env("PORTCULLIS_FORWARD_AUTH__SECRET", FORWARD)
}

/// What a sign-in gave.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) session: String,
}

impl Tokens {
    #[track_caller]
    pub(crate) fn of(reply: &Reply) -> Self {
        let text = |name: &str| {
            let value = reply.json[name].as_str();
            value.unwrap_or_else(|| panic!("no {name}: {}", reply.text())).to_owned()
        };
        Self { access: text("access_token"), refresh: text("refresh_token"), session: text("session_id") }
    }
}

/// Signs up.
pub(crate) async fn register(client: &mut HttpClient, email: &str) -> Tokens {
    let body = json!({ "email": email, "password": PASSWORD, "delivery": "body" });
    let reply = client.post("/auth/register", &body).await.expect("an answer");
    assert_eq!(reply.status, 201, "{}", reply.text());
    Tokens::of(&reply)
}

/// Signs in.
pub(crate) async fn login(client: &mut HttpClient, email: &str) -> Tokens {
    let reply = try_login(client, email).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    Tokens::of(&reply)
}

pub(crate) async fn try_login(client: &mut HttpClient, email: &str) -> io::Result<Reply> {
    client.post("/auth/login", &json!({ "email": email, "password": PASSWORD })).await
}

pub(crate) async fn refresh(client: &mut HttpClient, token: &str) -> io::Result<Reply> {
    client.post("/auth/refresh", &json!({ "refresh_token": token })).await
}

/// Signs out.
pub(crate) async fn logout(client: &mut HttpClient, token: &str) -> io::Result<Reply> {
    client.post("/auth/logout", &json!({ "refresh_token": token })).await
}

/// Whether a bearer is good: from the claims and from memory.
pub(crate) async fn verify(client: &mut HttpClient, access: &str) -> io::Result<Reply> {
    let bearer = format!("Bearer {access}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("X-Portcullis-Forward", FORWARD),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "app.example"),
        ("X-Forwarded-Uri", "/"),
    ];
    client.send("GET", "/auth/verify", &headers, None).await
}

/// `GET` with a bearer.
pub(crate) async fn get_as(client: &mut HttpClient, path: &str, access: &str) -> io::Result<Reply> {
    let bearer = format!("Bearer {access}");
    client.send("GET", path, &[("Authorization", &bearer)], None).await
}
