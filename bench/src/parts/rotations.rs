//! The database alone, through the product's own statement and writer.

use std::sync::Arc;

use anyhow::Result;
use portcullis_core::session::Carrier;
use portcullis_store::{Rotate, Store};

use super::seed::{LATER, NOW, SECRET_HASH, session_id};
use crate::driver::{Caller, Pace, Window, measure};
use crate::options::{CALLERS, Options};
use crate::proc::Watched;
use crate::stats::{NO_ANSWER, Runs, Verdict};

/// Rotates its own share of the sessions in turn.
struct Rotator {
    store: Arc<Store>,
    /// Number and generation.
    sessions: Vec<(usize, i64)>,
    next: usize,
}

impl Caller for Rotator {
    async fn call(&mut self) -> Verdict {
        let at = self.next;
        self.next = (at + 1) % self.sessions.len();
        let (number, generation) = &mut self.sessions[at];
        let rotated = self.store.rotate(Rotate {
            session: session_id(*number),
            generation: *generation,
            secret_hash: SECRET_HASH,
            key_id: 1,
            now: NOW.micros(),
            idle_ends_at: LATER.micros(),
            address: "127.0.0.1".to_owned(),
            device: "portcullis-bench".to_owned(),
            carrier: Carrier::Body,
            most: i64::MAX,
        });
        if let Ok(Some(_)) = rotated.await {
            *generation += 1;
            Verdict::Done
        } else {
            Verdict::Failed(NO_ANSWER)
        }
    }
}

/// What the database alone does.
pub(crate) struct Alone {
    /// With 64 callers, whose rotations are folded.
    pub(crate) folded: Runs,
    /// With one caller, who waits for each of them.
    pub(crate) one_by_one: Runs,
}

/// Measures on `url`, a database of its own; the store runs on two threads of this process, as in the product.
pub(crate) fn measure_alone(url: &str, database: Option<u32>, options: &Options) -> Result<Alone> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let watched = Watched { server: Some(std::process::id()), database };
    runtime.block_on(async {
        let store = super::seed::store(url, options.sessions()).await?;
        let mut all: Vec<(usize, i64)> = (0..options.sessions()).map(|number| (number, 1)).collect();
        let share = all.len().div_ceil(CALLERS);
        let mut callers: Vec<Rotator> = all
            .chunks(share)
            .map(|sessions| Rotator { store: store.clone(), sessions: sessions.to_vec(), next: 0 })
            .collect();
        let mut folded = Runs::default();
        for _ in 0..options.repeats() {
            let (back, run) = measure(callers, Pace::Closed, Window::next(options), watched).await;
            callers = back;
            folded.0.push(run);
        }
        all = callers.into_iter().flat_map(|caller| caller.sessions).collect();
        let mut caller = vec![Rotator { store, sessions: all, next: 0 }];
        let mut one_by_one = Runs::default();
        for _ in 0..options.repeats() {
            let (back, run) = measure(caller, Pace::Closed, Window::next(options), watched).await;
            caller = back;
            one_by_one.0.push(run);
        }
        Ok(Alone { folded, one_by_one })
    })
}
