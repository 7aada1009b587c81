//! An issuer on a loopback port, with tokens made by hand, and a clock that tests move.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

pub mod issuer;
pub mod service;
pub mod signer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis_verify::{Builder, Clock, Verifier};

#[allow(unused_imports, reason = "as above")]
pub use self::{issuer::FakeIssuer, signer::with};

pub const START: i64 = 1_800_000_000;

/// Stands still until it is moved.
#[derive(Clone, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn unix_seconds(&self) -> i64 {
        START + self.0.load(Ordering::SeqCst) as i64
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A builder for the issuer with the clock; audience and issuer are the same.
pub fn builder(issuer: &FakeIssuer, clock: &TestClock) -> Builder {
    Verifier::builder(issuer.url()).audience(issuer.url()).clock(clock.clone())
}

/// An issuer, a clock, and a verifier that knows its keys and revocations.
pub async fn setting() -> (FakeIssuer, TestClock, Verifier) {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    let verifier = builder(&issuer, &clock).discover().await.expect("the issuer is up");
    (issuer, clock, verifier)
}
