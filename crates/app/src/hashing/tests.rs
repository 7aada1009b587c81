//! Workers are stepped by hand where order matters; nothing sleeps, no time is asserted.

use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portcullis_core::password::Password;
use serde::Deserialize;

use super::memory::Memory;
use super::queue::{Answer, TOGETHER};
use super::worker::Step;
use super::{HashParams, Hasher, HasherConfig, HasherStartError, HashingError, Lane, ParamsError, Verified};

const CHEAP: HashParams = HashParams { memory_kib: 8, iterations: 1, parallelism: 1 };
const MATCH: Verified = Verified::Match { needs_rehash: false };
const MATCH_OLD: Verified = Verified::Match { needs_rehash: true };
const SALT: [u8; 16] = *b"sixteen bytes :)";

fn config(params: HashParams) -> HasherConfig {
    let workers = NonZeroUsize::new(2).expect("not zero");
    HasherConfig { params, workers, max_queue_wait: Duration::from_secs(2) }
}

fn running(params: HashParams) -> Hasher {
    Hasher::start(config(params)).expect("threads start")
}

/// No threads, and no wait is short enough: what does not find a free worker is refused.
fn by_hand() -> Hasher {
    let config = HasherConfig { max_queue_wait: Duration::ZERO, ..config(CHEAP) };
    Hasher::without_workers(config).expect("parameters are allowed")
}

