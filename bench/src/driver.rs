//! Loads a server from one thread, and takes the time.

use std::time::Duration;

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::options::Options;
use crate::proc::{Reading, Watched};
use crate::stats::{Run, Tally, Verdict};

/// Somebody who calls the server, one call at a time.
pub(crate) trait Caller: Send + 'static {
    /// One call, from its sending to its answer.
    fn call(&mut self) -> impl Future<Output = Verdict> + Send;
}

/// When a caller calls again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As soon as it has its answer.
    Closed,
    /// Once a period, whatever the server does; the callers' starts are spread over one period.
    Every(Duration),
}

/// When calls count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

/// The timer's grain. A call sent so little after its time counts from when it was sent, a later one from its
/// time: then the wait for an overdue answer before it is part of its latency.
const GRAIN: Duration = Duration::from_millis(2);

/// The runtime that drives: one thread.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

impl Window {
    /// The next one: `warm_up` from now on.
    pub(crate) fn next(options: &Options) -> Self {
        Self::of(options.warm_up(), options.window())
    }

    pub(crate) fn of(warm_up: Duration, length: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, until: from + length }
    }

    pub(crate) fn seconds(self) -> f64 {
        (self.until - self.from).as_secs_f64()
    }

    /// Waits for both ends and reads CPU times there.
    async fn watch(self, watched: Watched) -> (Reading, Reading) {
        sleep_until(self.from).await;
        let before = watched.read();
        sleep_until(self.until).await;
        (before, watched.read())
    }
}

/// One window of load. The callers come back, as they hold the tokens that were issued last.
pub(crate) async fn load<C: Caller>(callers: Vec<C>, pace: Pace, window: Window) -> (Vec<C>, Tally) {
    let mut tasks = JoinSet::new();
    let (start, count) = (Instant::now(), callers.len().max(1) as u32);
    for (index, caller) in callers.into_iter().enumerate() {
        let first = match pace {
            Pace::Closed => start,
            Pace::Every(period) => start + period * (index as u32) / count,
        };
        tasks.spawn(call_until_end(caller, pace, first, window));
    }
    let (mut callers, mut tally) = (Vec::with_capacity(count as usize), Tally::default());
    while let Some(joined) = tasks.join_next().await {
        let (caller, own) = joined.expect("a caller does not panic");
        callers.push(caller);
        tally.add(own);
    }
    (callers, tally)
}

async fn call_until_end<C: Caller>(
    mut caller: C,
    pace: Pace,
    mut due: Instant,
    window: Window,
) -> (C, Tally) {
    let mut tally = Tally::default();
    loop {
        if let Pace::Every(_) = pace {
            sleep_until(due.min(window.until)).await;
        }
        let sent = Instant::now();
        if sent >= window.until {
            return (caller, tally);
        }
        let since = match pace {
            Pace::Every(period) => {
                let since = if sent - due > GRAIN { due } else { sent };
                due += period;
                since
            }
            Pace::Closed => sent,
        };
        let verdict = caller.call().await;
        let done = Instant::now();
        if done >= window.from && done < window.until {
            tally.note(verdict, done - since);
        }
    }
}

/// One window of load, with rates and CPU per call.
pub(crate) async fn measure<C: Caller>(
    callers: Vec<C>,
    pace: Pace,
    window: Window,
    watched: Watched,
) -> (Vec<C>, Run) {
    let ((callers, mut tally), (before, after)) =
        tokio::join!(load(callers, pace, window), window.watch(watched));
    let calls = tally.done().max(1) as f64;
    let per_call =
        |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() * 1e6 / calls;
    let run = Run {
        rate: tally.done() as f64 / window.seconds(),
        latency: tally.latency(),
        busy: tally.busy,
        failed: tally.failed,
        server_cpu: per_call(before.server, after.server),
        database_cpu: per_call(before.database, after.database),
        driver_cpu: per_call(before.driver, after.driver),
        foreign: after.foreign_since(&before).as_secs_f64() / window.seconds(),
    };
    (callers, run)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers at once, but for its first call, which takes long.
    struct SlowStart(u32);

    impl Caller for SlowStart {
        async fn call(&mut self) -> Verdict {
            self.0 += 1;
            if self.0 == 1 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Verdict::Done
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_held_up_by_an_overdue_answer_count_from_their_time() {
        let window = Window::of(Duration::ZERO, Duration::from_secs(1));
        let pace = Pace::Every(Duration::from_millis(10));
        let (callers, mut tally) = load(vec![SlowStart(0)], pace, window).await;
        assert_eq!(callers[0].0, 100, "one each 10 ms in spite of the slow one");
        let latency = tally.latency();
        assert!(latency.worst >= 100.0 && latency.p99 >= 90.0, "{latency:?}");
        assert!(latency.median < 1.0, "{latency:?}");
    }
}
