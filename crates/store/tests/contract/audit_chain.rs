//! The audit chain: every event gets one place, whoever chains it and whenever it is committed.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::audit::{Event, EventKind, StoredEvent};
use portcullis_core::audit_chain::{Checkpoint, Head, Inspection, Link};
use portcullis_core::ids::EventId;
use portcullis_core::random;
use portcullis_core::server_key::{KeyRing, ServerKey};
use portcullis_store::audit_chain::StoredCheckpoint;
use portcullis_store::webhooks::Message;
use portcullis_store::{Store, audit, audit_chain};
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::audit::event;
use crate::support::{execute, number, parallel};

pub(crate) fn ring() -> KeyRing {
    KeyRing::new(ServerKey::new(&[1; 32]).expect("long enough"), vec![])
}

/// Events of `kind`, a second apart.
pub(crate) async fn happen(t: &TestStore, events: &[Event]) {
    for event in events {
        commit!(t.store, [event] tx => audit::append(tx, &event)).expect("appended");
    }
}

pub(crate) fn events(t: &TestStore, count: usize) -> Vec<Event> {
    let one = |_| {
        t.clock.advance(Duration::from_secs(1));
        event(t, EventKind::SessionStarted)
    };
    (0..count).map(one).collect()
}

/// The entries for `events` behind `head`.
pub(crate) fn links(t: &TestStore, head: Head, events: &[StoredEvent]) -> Vec<(Link, [u8; 32])> {
    let (ring, mut head) = (ring(), head);
    let link = |event: &StoredEvent| {
        let salts = std::array::from_fn(|_| random::bytes(&*t.random));
        let link = Link::new(event, &head, salts, ring.current());
        let before = std::mem::replace(&mut head, link.head()).hash;
        (link, before)
    };
    events.iter().map(link).collect()
}

/// Chains up to `most` events that have no place; whether nobody was faster.
pub(crate) async fn chain(t: &TestStore, store: &Store, most: i64) -> bool {
    let head = store.last_link().await.expect("read").map(|(link, _)| link.head());
    let head = head.unwrap_or(store.chain_start().await.expect("read").head);
    let waiting = store.unchained(Uuid::nil(), most).await.expect("read");
    let links = links(t, head, &waiting);
    store.chain(links.into(), Arc::new([])).await.expect("answered")
}

/// What an inspection finds.
pub(crate) async fn findings(store: &Store) -> Vec<String> {
    let ring = ring();
    let start = store.chain_start().await.expect("read");
    let mut walk = Inspection::new(&start, vec![], &ring);
    loop {
        let page = store.links(walk.at().seq, 3).await.expect("read");
        for (link, event) in &page {
            walk.step(link, event.as_ref(), &ring);
        }
        if page.len() < 3 {
            return walk.end().iter().map(ToString::to_string).collect();
        }
    }
}