fn password(text: &str) -> Password {
    Password::presented(text)
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[derive(Deserialize)]
struct Vectors {
    good: Vec<Known>,
    malformed: Vec<String>,
}

#[derive(Deserialize)]
struct Known {
    password: String,
    hash: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../tests/vectors/argon2.json")).expect("vectors parse")
}

#[tokio::test]
async fn hashes_of_other_implementations_are_verified_and_outdated() {
    let hasher = running(CHEAP);
    for Known { password: text, hash } in vectors().good {
        let right = hasher.verify(Lane::Known, password(&text), Some(&hash)).await;
        assert_eq!(right, Ok(MATCH_OLD), "{hash}");
        let wrong = hasher.verify(Lane::Stranger, password("passwort"), Some(&hash)).await;
        assert_eq!(wrong, Ok(Verified::Mismatch), "{hash}");
    }
}

#[tokio::test]
async fn a_new_hash_is_a_phc_string_of_the_configured_cost() {
    let hasher = running(HashParams::DEFAULT);
    let phc = hasher.hash(Lane::Known, password("lamp toad x-ray"), SALT).await.expect("hashed");
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyA6KQ$"), "{phc}");
    assert_eq!(hasher.verify(Lane::Stranger, password("lamp toad x-ray"), Some(&phc)).await, Ok(MATCH));
    assert_eq!(
        hasher.verify(Lane::Stranger, password("lamp toad x-raz"), Some(&phc)).await,
        Ok(Verified::Mismatch)
    );
}

#[tokio::test]
async fn a_hash_is_outdated_as_soon_as_any_parameter_differs() {
    let phc = running(CHEAP).hash(Lane::Known, password("lamp"), SALT).await.expect("hashed");
    let cases = [
        (CHEAP, MATCH),
        (HashParams { memory_kib: 9, ..CHEAP }, MATCH_OLD),
        (HashParams { iterations: 2, ..CHEAP }, MATCH_OLD),
        (HashParams { memory_kib: 16, parallelism: 2, ..CHEAP }, MATCH_OLD),
    ];
    for (params, verified) in cases {
        let found = running(params).verify(Lane::Known, password("lamp"), Some(&phc)).await;
        assert_eq!(found, Ok(verified), "{params:?}");
    }
}

#[tokio::test]
async fn a_hash_of_an_older_algorithm_or_version_is_outdated_whatever_it_cost() {
    let hasher = running(HashParams { memory_kib: 256, iterations: 2, parallelism: 1 });
    let cases = [
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", MATCH),
        ("$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8", MATCH_OLD),
        ("$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY", MATCH_OLD),
    ];
    for (hash, verified) in cases {
        assert_eq!(
            hasher.verify(Lane::Known, password("password"), Some(hash)).await,
            Ok(verified),
            "{hash}"
        );
    }
}

#[tokio::test]
async fn a_hash_of_an_older_version_or_another_length_is_outdated() {
    use argon2::{Argon2, CustomizedPasswordHasher, Params};
    let hasher = running(CHEAP);
    for (version, length, verified) in [(0x13, 32, MATCH), (0x10, 32, MATCH_OLD), (0x13, 16, MATCH_OLD)] {
        let params = Params::new(8, 1, 1, Some(length)).expect("parameters are allowed");
        let hash = Argon2::default()
            .hash_password_customized(b"lamp", &SALT, Some("argon2id"), Some(version), params)
            .expect("hashed")
            .to_string();
        assert_eq!(hasher.verify(Lane::Known, password("lamp"), Some(&hash)).await, Ok(verified), "{hash}");
    }
}

#[tokio::test]
async fn composed_and_decomposed_are_one_password() {
    let hasher = running(CHEAP);
    let phc = hasher.hash(Lane::Known, password("caf\u{e9} noir"), SALT).await.expect("hashed");
    assert_eq!(hasher.verify(Lane::Known, password("cafe\u{301} noir"), Some(&phc)).await, Ok(MATCH));
    assert_eq!(hasher.verify(Lane::Known, password("cafe noir"), Some(&phc)).await, Ok(Verified::Mismatch));
}

#[tokio::test]
async fn a_stored_hash_that_cannot_be_checked_is_a_fault_of_ours() {
    let hasher = running(CHEAP);
    let salt_and_output = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let more = [
        String::new(),
        "!".into(),
        "$".into(),
        "plain text".into(),
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".into(),
        "$argon2id$v=19$m=256,t=2,p=1".into(),
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".into(),
        format!("$argon2id$v=18$m=256,t=2,p=1${salt_and_output}"),
        format!("$argon2id$v=19$m=256,t=2${salt_and_output}"),
        format!("$argon2id$v=19$m=256,t=2,p=1,data=c29tZXNhbHQ${salt_and_output}"),
        format!("$argon2id$v=19$m=262145,t=2,p=1${salt_and_output}"),
        format!("$argon2id$v=19$m=256,t=17,p=1${salt_and_output}"),
        format!("$argon2id$v=19$m=256,t=0,p=1${salt_and_output}"),
        format!("$argon2id$v=19$m=256,t=2,p=17${salt_and_output}"),
        format!("$argon2id$v=19$m=256,t=2,p=0${salt_and_output}"),
        "$argon2id$v=19$m=256,t=2,p=1$c2hvcnQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".into(),
        format!("$argon2id$v=19$m=256,t=2,p=1${salt_and_output}$more"),
    ];
    for stored in vectors().malformed.into_iter().chain(more) {
        let found = hasher.verify(Lane::Known, password("password"), Some(&stored)).await;
        assert!(matches!(found, Err(HashingError::Corrupt(_))), "{stored}: {found:?}");
    }
}

#[test]
fn an_unknown_user_costs_one_evaluation_and_never_matches() {
    let (hasher, mut memory) = (by_hand(), Memory::default());
    let mut verify = pin!(hasher.verify(Lane::Stranger, password("lamp"), None));
    assert!(poll(verify.as_mut()).is_pending());
    assert_eq!(hasher.shared().step(&mut memory), Step::Evaluated);
    assert_eq!(poll(verify.as_mut()), Poll::Ready(Ok(Verified::Mismatch)));
    assert_eq!(hasher.shared().step(&mut memory), Step::Idle);
}

#[test]
fn a_full_lane_is_busy_and_the_other_goes_on() {
    for (lane, other) in [(Lane::Stranger, Lane::Known), (Lane::Known, Lane::Stranger)] {
        let (hasher, mut memory) = (by_hand(), Memory::default());
        let mut first = pin!(hasher.verify(lane, password("1"), None));
        let mut second = pin!(hasher.verify(lane, password("2"), None));
        assert!(poll(first.as_mut()).is_pending(), "a worker is free");
        assert!(poll(second.as_mut()).is_pending(), "the other worker is free");
        let busy = Poll::Ready(Err(HashingError::Busy { retry_after: Duration::from_secs(1) }));
        assert_eq!(poll(pin!(hasher.verify(lane, password("3"), None))), busy);

        assert_eq!(hasher.shared().step(&mut memory), Step::Evaluated);
        assert!(poll(first.as_mut()).is_ready(), "first come, first served");
        let mut others = pin!(hasher.verify(other, password("4"), None));
        assert!(poll(others.as_mut()).is_pending(), "one lane does not fill the other");
        assert_eq!(hasher.shared().step(&mut memory), Step::Evaluated);
        assert_eq!(poll(others.as_mut()), Poll::Ready(Ok(Verified::Mismatch)), "it was its turn");

        let mut third = pin!(hasher.verify(lane, password("3"), None));
        assert!(poll(third.as_mut()).is_pending(), "there is room again");
        assert_eq!(hasher.shared().step(&mut memory), Step::Evaluated);
        assert!(poll(second.as_mut()).is_ready());
    }
}

#[test]
fn lanes_take_turns_while_both_wait() {
    use Lane::{Known, Stranger};
    let hasher = Hasher::without_workers(config(CHEAP)).expect("parameters are allowed");
    let mut asked = Vec::new();
    let mut ask = |lanes: &[Lane]| {
        for &lane in lanes {
            let mut job = Box::pin(hasher.verify(lane, password("lamp"), None));
            assert!(poll(job.as_mut()).is_pending());
            asked.push(job);
        }
    };
    let serve = |count: usize| -> Vec<Lane> {
        (0..count).map_while(|_| hasher.shared().queue().take().map(|(lane, _)| lane)).collect()
    };

    ask(&[Stranger, Stranger, Stranger, Stranger, Known, Known]);
    assert_eq!(serve(5), [Known, Stranger, Known, Stranger, Stranger], "a lone lane has all workers");
    ask(&[Known, Known, Known, Known]);
    assert_eq!(serve(3), [Known, Stranger, Known], "whoever was served last comes second");
    ask(&[Stranger]);
    assert_eq!(serve(9), [Stranger, Known, Known], "known devices do not shut strangers out");
}

type Asked<'a> = Pin<Box<dyn Future<Output = Result<Verified, HashingError>> + 'a>>;

/// Asks until it is refused: how many were taken in, and when to try again.
fn fill<'a>(hasher: &'a Hasher, lane: Lane, asked: &mut Vec<Asked<'a>>) -> (usize, Duration) {
    for taken in 0..100 {
        let mut job: Asked = Box::pin(hasher.verify(lane, password("lamp"), None));
        match poll(job.as_mut()) {
            Poll::Pending => asked.push(job),
            Poll::Ready(Err(HashingError::Busy { retry_after })) => return (taken, retry_after),
            Poll::Ready(other) => panic!("{other:?}"),
        }
    }
    panic!("there is no bound")
}

