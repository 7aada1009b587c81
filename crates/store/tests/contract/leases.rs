//! Leases: one node at a time.

use std::time::Duration;

use portcullis_store::Store;
use portcullis_testkit::TestStore;

use crate::support::parallel;

const TERM: Duration = Duration::from_mins(1);

contract! {
    async fn who_goes_away_gives_back_its_own_leases_only(t: &TestStore) {
        assert!(take(t, &t.store, "one").await && !take(t, &t.store, "two").await);
        t.store.release_leases("two".into()).await.expect("answered");
        assert!(!take(t, &t.store, "two").await);
        t.store.release_leases("one".into()).await.expect("answered");
        assert!(take(t, &t.store, "two").await);
    }

    async fn a_lease_has_one_holder_until_it_runs_out(t: &TestStore) {
        assert!(take(t, &t.store, "one").await);
        assert!(!take(t, &t.store, "two").await);
        t.clock.set(t.now() + TERM - Duration::from_micros(1));
        assert!(!take(t, &t.store, "two").await);
        assert!(take(t, &t.store, "one").await, "the holder renews");
        t.clock.set(t.now() + TERM - Duration::from_micros(1));
        assert!(!take(t, &t.store, "two").await);
        t.clock.advance(Duration::from_micros(1));
        assert!(take(t, &t.store, "two").await);
        assert!(!take(t, &t.store, "one").await);
    }

    async fn leases_of_other_names_are_apart(t: &TestStore) {
        assert!(take(t, &t.store, "one").await);
        let (until, now) = (t.now() + TERM, t.now());
        assert!(t.store.take_lease("other", "two".into(), until, now).await.expect("answered"));
    }

    async fn of_twenty_on_two_nodes_one_gets_it(t: &TestStore) {
        let nodes = [t.store.clone(), t.another().await];
        let (until, now) = (t.now() + TERM, t.now());
        let taken = parallel(20, |at| {
            let store = nodes[at % 2].clone();
            async move { store.take_lease("purge", format!("node-{at}"), until, now).await.expect("answered") }
        })
        .await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    }
}

async fn take(t: &TestStore, store: &Store, holder: &str) -> bool {
    store.take_lease("purge", holder.into(), t.now() + TERM, t.now()).await.expect("answered")
}
