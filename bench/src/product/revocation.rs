//! From the end of a session to its refusal by a service that uses the verify crate.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_verify::Verifier;
use tokio::time::Instant;

use super::{Server, Session, register};
use crate::client::{self, Client};
use crate::options::Options;

/// The product's default issuer; it listens elsewhere here.
const ISSUER: &str = "http://localhost:8400";
/// Sessions that end, one after the other.
const ROUNDS: usize = 200;
/// Longest that is waited.
const PATIENCE: Duration = Duration::from_secs(10);

/// Milliseconds from the answer to a sign-out until the service refuses the session's access token.
pub(crate) async fn propagation(server: &Server, options: &Options) -> Result<Vec<f64>> {
    let verifier = Verifier::builder(ISSUER)
        .audience(ISSUER)
        .reach_at(format!("http://{}", server.address))
        .discover()
        .await
        .context("the verifier starts")?;
    let rounds = if options.quick { ROUNDS / 10 } else { ROUNDS };
    // Numbers that nobody else has registered.
    let sessions = register(server.address, 1_000_000..1_000_000 + rounds).await?;
    let mut client = Client::new(server.address);
    let mut millis = Vec::with_capacity(rounds);
    for session in &sessions {
        millis.push(end(&verifier, &mut client, session).await?);
    }
    Ok(millis)
}

async fn end(verifier: &Verifier, client: &mut Client, session: &Session) -> Result<f64> {
    let token = std::str::from_utf8(&session.access)?;
    verifier.verify(token).await.map_err(|error| anyhow::anyhow!("a good token is refused: {error}"))?;
    let reply = client.send(&client::post_as("/auth/logout", &session.bearer(), b"")).await?;
    ensure!(reply.status == 204, "POST /auth/logout: {}", reply.status);
    let ended = Instant::now();
    while verifier.verify(token).await.is_ok() {
        ensure!(ended.elapsed() < PATIENCE, "the token of an ended session is still accepted");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    Ok(ended.elapsed().as_secs_f64() * 1_000.0)
}