#[test]
fn the_wait_is_told_by_the_length_of_the_line_and_the_share_of_the_workers() {
    // Guessed at 0.5 s an evaluation; two seconds are the bound.
    let params = HashParams { memory_kib: 100_000, iterations: 10, parallelism: 1 };
    let secs = Duration::from_secs;
    // Workers, taken in alone, taken in while the other lane waits, and when to try again in each case.
    let cases =
        [(1, (4, secs(3)), (2, secs(3))), (2, (8, secs(3)), (4, secs(3))), (3, (12, secs(3)), (6, secs(3)))];
    for (workers, alone, shared) in cases {
        for lane in [Lane::Stranger, Lane::Known] {
            let workers = NonZeroUsize::new(workers).expect("not zero");
            let hasher = Hasher::without_workers(HasherConfig { workers, ..config(params) });
            let hasher = hasher.expect("parameters are allowed");
            assert_eq!(hasher.recent_duration(), Duration::from_millis(500));
            let mut asked = Vec::new();
            let running: Vec<_> = (0..workers.get())
                .map(|_| {
                    let mut job: Asked = Box::pin(hasher.verify(lane, password("lamp"), None));
                    assert!(poll(job.as_mut()).is_pending(), "a worker is free");
                    asked.push(job);
                    hasher.shared().queue().take().expect("it waits")
                })
                .collect();
            assert_eq!(fill(&hasher, lane, &mut asked), alone, "{lane:?}, {workers}");
            assert_eq!(fill(&hasher, lane.other(), &mut asked), shared, "{lane:?}, {workers}");
            assert_eq!(fill(&hasher, lane, &mut asked), (0, secs(5)), "it has half of the workers now");
            drop(running);
        }
    }
}

