//! What the product is made of, each part alone.

pub(crate) mod crypto;
pub(crate) mod pgbench;
pub(crate) mod plain_sqlite;
pub(crate) mod rotations;
pub(crate) mod seed;

use std::time::{Duration, Instant};

/// How often `work` can be done in a second, by this thread, in `length`.
fn per_second(length: Duration, mut work: impl FnMut()) -> f64 {
    let (start, mut count) = (Instant::now(), 0_u32);
    loop {
        work();
        count += 1;
        let spent = start.elapsed();
        if spent >= length {
            return f64::from(count) / spent.as_secs_f64();
        }
    }
}
