//! A read of the database that anybody may cause: at most once a second, one at a time.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::fault::Fault;

/// How often it may be read.
const AGAIN: Duration = Duration::from_secs(1);

/// Whose turn it is.
#[derive(Default)]
pub(crate) struct Turn(Mutex<Option<Done>>);

/// A read that is done.
struct Done {
    at: Instant,
    /// Why it failed: nobody knows then what there is.
    fault: Option<String>,
}

impl Turn {
    /// Reads, unless that was done within the last second: then what came of it, be it a fault.
    pub(crate) async fn take(&self, read: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
        let mut last = self.0.lock().await;
        if let Some(done) = last.as_ref().filter(|done| done.at.elapsed() < AGAIN) {
            let again = |fault: &String| Err(Fault::StoreUnavailable(fault.clone()));
            return done.fault.as_ref().map_or(Ok(()), again);
        }
        let outcome = read.await;
        // Whoever asks may have gone away before this. Then nothing is known, and the next one reads.
        let fault = outcome.as_ref().err().map(ToString::to_string);
        *last = Some(Done { at: Instant::now(), fault });
        outcome
    }
}