#[test]
fn a_request_that_went_away_is_skipped() {
    let (hasher, mut memory) = (by_hand(), Memory::default());
    let mut gone = Box::pin(hasher.verify(Lane::Stranger, password("1"), None));
    let mut stays = pin!(hasher.verify(Lane::Stranger, password("2"), None));
    assert!(poll(gone.as_mut()).is_pending());
    assert!(poll(stays.as_mut()).is_pending());
    drop(gone);
    assert_eq!(hasher.shared().step(&mut memory), Step::Skipped);
    assert_eq!(hasher.shared().step(&mut memory), Step::Evaluated);
    assert_eq!(poll(stays.as_mut()), Poll::Ready(Ok(Verified::Mismatch)));
    let mut next = pin!(hasher.verify(Lane::Stranger, password("3"), None));
    assert!(poll(next.as_mut()).is_pending(), "skipped jobs take up no worker");
}

#[test]
fn a_request_that_went_away_does_not_cost_its_lane_the_turn() {
    let (hasher, mut memory) = (by_hand(), Memory::default());
    let mut gone = Box::pin(hasher.verify(Lane::Known, password("1"), None));
    let mut known = pin!(hasher.verify(Lane::Known, password("2"), None));
    let mut stranger = pin!(hasher.verify(Lane::Stranger, password("3"), None));
    assert!(poll(gone.as_mut()).is_pending());
    assert!(poll(known.as_mut()).is_pending());
    assert!(poll(stranger.as_mut()).is_pending());
    drop(gone);
    assert_eq!(hasher.shared().step(&mut memory), Step::Skipped);
    assert_eq!(hasher.shared().step(&mut memory), Step::Evaluated);
    assert!(poll(known.as_mut()).is_ready());
    assert!(poll(stranger.as_mut()).is_pending());
}

#[test]
fn while_many_wait_answers_go_out_together_and_the_last_ones_at_once() {
    let hasher = Hasher::without_workers(config(CHEAP)).expect("parameters are allowed");
    let mut memory = Memory::default();
    let mut waiting: Vec<_> =
        (0..=2 * TOGETHER).map(|_| Box::pin(hasher.verify(Lane::Stranger, password("lamp"), None))).collect();
    for one in &mut waiting {
        assert!(poll(one.as_mut()).is_pending());
    }
    let mut sizes = Vec::new();
    while hasher.shared().step(&mut memory) == Step::Evaluated {
        let before = waiting.len();
        waiting.retain_mut(|one| poll(one.as_mut()).is_pending());
        sizes.push(before - waiting.len());
    }
    let held = [0; TOGETHER - 1];
    // With fewer left than go out together, nobody waits for company.
    let expected = [&held[..], &[TOGETHER], &held[..1], &[2], &[1; TOGETHER - 1]].concat();
    assert_eq!(sizes, expected);
}

#[test]
fn an_answer_that_waits_for_company_goes_out_when_the_others_have_gone_away_or_hashing_stops() {
    for stops in [false, true] {
        let hasher = Hasher::without_workers(config(CHEAP)).expect("parameters are allowed");
        let mut memory = Memory::default();
        let mut first = pin!(hasher.verify(Lane::Known, password("lamp"), None));
        let mut others: Vec<_> =
            (0..TOGETHER).map(|_| Box::pin(hasher.verify(Lane::Known, password("lamp"), None))).collect();
        assert!(poll(first.as_mut()).is_pending());
        for one in &mut others {
            assert!(poll(one.as_mut()).is_pending());
        }
        assert_eq!(hasher.shared().step(&mut memory), Step::Evaluated);
        assert!(poll(first.as_mut()).is_pending(), "it waits for company");
        if stops {
            hasher.shared().stop();
        } else {
            others.clear();
            assert_eq!(hasher.shared().step(&mut memory), Step::Skipped);
        }
        assert_eq!(poll(first.as_mut()), Poll::Ready(Ok(Verified::Mismatch)));
    }
}

