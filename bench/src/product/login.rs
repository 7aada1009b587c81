//! Sign-in, alone and as a flood beside refreshes.

use std::time::Duration;

use anyhow::Result;

use super::callers::{Login, Refresher};
use super::tokens::Target;
use super::{Session, Side};
use crate::driver::{Pace, Window, load, measure, runtime};
use crate::options::{CALLERS, Options};
use crate::parts::crypto;
use crate::stats::{Run, Runs, Tally, spread};

/// Refreshes a second beside the flood.
const OPEN_RATE: usize = 200;
/// Sessions that take turns in it: each refreshes every two seconds.
pub(crate) const OPEN_SESSIONS: usize = 400;

/// Sign-ins in turn with password hashes, by the library alone.
pub(crate) struct Logins {
    pub(crate) runs: Runs,
    /// A second; one more than there are runs.
    pub(crate) hashes: Vec<f64>,
}

impl Logins {
    /// Sign-ins for a hash: each run against the hashes right before and right after it, as the speed of a
    /// machine that is shared drifts. The median.
    pub(crate) fn ratio(&self) -> f64 {
        let around = self.hashes.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
        let ratios: Vec<f64> =
            self.runs.0.iter().zip(around).map(|(run, hashes)| run.rate / hashes).collect();
        spread(&ratios).1
    }
}

/// 64 users who sign in again and again, on devices that are known.
pub(crate) fn login(target: Target, sessions: &[Session], options: &Options) -> Result<Logins> {
    let mut side = Side::new(Login::all(target.address, sessions, 0), target.watched);
    let mut hashes = vec![crypto::argon2id_window(options)?];
    for _ in 0..options.repeats() {
        runtime()?.block_on(side.once(options));
        hashes.push(crypto::argon2id_window(options)?);
    }
    Ok(Logins { runs: side.runs, hashes })
}

/// Refreshes in open loop, first alone, then beside the flood.
pub(crate) struct Flood {
    pub(crate) idle: Run,
    pub(crate) flooded: Run,
    pub(crate) logins: Tally,
    /// Length of a window in seconds.
    pub(crate) seconds: f64,
}

/// `sessions`: the first 64 flood (every second one as a stranger, so that both lanes of the hashing queue are
/// full), the other [`OPEN_SESSIONS`] refresh.
pub(crate) fn flood(target: Target, mut sessions: Vec<Session>, options: &Options) -> Result<Flood> {
    let others = sessions.split_off(CALLERS.min(sessions.len()));
    let refreshers = Refresher::deal(target.address, others, OPEN_SESSIONS);
    let period = Duration::from_secs_f64(refreshers.len() as f64 / OPEN_RATE as f64);
    // One long window: a p99 needs many calls. Beforehand everybody has called once.
    let window = || Window::of(options.warm_up() + period, options.window() * 2 * options.repeats() as u32);
    runtime()?.block_on(async {
        let pace = Pace::Every(period);
        let (refreshers, idle) = measure(refreshers, pace, window(), target.watched).await;
        let (window, flooders) = (window(), Login::all(target.address, &sessions, 2));
        let ((_, flooded), (_, logins)) = tokio::join!(
            measure(refreshers, pace, window, target.watched),
            load(flooders, Pace::Closed, window)
        );
        Ok(Flood { idle, flooded, logins, seconds: window.seconds() })
    })
}
