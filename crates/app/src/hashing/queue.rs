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

/// Whose request it is. Each lane has a waiting line of its own.
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

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Known => Self::Stranger,
            Self::Stranger => Self::Known,
        }
    }
}

/// While at least this many wait, as many answers go out together. An evaluation leaves nothing else in the caches; what
/// comes after it (the session, its token, the answer) would find them cold each time, and wakes others each time.
pub(super) const TOGETHER: usize = 8;

/// One evaluation that somebody waits for.
pub(super) struct Job {
    pub(super) recipe: Recipe,
    pub(super) password: Password,
    pub(super) reply: oneshot::Sender<Result<Output, HashingError>>,
}

/// What has become of a job, and who is to be told.
pub(super) struct Answer {
    pub(super) result: Result<Output, HashingError>,
    pub(super) reply: oneshot::Sender<Result<Output, HashingError>>,
}

/// The lines of both lanes and what they need to tell how long a wait will be. Small steps without I/O: it stands
/// behind a lock that low-priority threads take too.
pub(super) struct Queue {
    known: VecDeque<Job>,
    stranger: VecDeque<Job>,
    /// Whose turn it is when both wait.
    next: Lane,
    /// Jobs of either lane that a worker has taken.
    running: u32,
    /// Answers that wait for company: never without a job that waits or runs.
    answers: Vec<Answer>,
    workers: u32,
    max_wait: Duration,
    average: Average,
    stopped: bool,
}

impl Queue {
    /// `workers`: in total.
    pub(super) fn new(params: HashParams, workers: NonZeroUsize, max_wait: Duration) -> Self {
        Self {
            known: VecDeque::new(),
            stranger: VecDeque::new(),
            next: Lane::Known,
            running: 0,
            answers: Vec::new(),
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
        self.line(lane).push_back(job);
        Ok(())
    }

    /// The next job, with the lane it came from, counted as running. The lanes take turns while both wait: each is sure
    /// of half of the workers' time, and what one leaves the other gets.
    pub(super) fn take(&mut self) -> Option<(Lane, Job)> {
        let (lane, job) = [self.next, self.next.other()]
            .into_iter()
            .find_map(|lane| self.line(lane).pop_front().map(|job| (lane, job)))?;
        self.next = lane.other();
        self.running += 1;
        Some((lane, job))
    }

    /// A job of `lane` is done in `took`. The answers that go out now.
    pub(super) fn finish(&mut self, lane: Lane, took: Duration, answer: Answer) -> Vec<Answer> {
        if answer.result.is_ok() {
            self.average = self.average.with(took);
        } else {
            self.next = lane;
        }
        self.answers.push(answer);
        self.let_go()
    }

    /// A job of `lane` was not evaluated. It gives its turn back: callers that went away must not cost their lane its
    /// half. The answers that go out now.
    pub(super) fn skip(&mut self, lane: Lane) -> Vec<Answer> {
        self.next = lane;
        self.let_go()
    }

    fn let_go(&mut self) -> Vec<Answer> {
        self.running -= 1;
        let waiting = self.known.len() + self.stranger.len();
        if waiting < TOGETHER || self.answers.len() >= TOGETHER {
            return std::mem::take(&mut self.answers);
        }
        Vec::new()
    }

    /// Takes in nothing more. Hands out what was waiting, to be dropped outside of the lock, and the answers there are.
    pub(super) fn stop(&mut self) -> ([VecDeque<Job>; 2], Vec<Answer>) {
        self.stopped = true;
        ([&mut self.known, &mut self.stranger].map(std::mem::take), std::mem::take(&mut self.answers))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// How long an evaluation takes these days.
    pub(super) fn average(&self) -> Duration {
        self.average.duration()
    }

    /// How long one more job of `lane` would wait for a worker: for as many evaluations as wait before it, and one that
    /// runs, by its share of the workers. That is all of them, or half while the other lane waits too.
    fn expected_wait(&mut self, lane: Lane) -> Duration {
        let ahead = u32::try_from(self.line(lane).len()).unwrap_or(u32::MAX);
        if self.running.saturating_add(ahead) < self.workers {
            return Duration::ZERO;
        }
        let lanes = if self.line(lane.other()).is_empty() { 1 } else { 2 };
        let evaluations = ahead.saturating_add(1).saturating_mul(lanes);
        self.average().saturating_mul(evaluations) / self.workers
    }

    fn line(&mut self, lane: Lane) -> &mut VecDeque<Job> {
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
