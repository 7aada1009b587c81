//! Following the revocations: ask, wait up to 25 seconds for news, ask again from where the answer ended.
//!
//! 1. Without a cursor: the whole list at once, in parts if it is long (`more`).
//! 2. With one: the issuer answers as soon as there is something new, or when the wait is over.
//! 3. An issuer where too many wait answers at once and says when to come back (`Retry-After`).
//! 4. An answer that leads no further, whatever it holds, is asked for again after a pause.
//! 5. A failure: the same again after a pause that doubles; from the start, if the cursor may be what is wrong.

use std::time::Duration;

use http::header::RETRY_AFTER;
use tokio::sync::watch;

use crate::{
    FetchError,
    backoff::{Backoff, jitter},
    core::{Core, OnStale},
    fetch::Limits,
    metrics::Fetch,
    revocations::Document,
    url,
};

const MOST_BYTES: usize = 8 * 1024 * 1024;
const MOST_CURSOR: usize = 1024;
const LONGEST_WAIT: Duration = Duration::from_secs(25);
/// What an answer may take beyond the wait.
const MARGIN: Duration = Duration::from_secs(5);
/// Whatever the issuer answers, it is asked no more often than this without need.
const LEAST_ROUND: Duration = Duration::from_millis(500);
/// The longest that an answer can keep us from asking again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How the last round ended: none before the first, then whether it was answered.
pub(crate) type Round = Option<bool>;

/// Never ends.
pub(crate) async fn follow(core: &Core, rounds: &watch::Sender<Round>) {
    // The keeper of the keys fetches the metadata, and once is enough.
    core.keys.first().await;
    let wait = longest_wait(core.on_stale);
    let mut backoff = Backoff::new((wait / 2).max(Duration::from_secs(1)));
    let mut cursor: Option<String> = None;
    loop {
        let asked = core.context.clock.elapsed();
        match ask(core, cursor.as_deref(), wait).await {
            Ok((document, later)) => {
                backoff.reset();
                let quick = core.context.clock.elapsed().saturating_sub(asked) < LEAST_ROUND;
                let leads_on = cursor.as_ref() != Some(&document.cursor) && !document.sessions.is_empty();
                let idle = quick && cursor.is_some() && !leads_on;
                let all = !document.more;
                cursor = Some(document.cursor.clone());
                let now = core.context.clock.unix_seconds();
                let remembered = core.revocations.apply(document, now, core.context.clock.elapsed());
                core.context.metrics.revocations(remembered);
                if all {
                    rounds.send_replace(Some(true));
                }
                if let Some(pause) = later.or(idle.then_some(LEAST_ROUND)) {
                    tokio::time::sleep(pause.mul_f64(jitter(0.5))).await;
                }
            }
            Err(failure) => {
                let pause = backoff.next();
                tracing::warn!(
                    issuer = %core.checks.issuer,
                    reason = %failure,
                    pause_ms = pause.as_millis() as u64,
                    "the revocations cannot be followed"
                );
                if failure.may_be_the_cursors() {
                    cursor = None;
                    core.issuer.doubt();
                }
                rounds.send_replace(Some(false));
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Who refuses tokens without news must get some well before that.
fn longest_wait(on_stale: OnStale) -> Duration {
    match on_stale {
        OnStale::Accept => LONGEST_WAIT,
        OnStale::Refuse { after } => (after / 3).clamp(Duration::from_secs(1), LONGEST_WAIT),
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the issuer's metadata: {0}")]
    Metadata(#[from] crate::MetadataError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("not a list of revocations: {0}")]
    Malformed(String),
}

impl Failure {
    fn may_be_the_cursors(&self) -> bool {
        match self {
            Self::Metadata(_) => false,
            Self::Fetch(error) => matches!(error, FetchError::Status(400..500) | FetchError::TooLarge),
            Self::Malformed(_) => true,
        }
    }
}

/// The answer, and when the issuer wants to be asked again if that is not at once.
async fn ask(
    core: &Core,
    cursor: Option<&str>,
    wait: Duration,
) -> Result<(Document, Option<Duration>), Failure> {
    let metadata = match core.issuer.metadata() {
        Some(metadata) => metadata,
        None => core.issuer.current(&core.context).await?,
    };
    let separator = if metadata.revocations.contains('?') { '&' } else { '?' };
    let (query, wait) = match cursor {
        None => ("wait=0".to_owned(), Duration::ZERO),
        Some(cursor) => (format!("after={}&wait={}", url::encode(cursor), wait.as_secs()), wait),
    };
    let url = format!("{}{separator}{query}", metadata.revocations);
    let limits = Limits { bytes: MOST_BYTES, time: wait + MARGIN };
    let (headers, body) =
        core.context.timed(Fetch::Revocations, core.context.fetcher.get(&url, limits)).await?;
    let document: Document =
        serde_json::from_slice(&body).map_err(|error| Failure::Malformed(error.to_string()))?;
    if document.cursor.len() > MOST_CURSOR {
        return Err(Failure::Malformed("the cursor is too long".to_owned()));
    }
    let later = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Ok((document, later.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_come_well_before_tokens_would_be_refused() {
        for (after, wait) in [(5, 1), (15, 5), (60, 20), (600, 25)] {
            let on_stale = OnStale::Refuse { after: Duration::from_secs(after) };
            assert_eq!(longest_wait(on_stale).as_secs(), wait, "{after}");
            assert!(longest_wait(on_stale) * 2 < Duration::from_secs(after));
        }
        assert_eq!(longest_wait(OnStale::Accept), LONGEST_WAIT);
    }
}
