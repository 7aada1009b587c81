//! The threads that evaluate.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::memory::Memory;
use super::priority;
use super::queue::{Answer, Job, Lane, Queue};

/// How long a worker keeps its memory without work.
const KEEP_MEMORY: Duration = Duration::from_secs(1);

/// What the workers and the hasher share.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    priority_warning: Once,
}

/// What a worker did last.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Evaluated a job.
    Evaluated,
    /// Left out a job whose request had gone away.
    Skipped,
    /// Found nothing to do.
    #[cfg(test)]
    Idle,
}

impl Shared {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue: Mutex::new(queue), work: Condvar::new(), priority_warning: Once::new() }
    }

    /// The queue. A panic elsewhere leaves it whole: every change is one step.
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the workers that there is one more job. Any of them will do: they are all alike.
    pub(super) fn wake(&self) {
        self.work.notify_one();
    }

    /// Ends all workers after the job they are at; whoever waits is told that hashing has stopped.
    pub(super) fn stop(&self) {
        let (abandoned, answers) = self.queue().stop();
        send(answers);
        for (lane, jobs) in [Lane::Known, Lane::Stranger].into_iter().zip(abandoned) {
            waiting(lane).decrement(jobs.len() as f64);
        }
        self.work.notify_all();
    }

    /// One job, if there is one, without waiting: a worker under the control of a test.
    #[cfg(test)]
    pub(super) fn step(&self, memory: &mut Memory) -> Step {
        let taken = self.queue().take();
        taken.map_or(Step::Idle, |(lane, job)| self.run(lane, job, memory))
    }

    fn work(&self) {
        if let Err(error) = priority::lower() {
            self.priority_warning
                .call_once(|| tracing::warn!(%error, "password hashing runs at normal priority"));
        }
        let mut memory = Memory::default();
        while let Some((lane, job)) = self.wait(&mut memory) {
            self.run(lane, job, &mut memory);
        }
    }

    /// Waits for a job; `None` when hashing has stopped.
    fn wait(&self, memory: &mut Memory) -> Option<(Lane, Job)> {
        let mut queue = self.queue();
        loop {
            if queue.is_stopped() {
                return None;
            }
            if let Some(taken) = queue.take() {
                return Some(taken);
            }
            if memory.is_empty() {
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (back, waited) =
                self.work.wait_timeout(queue, KEEP_MEMORY).unwrap_or_else(PoisonError::into_inner);
            queue = back;
            if waited.timed_out() {
                drop(queue);
                memory.release();
                queue = self.queue();
            }
        }
    }

    fn run(&self, lane: Lane, job: Job, memory: &mut Memory) -> Step {
        waiting(lane).decrement(1);
        if job.reply.is_closed() {
            let answers = self.queue().skip(lane);
            send(answers);
            return Step::Skipped;
        }
        let start = Instant::now();
        let result = job.recipe.evaluate(job.password.as_bytes(), memory);
        let took = start.elapsed();
        drop(job.password);
        metrics::histogram!("portcullis_password_hash_seconds").record(took);
        let answers = self.queue().finish(lane, took, Answer { result, reply: job.reply });
        send(answers);
        Step::Evaluated
    }
}

fn send(answers: Vec<Answer>) {
    for Answer { result, reply } in answers {
        // Whoever has gone away meanwhile does not need it.
        let _ = reply.send(result);
    }
}

/// Starts a worker.
pub(super) fn spawn(shared: &Arc<Shared>, number: usize) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name(format!("hash-{number}")).spawn(move || shared.work())
}

/// The gauge of jobs that wait in `lane`.
pub(super) fn waiting(lane: Lane) -> metrics::Gauge {
    metrics::gauge!("portcullis_password_queue", "lane" => lane.label())
}
