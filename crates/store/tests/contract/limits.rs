//! Rate limits: as many as allowed and not one more, whoever asks and wherever.

use std::time::Duration;

use portcullis_core::rate::Rate;
use portcullis_store::limits::{self, Take};
use portcullis_testkit::TestStore;

use crate::support::{number, parallel};

const KEY: limits::CounterKey = [1; 16];
const RATE: Rate = Rate::per_minute(10);

contract! {
    async fn ten_are_granted_and_then_it_refills_evenly(t: &TestStore) {
        let take = async || t.store.take(KEY, RATE, t.now()).await.expect("answered");
        for at in 1..=10 {
            assert_eq!(take().await, Take::Granted(t.now() + Duration::from_secs(6 * at)), "{at}");
        }
        let full_at = t.now() + Duration::from_mins(1);
        assert_eq!(take().await, Take::Refused(full_at));
        assert_eq!(take().await, Take::Refused(full_at), "a refusal costs nothing");
        assert_eq!(RATE.retry_after(full_at, t.now()), Duration::from_secs(6));
        t.clock.advance(Duration::from_secs(6) - Duration::from_micros(1));
        assert_eq!(take().await, Take::Refused(full_at));
        t.clock.advance(Duration::from_micros(1));
        assert_eq!(take().await, Take::Granted(full_at + Duration::from_secs(6)));
        assert_eq!(take().await, Take::Refused(full_at + Duration::from_secs(6)));
    }

    async fn an_empty_counter_lets_a_full_burst_through_again(t: &TestStore) {
        for _ in 0..10 {
            t.store.take(KEY, RATE, t.now()).await.expect("answered");
        }
        t.clock.advance(Duration::from_hours(1));
        for at in 0..11 {
            let taken = t.store.take(KEY, RATE, t.now()).await.expect("answered");
            assert_eq!(matches!(taken, Take::Granted(_)), at < 10, "{at}");
        }
    }

    async fn one_in_any_time_is_a_rate_too(t: &TestStore) {
        let rate = Rate::new(1, Duration::from_mins(1));
        let granted =
            async || matches!(t.store.take(KEY, rate, t.now()).await.expect("answered"), Take::Granted(_));
        assert!(granted().await);
        assert!(!granted().await);
        t.clock.advance(Duration::from_mins(1));
        assert!(granted().await);
    }

    async fn counters_are_apart(t: &TestStore) {
        for _ in 0..10 {
            t.store.take(KEY, RATE, t.now()).await.expect("answered");
        }
        assert_eq!(t.store.take(KEY, RATE, t.now()).await.expect("answered"), Take::Refused(t.now() + RATE.per));
        let other = t.store.take([2; 16], RATE, t.now()).await.expect("answered");
        assert_eq!(other, Take::Granted(t.now() + Duration::from_secs(6)));
    }

    async fn of_thirty_side_by_side_on_two_nodes_ten_are_granted(t: &TestStore) {
        let nodes = [t.store.clone(), t.another().await];
        let now = t.now();
        let taken = parallel(30, |at| {
            let store = nodes[at % 2].clone();
            async move { store.take(KEY, RATE, now).await.expect("answered, not an error") }
        })
        .await;
        assert_eq!(taken.iter().filter(|taken| matches!(taken, Take::Granted(_))).count(), 10);
    }

    async fn empty_counters_are_purged(t: &TestStore) {
        t.store.take(KEY, RATE, t.now()).await.expect("answered");
        t.store.reserve_attempt(KEY, t.now()).await.expect("answered");
        let purge = async |now, forgotten| {
            commit!(t.store, [] tx => limits::purge(tx, now, forgotten)).expect("purged")
        };
        let (now, empty_at) = (t.now(), t.now() + Duration::from_secs(6));
        let before = now - Duration::from_secs(1);
        assert_eq!(purge(empty_at - Duration::from_micros(1), before).await, 0);
        assert_eq!(purge(empty_at, before).await, 1);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM rate_limits").await, 0);
        assert_eq!(purge(empty_at, now).await, 1, "an attempt that old is forgotten");
    }
}
