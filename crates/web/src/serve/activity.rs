//! What a connection is doing, so that one that does nothing can be closed.
//!
//! One look at this every few seconds takes the place of hyper's timers, which cost every request an allocation
//! and do not cover the time before the first byte, nor HTTP/2.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::Version;
use tokio::time::Instant;

/// What is sent right after connecting is here by then.
const FIRST_WORD: Duration = Duration::from_millis(200);

/// How long a connection may do what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) header: Duration,
    pub(super) keep_alive: Duration,
}

/// What is to be done about a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again after this time.
    Wait(Duration),
    /// It was idle for too long: say good-bye.
    Idle,
    /// Its head does not come to an end: drop it.
    SlowHead,
}

/// Written by the connection and its requests, read by its watchdog. Times are milliseconds since `opened`.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    in_flight: AtomicU32,
    had_request: AtomicBool,
    http2: AtomicBool,
    idle_since: AtomicU64,
    /// First byte after the last request, plus one; 0: none yet.
    head_since: AtomicU64,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            opened: now,
            in_flight: AtomicU32::new(0),
            had_request: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
        }
    }

    /// A request's head is complete.
    pub(super) fn begin(&self, version: Version) {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        self.had_request.store(true, Relaxed);
        self.http2.store(version == Version::HTTP_2, Relaxed);
    }

    /// A request is answered whole, or was given up.
    pub(super) fn end(&self, now: Instant) {
        self.idle_since.store(self.millis(now), Relaxed);
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Whether the next bytes that come in begin a head, so that their time is worth asking for.
    pub(super) fn awaits_head(&self) -> bool {
        self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0
    }

    /// Those bytes came in.
    pub(super) fn head_began(&self, now: Instant) {
        self.head_since.store(self.millis(now) + 1, Relaxed);
    }

    /// How much longer a new connection may keep silent when the server ends: its first request may have been
    /// sent and not been seen yet.
    pub(super) fn first_word_left(&self, now: Instant) -> Duration {
        let silent = !self.had_request.load(Relaxed) && self.head_since.load(Relaxed) == 0;
        if silent { FIRST_WORD.saturating_sub(now - self.opened) } else { Duration::ZERO }
    }

    pub(super) fn verdict(&self, now: Instant, limits: &Limits) -> Verdict {
        if self.in_flight.load(Relaxed) > 0 {
            return Verdict::Wait(limits.header);
        }
        let (since, limit, late) = match self.head_since.load(Relaxed) {
            _ if !self.had_request.load(Relaxed) => (0, limits.header, Verdict::SlowHead),
            // HTTP/2 sends frames of its own between requests.
            head if head > 0 && !self.http2.load(Relaxed) => (head - 1, limits.header, Verdict::SlowHead),
            _ => (self.idle_since.load(Relaxed), limits.keep_alive, Verdict::Idle),
        };
        let left = (Duration::from_millis(since) + limit).saturating_sub(now - self.opened);
        // Never longer than a head may take: one could begin right after this look.
        if left.is_zero() { late } else { Verdict::Wait(left.min(limits.header)) }
    }

    fn millis(&self, now: Instant) -> u64 {
        (now - self.opened).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { header: Duration::from_secs(10), keep_alive: Duration::from_secs(75) };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_head_has_its_time_from_the_connection_on() {
        let start = Instant::now();
        let activity = Activity::new(start);
        assert_eq!(activity.verdict(start + seconds(4), &LIMITS), Verdict::Wait(seconds(6)));
        activity.head_began(start + seconds(9));
        assert_eq!(activity.verdict(start + seconds(10), &LIMITS), Verdict::SlowHead);
    }

    #[test]
    fn only_a_new_connection_is_waited_for_at_the_end() {
        let start = Instant::now();
        let activity = Activity::new(start);
        assert_eq!(activity.first_word_left(start + FIRST_WORD / 4), FIRST_WORD * 3 / 4);
        assert_eq!(activity.first_word_left(start + FIRST_WORD), Duration::ZERO);
        activity.head_began(start);
        assert_eq!(activity.first_word_left(start), Duration::ZERO, "it has begun");
        activity.begin(Version::HTTP_11);
        activity.end(start);
        assert_eq!(activity.first_word_left(start), Duration::ZERO, "it was answered before");
    }

    #[test]
    fn a_running_request_is_left_alone() {
        let start = Instant::now();
        let activity = Activity::new(start);
        activity.begin(Version::HTTP_11);
        assert_eq!(activity.verdict(start + seconds(1000), &LIMITS), Verdict::Wait(seconds(10)));
        assert!(!activity.awaits_head(), "bytes of a body begin no head");
    }

    #[test]
    fn an_idle_connection_has_its_time_from_the_last_answer_on() {
        let start = Instant::now();
        let activity = Activity::new(start);
        activity.begin(Version::HTTP_11);
        activity.end(start + seconds(100));
        assert_eq!(activity.verdict(start + seconds(100), &LIMITS), Verdict::Wait(seconds(10)));
        assert_eq!(activity.verdict(start + seconds(172), &LIMITS), Verdict::Wait(seconds(3)));
        assert_eq!(activity.verdict(start + seconds(175), &LIMITS), Verdict::Idle);
    }

    #[test]
    fn a_later_head_has_its_time_from_its_first_byte_on() {
        let start = Instant::now();
        let activity = Activity::new(start);
        activity.begin(Version::HTTP_11);
        activity.end(start);
        assert!(activity.awaits_head());
        activity.head_began(start + seconds(70));
        assert!(!activity.awaits_head());
        assert_eq!(activity.verdict(start + seconds(79), &LIMITS), Verdict::Wait(seconds(1)));
        assert_eq!(activity.verdict(start + seconds(80), &LIMITS), Verdict::SlowHead);
    }

    #[test]
    fn frames_of_http2_begin_no_head() {
        let start = Instant::now();
        let activity = Activity::new(start);
        activity.begin(Version::HTTP_2);
        activity.begin(Version::HTTP_2);
        activity.end(start);
        activity.end(start);
        activity.head_began(start + seconds(1));
        assert_eq!(activity.verdict(start + seconds(60), &LIMITS), Verdict::Wait(seconds(10)));
        assert_eq!(activity.verdict(start + seconds(75), &LIMITS), Verdict::Idle);
    }
}
