//! Wrong passwords slow down: the statement and the rule in core say the same, and no race gets more guesses.

use std::time::Duration;

use portcullis_core::slow_down::{FREE, closed_for};
use portcullis_testkit::TestStore;

use crate::support::{number, parallel};

const KEY: [u8; 16] = [1; 16];

contract! {
    async fn the_bucket_closes_as_the_rule_says(t: &TestStore) {
        for attempt in 1..=20 {
            assert!(reserve(t).await, "attempt {attempt}");
            let closed = closed_for(attempt);
            if closed.is_zero() {
                continue;
            }
            t.clock.set(t.now() + closed - Duration::from_micros(1));
            assert!(!reserve(t).await, "after attempt {attempt}");
            t.clock.advance(Duration::from_micros(1));
        }
    }

    async fn of_twenty_side_by_side_on_two_nodes_the_free_ones_are_let_in(t: &TestStore) {
        let nodes = [t.store.clone(), t.another().await];
        let now = t.now();
        let reserved = parallel(20, |at| {
            let store = nodes[at % 2].clone();
            async move { store.reserve_attempt(KEY, now).await.expect("answered, not an error") }
        })
        .await;
        assert_eq!(reserved.iter().filter(|reserved| **reserved).count() as i64, FREE);
    }

    async fn a_clean_bucket_holds_nothing(t: &TestStore) {
        assert!(t.store.is_clean(KEY).await.expect("read"));
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM slow_downs").await, 0, "looking writes nothing");
        assert!(reserve(t).await);
        assert!(!t.store.is_clean(KEY).await.expect("read"));
        assert!(!t.another().await.is_clean(KEY).await.expect("read"), "on whichever node");
        t.store.forgive_attempts(KEY).await.expect("forgiven");
        assert!(t.store.is_clean(KEY).await.expect("read"));
    }

    async fn a_right_password_starts_the_bucket_afresh(t: &TestStore) {
        for _ in 0..FREE {
            assert!(reserve(t).await);
        }
        assert!(!reserve(t).await);
        t.store.forgive_attempts(KEY).await.expect("forgiven");
        for _ in 0..FREE {
            assert!(reserve(t).await);
        }
        assert!(!reserve(t).await);
    }

    async fn an_attempt_that_was_never_looked_at_is_given_back(t: &TestStore) {
        for _ in 0..FREE {
            assert!(reserve(t).await);
        }
        t.store.return_attempt(KEY).await.expect("given back");
        assert!(reserve(t).await);
        assert!(!reserve(t).await);
    }

    async fn giving_back_what_was_never_taken_gives_no_credit(t: &TestStore) {
        t.store.return_attempt(KEY).await.expect("answered");
        reserve(t).await;
        for _ in 0..3 {
            t.store.return_attempt(KEY).await.expect("answered");
        }
        for _ in 0..FREE {
            assert!(reserve(t).await);
        }
        assert!(!reserve(t).await);
    }

    async fn buckets_are_apart(t: &TestStore) {
        for _ in 0..=FREE {
            reserve(t).await;
        }
        assert!(t.store.reserve_attempt([2; 16], t.now()).await.expect("answered"));
    }
}

async fn reserve(t: &TestStore) -> bool {
    t.store.reserve_attempt(KEY, t.now()).await.expect("answered")
}