contract! {
    async fn events_are_chained_once_and_read_back_whole(t: &TestStore) {
        happen(t, &events(t, 5)).await;
        assert!(chain(t, &t.store, 3).await && chain(t, &t.store, 3).await && chain(t, &t.store, 3).await);
        assert!(t.store.unchained(Uuid::nil(), 10).await.expect("read").is_empty());
        let seqs: Vec<_> = t.store.events(None, 10).await.expect("read").iter().map(|event| event.seq).collect();
        assert_eq!(seqs, [5, 4, 3, 2, 1].map(Some));
        assert_eq!(findings(&t.store).await, [""; 0]);
        assert_eq!(t.store.last_link().await.expect("read").expect("there").0.seq, 5);
    }

    async fn what_is_committed_late_is_chained_late(t: &TestStore) {
        let all = events(t, 3);
        happen(t, &all[1..]).await;
        assert!(chain(t, &t.store, 10).await);
        happen(t, &all[..1]).await;
        let waiting = t.store.unchained(Uuid::nil(), 10).await.expect("read");
        assert_eq!(waiting[0].id, all[0].id.uuid());
        let (in_slice, end) = t.store.unchained_in_slice(Uuid::nil(), 2).await.expect("read");
        assert_eq!((in_slice.len(), end), (1, Some(all[1].id.uuid())));
        let (in_slice, end) = t.store.unchained_in_slice(all[1].id.uuid(), 2).await.expect("read");
        assert_eq!((in_slice.len(), end), (0, None));
        assert!(chain(t, &t.store, 10).await);
        assert_eq!(t.store.events(None, 10).await.expect("read")[2].seq, Some(3));
        assert_eq!(findings(&t.store).await, [""; 0]);
    }

    async fn of_many_who_chain_at_once_one_wins_each_place(t: &TestStore) {
        happen(t, &events(t, 12)).await;
        let nodes = [t.store.clone(), t.another().await];
        let mut rounds = 0;
        while !t.store.unchained(Uuid::nil(), 1).await.expect("read").is_empty() {
            rounds += 1;
            let head = t.store.last_link().await.expect("read").map(|(link, _)| link.head());
            let waiting = t.store.unchained(Uuid::nil(), 5).await.expect("read");
            // Each with salts of its own, so that theirs differ.
            let all: Vec<Arc<[_]>> =
                (0..6).map(|_| links(t, head.unwrap_or(Head::NONE), &waiting).into()).collect();
            let won = parallel(6, |at| {
                let (store, links) = (nodes[at % 2].clone(), all[at].clone());
                let message = Message {
                    id: links[0].0.event, endpoint: "one".into(), kind: "x".into(), now: links[0].0.at,
                };
                async move { store.chain(links, Arc::new([message])).await.expect("answered") }
            }).await;
            assert_eq!(won.iter().filter(|won| **won).count(), 1);
        }
        assert_eq!(rounds, 3);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM audit_chain").await, 12);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM webhook_deliveries").await, 3);
        assert_eq!(findings(&t.store).await, [""; 0]);
    }

    async fn nothing_is_chained_behind_what_is_not_there(t: &TestStore) {
        happen(t, &events(t, 2)).await;
        let waiting = t.store.unchained(Uuid::nil(), 10).await.expect("read");
        for head in [Head { seq: 1, hash: [0; 32] }, Head { seq: 0, hash: [1; 32] }] {
            let links = links(t, head, &waiting);
            assert!(!t.store.chain(links.into(), Arc::new([])).await.expect("answered"));
        }
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM audit_chain").await, 0);
    }

    async fn tampering_with_the_database_is_found(t: &TestStore) {
        for (tampered, told) in [
            ("UPDATE audit_events SET address = '192.0.2.9' WHERE id = (SELECT event_id FROM audit_chain WHERE seq = 2)",
                "was changed: address"),
            ("UPDATE audit_chain SET kind = 'user.deleted' WHERE seq = 2", "entry 2 was changed"),
            ("DELETE FROM audit_events WHERE id = (SELECT event_id FROM audit_chain WHERE seq = 3)",
                "the event of entry 3"),
            ("DELETE FROM audit_chain WHERE seq = 2", "entries 2 to 2 are gone"),
            ("DELETE FROM audit_chain WHERE seq <= 2", "entries 1 to 2 are gone"),
            ("UPDATE audit_chain SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3)",
                "entry 3 was changed, or is not in its place"),
            ("UPDATE audit_start SET seq = 1", "where the chain starts"),
            ("UPDATE audit_chain SET mac = hash WHERE seq = 2", "entry 2 was not made by this server"),
        ] {
            let fresh = t.another_database().await;
            happen(&fresh, &events(&fresh, 4)).await;
            assert!(chain(&fresh, &fresh.store, 10).await);
            assert_eq!(findings(&fresh.store).await, [""; 0]);
            execute(&fresh.store, tampered).await;
            execute(&fresh.store, "UPDATE audit_chain SET seq = -seq WHERE seq < 0").await;
            let found = findings(&fresh.store).await;
            assert!(found.iter().any(|line| line.contains(told)), "{tampered}: {found:?}");
        }
    }

    async fn a_checkpoint_is_kept_once_for_an_entry(t: &TestStore) {
        let stored = |seq| {
            let head = Head { seq, hash: [seq as u8; 32] };
            let checkpoint = Checkpoint::new(head, t.now(), ring().current());
            StoredCheckpoint { id: EventId::new(t.now(), &*t.random).uuid(), checkpoint }
        };
        let [one, again, two] = [stored(1), stored(1), stored(2)];
        for (stored, new) in [(&one, true), (&again, false), (&two, true)] {
            let made = commit!(t.store, [stored] tx => audit_chain::insert_checkpoint(tx, &stored));
            assert_eq!(made.expect("noted"), new);
        }
        let all = t.store.checkpoints(10).await.expect("read");
        assert_eq!(all.iter().map(|one| one.id).collect::<Vec<_>>(), [two.id, one.id]);
        assert_eq!(all[0].checkpoint, two.checkpoint);
        let found = t.store.checkpoint(one.id).await.expect("read").expect("there");
        assert_eq!(found.checkpoint, one.checkpoint);
        assert!(t.store.checkpoint(again.id).await.expect("read").is_none());
    }
}
