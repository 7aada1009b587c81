//! A notes service that accepts the tokens of a Portcullis server. The whole of it is [`router`] and its handlers;
//! `main.rs` reads the environment.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::sse::{Event, Sse},
    routing::get,
};
use futures_util::{Stream, StreamExt as _, stream};
use portcullis_verify::{Claims, RequireRole, RequireScope, Verifier};
use serde::{Deserialize, Serialize};

/// What the handlers share.
#[derive(Clone)]
struct Notes {
    verifier: Verifier,
    /// By user id.
    by_user: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who the service thinks you are.
#[derive(Serialize)]
struct Me {
    user: String,
    role: String,
    account: Option<String>,
    /// Who really acts: an administrator, or the owner of a bot.
    actor: Option<String>,
    read_only: bool,
}

#[derive(Deserialize, Serialize)]
struct Note {
    text: String,
}

/// The routes. What is refused never reaches a handler.
#[expect(clippy::disallowed_methods, reason = "the table of routes is the server's; a service has its own")]
pub fn router(verifier: &Verifier) -> Router {
    let notes = Notes { verifier: verifier.clone(), by_user: Arc::default() };
    let signed_in = Router::new()
        .route("/me", get(me))
        // A read-only session may look and not write: the layer sees to that.
        .route("/notes", get(list).post(add).route_layer(RequireScope::new("notes")))
        .route("/stats", get(stats).route_layer(RequireRole::new("admin")))
        .route("/ticks", get(ticks))
        .layer(verifier.layer());
    let public = Router::new().route("/", get(home)).layer(verifier.optional_layer());
    signed_in.merge(public).with_state(notes)
}

/// For everyone; with a token it greets.
async fn home(claims: Option<Claims>) -> String {
    claims.map_or("Hello. Sign in to keep notes.\n".to_owned(), |claims| {
        format!("Hello {}.\n", claims.user_id())
    })
}

async fn me(claims: Claims) -> Json<Me> {
    Json(Me {
        user: claims.user_id().to_owned(),
        role: claims.role().to_owned(),
        account: claims.account().map(str::to_owned),
        actor: claims.actor().map(str::to_owned),
        read_only: claims.is_read_only(),
    })
}

async fn list(State(notes): State<Notes>, claims: Claims) -> Json<Vec<String>> {
    Json(notes.lock().get(claims.user_id()).cloned().unwrap_or_default())
}

async fn add(State(notes): State<Notes>, claims: Claims, Json(note): Json<Note>) -> StatusCode {
    notes.lock().entry(claims.user_id().to_owned()).or_default().push(note.text);
    StatusCode::CREATED
}

/// For administrators: how many users keep notes.
async fn stats(State(notes): State<Notes>) -> String {
    format!("{}\n", notes.lock().len())
}

/// A response without an end, but that of its caller's session: it closes within a second of sign-out.
async fn ticks(
    State(notes): State<Notes>,
    claims: Claims,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let every = tokio::time::interval(Duration::from_secs(1));
    let ticks = stream::unfold((every, 0_u64), |(mut every, count)| async move {
        every.tick().await;
        Some((Ok(Event::default().data(count.to_string())), (every, count + 1)))
    });
    Sse::new(ticks.take_until(notes.verifier.watch(&claims)))
}
