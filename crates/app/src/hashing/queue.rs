//! Who waits, who is refused, who is next.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use argon2::password_hash::phc::Output;
use portcullis_core::password::Password;
use tokio::sync::oneshot;

use super::error::HashingError;
use super::params::HashParams;
use super::recipe::Recipe;

/// Whose request it is. Also names the two kinds of worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A device that has signed in to this account before, or a session.
    Known,
    /// Anyone else.
    Stranger,
}

impl Lane {
    /// As a label of metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Stranger => "stranger",
        }
    }
}

/// One evaluation that somebody waits for.
pub(super) struct Job {
    pub(super) recipe: Recipe,
    pub(super) password: Password,
    pub(super) reply: oneshot::Sender<Result<Output, HashingError>>,
}

/// The queues of both lanes and what they need to tell how long a wait will be. Small steps without I/O: it stands
/// behind a lock that low-priority threads take too.
pub(super) struct Queue {
    known: Line,
    stranger: Line,
    workers: u32,
    max_wait: Duration,
    average: Average,
    stopped: bool,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Job>,
    running: u32,
}

impl Queue {
    /// `workers`: of each lane.
    pub(super) fn new(params: HashParams, workers: NonZeroUsize, max_wait: Duration) -> Self {
        Self {
            known: Line::default(),
            stranger: Line::default(),
            workers: u32::try_from(workers.get()).unwrap_or(u32::MAX),
            max_wait,
            average: Average::Guessed(params.guessed_duration()),
            stopped: false,
        }
    }

    /// Takes `job` in, unless it would wait too long.
    pub(super) fn push(&mut self, lane: Lane, job: Job) -> Result<(), HashingError> {
        if self.stopped {
            return Err(HashingError::Stopped);
        }
        let wait = self.expected_wait(lane);
        if wait > self.max_wait {
            let retry_after = Duration::from_secs(wait.as_secs_f64().ceil().max(1.0) as u64);
            return Err(HashingError::Busy { retry_after });
        }
        self.line(lane).waiting.push_back(job);
        Ok(())
    }

    /// The next job for a worker of `role`, with the lane it came from, counted as running.
    pub(super) fn take(&mut self, role: Lane) -> Option<(Lane, Job)> {
        let order: &[Lane] = match role {
            Lane::Known => &[Lane::Known],
            Lane::Stranger => &[Lane::Stranger, Lane::Known],
        };
        order.iter().find_map(|lane| {
            let line = self.line(*lane);
            let job = line.waiting.pop_front()?;
            line.running += 1;
            Some((*lane, job))
        })
    }

    /// A job of `lane` is done; `took` is absent when it was skipped.
    pub(super) fn finish(&mut self, lane: Lane, took: Option<Duration>) {
        self.line(lane).running -= 1;
        if let Some(took) = took {
            self.average = self.average.with(took);
        }
    }

    /// Takes in nothing more and hands out what was waiting, to be dropped outside of the lock.
    pub(super) fn stop(&mut self) -> [VecDeque<Job>; 2] {
        self.stopped = true;
        [&mut self.known, &mut self.stranger].map(|line| std::mem::take(&mut line.waiting))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// How long an evaluation takes these days.
    pub(super) fn average(&self) -> Duration {
        self.average.duration()
    }

    /// How long one more job of `lane` would wait for a worker. The help of the other lane's workers is not counted:
    /// it may end at any moment.
    fn expected_wait(&mut self, lane: Lane) -> Duration {
        let (workers, average) = (self.workers, self.average());
        let own = self.line(lane);
        let ahead = u32::try_from(own.waiting.len()).unwrap_or(u32::MAX).saturating_add(own.running);
        match ahead.checked_sub(workers) {
            None => Duration::ZERO,
            Some(beyond) => average.saturating_mul(beyond.saturating_add(1)) / workers,
        }
    }

    fn line(&mut self, lane: Lane) -> &mut Line {
        match lane {
            Lane::Known => &mut self.known,
            Lane::Stranger => &mut self.stranger,
        }
    }
}

/// The duration of an evaluation: guessed from the parameters, then a moving average.
#[derive(Clone, Copy)]
enum Average {
    Guessed(Duration),
    Measured(Duration),
}

impl Average {
    const fn duration(self) -> Duration {
        match self {
            Self::Guessed(duration) | Self::Measured(duration) => duration,
        }
    }

    fn with(self, took: Duration) -> Self {
        Self::Measured(match self {
            Self::Guessed(_) => took,
            // A machine that slept in between must not close the queue for long.
            Self::Measured(average) => (average * 7 + took.min(average * 8)) / 8,
        })
    }
}
