//! From calls to figures.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What became of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answered as it should be.
    Done,
    /// Turned away because the server is busy (503).
    Busy,
    /// Anything else: the answer's status (200 if what it should hold was missing), or [`NO_ANSWER`].
    Failed(u16),
}

/// Instead of a status: the connection broke.
pub(crate) const NO_ANSWER: u16 = 0;

/// The calls of one window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Latencies of the calls that were done, in microseconds.
    micros: Vec<u32>,
    pub(crate) busy: u64,
    pub(crate) failed: Failures,
}

/// How often which status came that should not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures(BTreeMap<u16, u64>);

impl Failures {
    pub(crate) fn count(&self) -> u64 {
        self.0.values().sum()
    }

    fn add(&mut self, other: &Self) {
        for (status, count) in &other.0 {
            *self.0.entry(*status).or_default() += count;
        }
    }
}

/// `0`, or as `3 (2 × 503, 1 × no answer)`.
impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.0.iter().map(|(status, count)| match *status {
            NO_ANSWER => format!("{count} × no answer"),
            status => format!("{count} × {status}"),
        });
        let kinds: Vec<_> = kinds.collect();
        if kinds.is_empty() { f.write_str("0") } else { write!(f, "{} ({})", self.count(), kinds.join(", ")) }
    }
}

impl Tally {
    pub(crate) fn note(&mut self, verdict: Verdict, latency: Duration) {
        match verdict {
            Verdict::Done => self.micros.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX)),
            Verdict::Busy => self.busy += 1,
            Verdict::Failed(status) => *self.failed.0.entry(status).or_default() += 1,
        }
    }

    pub(crate) fn add(&mut self, mut other: Self) {
        self.micros.append(&mut other.micros);
        self.busy += other.busy;
        self.failed.add(&other.failed);
    }

    pub(crate) fn done(&self) -> usize {
        self.micros.len()
    }

    pub(crate) fn latency(&mut self) -> Latency {
        self.micros.sort_unstable();
        let at = |part: f64| {
            let rank = (self.micros.len() as f64 * part).ceil() as usize;
            f64::from(self.micros.get(rank.saturating_sub(1)).copied().unwrap_or(0)) / 1_000.0
        };
        let sum: f64 = self.micros.iter().map(|micros| f64::from(*micros)).sum();
        let mean = if self.micros.is_empty() { 0.0 } else { sum / self.micros.len() as f64 / 1_000.0 };
        Latency { mean, median: at(0.5), p99: at(0.99), worst: at(1.0) }
    }
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Latency {
    pub(crate) mean: f64,
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) worst: f64,
}

/// The figures of one window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Calls done per second.
    pub(crate) rate: f64,
    pub(crate) latency: Latency,
    pub(crate) busy: u64,
    pub(crate) failed: Failures,
    /// CPU per call in microseconds: of the server, of its database, of the generator.
    pub(crate) server_cpu: f64,
    pub(crate) database_cpu: f64,
    pub(crate) driver_cpu: f64,
    /// Cores used by everything else on the machine: a run that was disturbed shows here.
    pub(crate) foreign: f64,
}

/// The windows of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(pub(crate) Vec<Run>);

impl Runs {
    /// The window of the median rate; with the errors of all of them.
    pub(crate) fn median(&self) -> Run {
        let mut runs = self.0.clone();
        runs.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let mut run = runs.get(runs.len() / 2).cloned().unwrap_or_default();
        run.busy = runs.iter().map(|run| run.busy).sum();
        run.failed = Failures::default();
        for other in &runs {
            run.failed.add(&other.failed);
        }
        run
    }

    /// Lowest and highest rate.
    pub(crate) fn range(&self) -> (f64, f64) {
        let rates = || self.0.iter().map(|run| run.rate);
        (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max))
    }
}

/// Minimum, median and maximum.
pub(crate) fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Failures, NO_ANSWER, Run, Runs, Tally, Verdict, spread};

    #[test]
    fn percentiles_are_ranks_of_the_calls_that_were_done() {
        let mut tally = Tally::default();
        for millis in (1..=100).rev() {
            tally.note(Verdict::Done, Duration::from_millis(millis));
        }
        tally.note(Verdict::Busy, Duration::from_secs(9));
        tally.note(Verdict::Failed(503), Duration::from_secs(9));
        tally.note(Verdict::Failed(NO_ANSWER), Duration::from_secs(9));
        let latency = tally.latency();
        assert_eq!((tally.done(), tally.busy), (100, 1));
        assert_eq!(tally.failed.to_string(), "2 (1 × no answer, 1 × 503)");
        let found = [latency.median, latency.p99, latency.worst, latency.mean];
        let wanted = [50.0, 99.0, 100.0, 50.5];
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn the_median_run_carries_the_errors_of_all() {
        let failed = |count| Failures((count > 0).then_some((500, count)).into_iter().collect());
        let run = |rate, count| Run { rate, failed: failed(count), ..Run::default() };
        let runs = Runs(vec![run(30.0, 1), run(10.0, 0), run(20.0, 2)]);
        assert!((runs.median().rate - 20.0).abs() < 1e-9);
        assert_eq!(runs.median().failed.to_string(), "3 (3 × 500)");
        assert_eq!(runs.range(), (10.0, 30.0));
    }

    #[test]
    fn nothing_measured_is_no_panic() {
        assert_eq!(Tally::default().latency(), super::Latency::default());
        assert!(spread(&[]).1.is_nan());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (1.0, 2.0, 3.0));
    }
}
