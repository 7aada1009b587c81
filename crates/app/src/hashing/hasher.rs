//! The pool as the use cases see it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use argon2::password_hash::phc::Output;
use portcullis_core::password::Password;
use tokio::sync::oneshot;

use super::error::{HasherStartError, HashingError};
use super::params::HashParams;
use super::queue::{Job, Lane, Queue};
use super::recipe::{Recipe, StoredHash};
use super::worker::{self, Shared};

/// How the pool is set up.
#[derive(Clone, Copy, Debug)]
pub struct HasherConfig {
    /// The cost of new hashes.
    pub params: HashParams,
    /// Threads in total: the number of cores. With more, evaluations push each other's memory out of the caches.
    pub workers: NonZeroUsize,
    /// Longest expected wait that is still taken on (`password.max_queue_wait`).
    pub max_queue_wait: Duration,
}

/// What became of a password that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It is the right one.
    Match {
        /// The stored hash was made with other parameters than the configured ones: [`Hasher::hash`] it anew.
        needs_rehash: bool,
    },
    /// It is a wrong one, or there is no such user.
    Mismatch,
}

/// Hashes passwords on threads of its own. Dropping it ends them after the evaluation they are at.
pub struct Hasher {
    shared: Arc<Shared>,
    params: HashParams,
    /// They end by themselves: a request must not wait for them. Only tests join them.
    pub(super) threads: Vec<JoinHandle<()>>,
}

impl Hasher {
    /// Starts the threads.
    pub fn start(config: HasherConfig) -> Result<Self, HasherStartError> {
        let mut hasher = Self::without_workers(config)?;
        for number in 0..config.workers.get() {
            hasher.threads.push(worker::spawn(&hasher.shared, number)?);
        }
        Ok(hasher)
    }

    pub(super) fn without_workers(config: HasherConfig) -> Result<Self, HasherStartError> {
        let HasherConfig { params, workers, max_queue_wait } = config;
        params.validate()?;
        let shared = Arc::new(Shared::new(Queue::new(params, workers, max_queue_wait)));
        Ok(Self { shared, params, threads: Vec::new() })
    }

    /// Whether `password` is the one that `stored` (a PHC string) was made of. `None`, an unknown user or one without
    /// a password, takes the same work and is a mismatch. When the future is dropped, the job is skipped at its turn;
    /// until then it counts as waiting.
    pub async fn verify(
        &self,
        lane: Lane,
        password: Password,
        stored: Option<&str>,
    ) -> Result<Verified, HashingError> {
        let stored = stored.map(StoredHash::parse).transpose()?;
        let recipe = match &stored {
            Some(stored) => stored.recipe.clone(),
            None => Recipe::new(self.params, [0; 16])?,
        };
        let output = self.evaluate(lane, recipe, password).await?;
        // `Output` compares in constant time.
        Ok(match stored {
            Some(stored) if stored.expected == output => {
                Verified::Match { needs_rehash: stored.recipe.is_outdated(self.params) }
            }
            _ => Verified::Mismatch,
        })
    }

    /// The PHC string to store for a new `password`. `salt`: random, never used before.
    pub async fn hash(&self, lane: Lane, password: Password, salt: [u8; 16]) -> Result<String, HashingError> {
        let recipe = Recipe::new(self.params, salt)?;
        let output = self.evaluate(lane, recipe.clone(), password).await?;
        recipe.phc(output)
    }

    /// How long an evaluation takes these days: what an answer that evaluates nothing should wait to look alike.
    pub fn recent_duration(&self) -> Duration {
        self.shared.queue().average()
    }

    async fn evaluate(&self, lane: Lane, recipe: Recipe, password: Password) -> Result<Output, HashingError> {
        let (reply, answer) = oneshot::channel();
        let admitted = self.shared.queue().push(lane, Job { recipe, password, reply });
        if let Err(error) = admitted {
            if matches!(error, HashingError::Busy { .. }) {
                metrics::counter!("portcullis_password_busy_total", "lane" => lane.label()).increment(1);
            }
            return Err(error);
        }
        worker::waiting(lane).increment(1);
        self.shared.wake();
        answer.await.unwrap_or(Err(HashingError::Stopped))
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.shared.stop();
    }
}