#[test]
fn the_guessed_duration_gives_way_to_the_measured_one() {
    let hasher = by_hand();
    assert_eq!(hasher.recent_duration(), Duration::from_micros(4), "guessed from the parameters");
    // The last one slept through an hour, and counts no more than eightfold.
    for (took, average) in [(80_000, 80_000), (160_000, 90_000), (3_600_000_000, 168_750)] {
        let mut verify = pin!(hasher.verify(Lane::Stranger, password("lamp"), None));
        assert!(poll(verify.as_mut()).is_pending());
        let (lane, job) = hasher.shared().queue().take().expect("it waits");
        let result = job.recipe.evaluate(job.password.as_bytes(), &mut Memory::default());
        let answer = Answer { result, reply: job.reply };
        hasher.shared().queue().finish(lane, Duration::from_micros(took), answer);
        assert_eq!(hasher.recent_duration(), Duration::from_micros(average));
    }
}

#[tokio::test]
async fn many_at_once_all_get_their_own_answer() {
    let hasher = running(CHEAP);
    let phc = hasher.hash(Lane::Known, password("lamp 7"), SALT).await.expect("hashed");
    let checks = (0..64).map(|number| {
        let lane = if number % 2 == 0 { Lane::Known } else { Lane::Stranger };
        hasher.verify(lane, password(&format!("lamp {number}")), Some(&phc))
    });
    let answers = futures_util::future::join_all(checks).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer, Ok(if number == 7 { MATCH } else { Verified::Mismatch }), "{number}");
    }
}

#[tokio::test]
async fn dropping_the_hasher_ends_its_threads_and_answers_who_waits() {
    let mut hasher = running(CHEAP);
    let threads = std::mem::take(&mut hasher.threads);
    let names: Vec<_> = threads.iter().map(|thread| thread.thread().name()).collect();
    assert_eq!(names, [Some("hash-0"), Some("hash-1")], "no more threads than workers");
    drop(hasher);
    for thread in threads {
        thread.join().expect("it ended without a panic");
    }

    let hasher = by_hand();
    let mut waits = pin!(hasher.verify(Lane::Known, password("lamp"), None));
    assert!(poll(waits.as_mut()).is_pending());
    hasher.shared().stop();
    assert_eq!(poll(waits.as_mut()), Poll::Ready(Err(HashingError::Stopped)));
    assert_eq!(hasher.verify(Lane::Known, password("lamp"), None).await, Err(HashingError::Stopped));
}

#[test]
fn memory_is_kept_grown_and_given_back() {
    let mut memory = Memory::default();
    assert_eq!(memory.blocks(16).map(|blocks| blocks.len()), Some(16));
    assert_eq!(memory.blocks(8).map(|blocks| blocks.len()), Some(8));
    assert!(!memory.is_empty());
    assert!(memory.blocks(usize::MAX).is_none(), "more than there is, is an error and no abort");
    memory.release();
    assert!(memory.is_empty());
}

#[test]
fn parameters_out_of_bounds_stop_the_start() {
    let cases = [
        (HashParams { memory_kib: 7, ..CHEAP }, ParamsError::Memory(7)),
        (HashParams { parallelism: 2, ..CHEAP }, ParamsError::Memory(8)),
        (HashParams { memory_kib: 262_145, ..CHEAP }, ParamsError::Memory(262_145)),
        (HashParams { iterations: 0, ..CHEAP }, ParamsError::Iterations(0)),
        (HashParams { iterations: 17, ..CHEAP }, ParamsError::Iterations(17)),
        (HashParams { parallelism: 0, ..CHEAP }, ParamsError::Parallelism(0)),
        (HashParams { parallelism: u32::MAX, ..CHEAP }, ParamsError::Parallelism(u32::MAX)),
    ];
    for (params, expected) in cases {
        match Hasher::start(config(params)) {
            Err(HasherStartError::Params(found)) => assert_eq!(found, expected),
            _ => panic!("{params:?} were taken"),
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn workers_run_at_idle_priority() {
    use thread_priority::{
        NormalThreadSchedulePolicy::Idle, ThreadSchedulePolicy::Normal, thread_schedule_policy,
    };
    let policy = std::thread::spawn(|| super::priority::lower().map(|()| thread_schedule_policy()));
    let policy = policy.join().expect("it ended without a panic");
    assert_eq!(policy, Ok(Ok(Normal(Idle))));
}
