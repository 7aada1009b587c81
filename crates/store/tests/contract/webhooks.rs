//! Messages to others.

use std::time::Duration;

use portcullis_store::Store;
use portcullis_store::webhooks::{self, Delivery, Message};
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::support::parallel;

const CLAIM: Duration = Duration::from_mins(1);

async fn send(t: &TestStore, endpoint: &str, ids: std::ops::Range<u128>) {
    for id in ids {
        let message = Message {
            id: Uuid::from_u128(id),
            endpoint: endpoint.into(),
            kind: "session.started".into(),
            now: t.now(),
        };
        commit!(t.store, [message] tx => webhooks::insert(tx, &message)).expect("inserted");
    }
}

async fn take(t: &TestStore, store: &Store, limit: i64) -> Vec<Delivery> {
    store.take_deliveries("one".into(), t.now(), t.now() + CLAIM, limit).await.expect("taken")
}

contract! {
    async fn each_message_is_taken_by_one(t: &TestStore) {
        send(t, "one", 0..40).await;
        send(t, "one", 0..40).await;
        send(t, "two", 0..3).await;
        let nodes = [t.store.clone(), t.another().await];
        let (now, until) = (t.now(), t.now() + CLAIM);
        let taken = parallel(16, |at| {
            let store = nodes[at % 2].clone();
            async move { store.take_deliveries("one".into(), now, until, 5).await.expect("taken") }
        }).await;
        let mut ids: Vec<Uuid> = taken.into_iter().flatten().map(|delivery| delivery.id).collect();
        // What two have read, one has taken: the other has fewer, and comes again.
        while let rest = take(t, &t.store, 5).await && !rest.is_empty() {
            ids.extend(rest.iter().map(|delivery| delivery.id));
        }
        ids.sort_unstable();
        assert_eq!(ids, (0..40).map(Uuid::from_u128).collect::<Vec<_>>());
    }

    async fn who_dies_over_it_leaves_it_to_others(t: &TestStore) {
        send(t, "one", 1..2).await;
        let first = take(t, &t.store, 5).await.remove(0);
        assert_eq!((first.tries, first.kind.as_str()), (1, "session.started"));
        assert!(take(t, &t.store, 5).await.is_empty());
        t.clock.advance(CLAIM);
        let second = take(t, &t.store, 5).await.remove(0);
        assert_eq!((second.id, second.tries), (first.id, 2));
        // The first was only slow: what it says does not count any more.
        let next = t.now();
        commit!(t.store, [first] tx => webhooks::failed(tx, &first, None, "late")).expect("written");
        commit!(t.store, [first] tx => webhooks::arrived(tx, &first)).expect("written");
        assert_eq!(t.store.deliveries(false, None, 5).await.expect("read")[0].last_error, None);
        commit!(t.store, [second] tx => webhooks::failed(tx, &second, Some(next), "answered 500")).expect("written");
        let third = take(t, &t.store, 5).await.remove(0);
        assert_eq!((third.tries, third.last_error.as_deref()), (3, Some("answered 500")));
        commit!(t.store, [third] tx => webhooks::arrived(tx, &third)).expect("written");
        assert!(t.store.deliveries(false, None, 5).await.expect("read").is_empty());
    }

    async fn dead_ones_wait_for_an_operator(t: &TestStore) {
        send(t, "one", 1..4).await;
        send(t, "two", 1..2).await;
        let taken = take(t, &t.store, 2).await;
        for delivery in taken {
            commit!(t.store, [delivery] tx => webhooks::failed(tx, &delivery, None, "gone")).expect("written");
        }
        let dead = t.store.deliveries(true, None, 5).await.expect("read");
        assert_eq!(dead.iter().map(|one| (one.id.as_u128(), one.due_at)).collect::<Vec<_>>(), [(1, None), (2, None)]);
        let counted = t.store.waiting_deliveries().await.expect("read");
        let told: Vec<_> = counted.iter().map(|one| (one.endpoint.as_str(), one.waiting, one.dead)).collect();
        assert_eq!(told, [("one", 1, 2), ("two", 1, 0)]);
        assert_eq!(counted[0].oldest, Some(t.now()));

        let mut all = Vec::new();
        while let page = t.store.deliveries(false, all.last(), 2).await.expect("read") && !page.is_empty() {
            all.extend(page);
        }
        assert_eq!(all.iter().map(|one| one.id.as_u128()).collect::<Vec<_>>(), [1, 1, 2, 3]);

        t.clock.advance(Duration::from_hours(1));
        let (now, one) = (t.now(), Some(Uuid::from_u128(2)));
        for (endpoint, message, count) in
            [(Some("two"), None, 0), (Some("one"), one, 1), (None, one, 0), (Some("one"), None, 1), (None, None, 0)]
        {
            let done = commit!(t.store, [] tx => webhooks::retry(tx, endpoint, message, now));
            assert_eq!(done.expect("written"), count, "{endpoint:?} {message:?}");
        }
        let again: Vec<_> = take(t, &t.store, 5).await.iter().map(|one| (one.id.as_u128(), one.tries)).collect();
        assert_eq!(again.len(), 3);
        assert!(again.iter().all(|(_, tries)| *tries == 1), "they start afresh");
        for count in [3, 0] {
            let dropped = commit!(t.store, [] tx => webhooks::drop_endpoint(tx, "one"));
            assert_eq!(dropped.expect("written"), count);
        }
        assert_eq!(t.store.deliveries(false, None, 5).await.expect("read").len(), 1, "of the other one");
    }
}
