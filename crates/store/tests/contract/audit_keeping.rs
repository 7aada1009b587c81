//! What happens to the audit chain later.

use std::time::Duration;

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::audit_chain::{Erasure, ErasureRequest, Fields, Head, Start, Worth};
use portcullis_core::ids::UserId;
use portcullis_core::server_key::{KeyRing, ServerKey};
use portcullis_store::audit_keeping::{self, Erase};
use portcullis_store::webhooks::{self, Message};
use portcullis_testkit::TestStore;
use serde_json::{Map, json};
use uuid::Uuid;

use crate::audit::event;
use crate::audit_chain::{chain, events, findings, happen, ring};
use crate::support::number;

/// One event on `user`, with all that tells of them.
fn about(t: &TestStore, user: UserId) -> Event {
    Event {
        user: Some(user),
        actor: Some(user),
        address: Some("192.0.2.1".parse().expect("an address")),
        detail: Map::from_iter([("name".to_owned(), json!("Ada"))]),
        ..event(t, EventKind::UserUpdated)
    }
}

contract! {
    async fn retention_takes_the_beginning_and_the_rest_stays_whole(t: &TestStore) {
        happen(t, &events(t, 5)).await;
        assert!(chain(t, &t.store, 10).await);
        let third = t.store.links(2, 1).await.expect("read").remove(0).0.head();
        let other = Start::behind(Head { hash: [0; 32], ..third }, ring().current());
        for (start, gone) in [(other, 0), (Start::behind(third, ring().current()), 3)] {
            let done = commit!(t.store, [start] tx => audit_keeping::forget_up_to(tx, &start));
            assert_eq!(done.expect("committed"), gone);
        }
        let start = Start::behind(third, ring().current());
        let again = commit!(t.store, [start] tx => audit_keeping::forget_up_to(tx, &start));
        assert_eq!(again.expect("committed"), 0, "once");
        assert_eq!(t.store.chain_start().await.expect("read"), start);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM audit_events").await, 2);
        assert_eq!(findings(&t.store).await, [""; 0]);
        // All of it may go, and the next event comes behind what is gone.
        let last = t.store.last_link().await.expect("read").expect("there").0.head();
        let start = Start::behind(last, ring().current());
        commit!(t.store, [start] tx => audit_keeping::forget_up_to(tx, &start)).expect("committed");
        happen(t, &events(t, 1)).await;
        assert!(chain(t, &t.store, 10).await);
        assert_eq!(t.store.events(None, 10).await.expect("read")[0].seq, Some(6));
        assert_eq!(findings(&t.store).await, [""; 0]);
    }

    async fn what_is_erased_is_gone_and_the_chain_stays_whole(t: &TestStore) {
        let ada = UserId::new(t.now(), &*t.random);
        happen(t, &[about(t, ada)]).await;
        happen(t, &events(t, 1)).await;
        let traces = t.store.traces(ada, Uuid::nil(), 10, t.now()).await.expect("read");
        assert!(traces.len() == 1 && traces[0].link.is_none(), "not chained yet");
        assert!(chain(t, &t.store, 10).await);
        let traces = t.store.traces(ada, Uuid::nil(), 10, t.now()).await.expect("read");
        let (trace, link) = (traces[0], traces[0].link.expect("chained"));
        let fields = Fields::about(ada, trace.user, trace.actor);
        let erasure = Erasure::new(link.seq, trace.event, fields, ring().current());
        let erase = Erase { event: trace.event, link, erasure };
        commit!(t.store, [erase] tx => audit_keeping::erase(tx, &erase)).expect("committed");
        assert!(t.store.traces(ada, Uuid::nil(), 10, t.now()).await.expect("read").is_empty());
        let event = t.store.events(None, 10).await.expect("read").remove(1);
        assert_eq!((event.user, event.actor, event.address, &*event.detail), (None, None, None, "{}"));
        let link = t.store.links(0, 1).await.expect("read").remove(0).0;
        assert_eq!(link.salts, [[0; 16]; 5], "nothing can be guessed from the digests");
        assert_eq!(findings(&t.store).await, [""; 0]);
    }

    async fn what_names_somebody_is_found_whoever_else_is_in_it(t: &TestStore) {
        let [ada, eve] = std::array::from_fn(|_| UserId::new(t.now(), &*t.random));
        for (user, actor) in [
            (Some(ada), Some(ada)),
            (Some(ada), Some(eve)),
            (Some(eve), Some(eve)),
            (Some(eve), Some(ada)),
            (None, Some(ada)),
            (Some(ada), None),
            (None, None),
        ] {
            t.clock.advance(Duration::from_secs(1));
            happen(t, &[Event { user, actor, ..event(t, EventKind::UserUpdated) }]).await;
        }
        let (mut found, mut after) = (Vec::new(), Uuid::nil());
        while let page = t.store.traces(ada, after, 2, t.now()).await.expect("read") && !page.is_empty() {
            after = page.last().expect("not empty").event;
            found.extend(page.iter().map(|trace| (trace.user, trace.actor)));
        }
        let expected =
            [(Some(ada), Some(ada)), (Some(ada), Some(eve)), (Some(eve), Some(ada)), (None, Some(ada)), (Some(ada), None)];
        assert_eq!(found, expected);
    }

    async fn erasures_are_asked_for_and_finished(t: &TestStore) {
        let [ada, eve] = std::array::from_fn(|_| UserId::new(t.now(), &*t.random));
        let ask = async |user| {
            let request = ErasureRequest::new(user, t.now(), ring().current());
            commit!(t.store, [request] tx => audit_keeping::ask_erasure(tx, &request)).expect("asked");
        };
        for user in [ada, eve, ada] {
            ask(user).await;
        }
        let all = t.store.asked_erasures().await.expect("read");
        assert_eq!(all.len(), 2);
        let first = all[0];
        assert_eq!(first.check(&ring()), Worth::Right);
        commit!(t.store, [first] tx => audit_keeping::finish_erasure(tx, &first)).expect("written");
        let left = t.store.asked_erasures().await.expect("read");
        assert!(left.len() == 1 && left[0].user != first.user);
        // Asked for again meanwhile: it is not finished.
        let left = left[0];
        t.clock.advance(Duration::from_secs(1));
        ask(left.user).await;
        commit!(t.store, [left] tx => audit_keeping::finish_erasure(tx, &left)).expect("written");
        assert_eq!(t.store.asked_erasures().await.expect("read").len(), 1);
    }

    async fn what_is_still_to_be_told_is_not_erased(t: &TestStore) {
        let ada = UserId::new(t.now(), &*t.random);
        happen(t, &[about(t, ada)]).await;
        assert!(chain(t, &t.store, 10).await);
        let waits = async |tried| {
            let traces = t.store.traces(ada, Uuid::nil(), 10, tried).await.expect("read");
            traces[0].link.is_none()
        };
        let before = t.now();
        t.clock.advance(Duration::from_secs(1));
        assert!(!waits(before).await);
        let id = t.store.events(None, 1).await.expect("read")[0].id;
        let message = Message { id, endpoint: "crm".into(), kind: "user.updated".into(), now: t.now() };
        commit!(t.store, [message] tx => webhooks::insert(tx, &message)).expect("inserted");
        assert!(waits(before).await && !waits(t.now()).await, "not for ever");
        let taken = t.store.take_deliveries("crm".into(), t.now(), t.now(), 1).await.expect("taken").remove(0);
        assert!(waits(before).await, "on its way");
        commit!(t.store, [taken] tx => webhooks::failed(tx, &taken, None, "down")).expect("noted");
        assert!(!waits(before).await, "given up");
    }

    async fn what_is_asked_for_goes_under_another_key(t: &TestStore) {
        let ada = UserId::new(t.now(), &*t.random);
        let (old, new) = (ring(), KeyRing::new(ServerKey::new(&[2; 32]).expect("long enough"), vec![]));
        let request = ErasureRequest::new(ada, t.now(), old.current());
        commit!(t.store, [request] tx => audit_keeping::ask_erasure(tx, &request)).expect("asked");
        assert_eq!(t.store.chain_by_key().await.expect("read"), [(old.current().id(), 1)]);
        let again = ErasureRequest::new(ada, t.now(), new.current());
        let (before, other) = (old.current().id(), new.current().id());
        // Whoever has read what another node has changed meanwhile changes nothing.
        for (from, holds) in [(other, &old), (before, &new), (before, &new)] {
            commit!(t.store, [again] tx => audit_keeping::reseal_request(tx, from, &again)).expect("answered");
            let asked = t.store.asked_erasures().await.expect("read").remove(0);
            assert_eq!(asked.check(holds), Worth::Right);
        }
        assert_eq!(t.store.chain_by_key().await.expect("read"), [(other, 1)]);
    }

    async fn another_key_takes_over(t: &TestStore) {
        let ada = UserId::new(t.now(), &*t.random);
        happen(t, &[about(t, ada)]).await;
        happen(t, &events(t, 2)).await;
        assert!(chain(t, &t.store, 10).await);
        let traces = t.store.traces(ada, Uuid::nil(), 10, t.now()).await.expect("read");
        let (event, link) = (traces[0].event, traces[0].link.expect("chained"));
        let fields = Fields::about(ada, Some(ada), Some(ada));
        let old = ring();
        let old = old.current();
        let erase = Erase { event, link, erasure: Erasure::new(1, event, fields, old) };
        commit!(t.store, [erase] tx => audit_keeping::erase(tx, &erase)).expect("committed");
        assert_eq!(t.store.chain_by_key().await.expect("read"), [(old.id(), 2)]);

        let new = KeyRing::new(ServerKey::new(&[2; 32]).expect("long enough"), vec![]);
        let new = new.current();
        let (last, _) = t.store.last_link().await.expect("read").expect("there");
        let (seal, id, seq) = (last.head().seal(new), old.id(), last.seq);
        commit!(t.store, [] tx => audit_keeping::reseal_link(tx, seq, id, seal)).expect("written");
        let erased = t.store.erased_under_others(new.id(), 0, 10).await.expect("read").remove(0);
        assert_eq!((erased.seq, erased.event, erased.erasure), (1, event, erase.erasure));
        let seal = Erasure::new(1, event, fields, new).seal;
        commit!(t.store, [erased] tx => audit_keeping::reseal_erasure(tx, &erased, seal)).expect("written");
        assert!(t.store.erased_under_others(new.id(), 0, 10).await.expect("read").is_empty());
        assert_eq!(t.store.chain_by_key().await.expect("read"), [(new.id(), 2)]);
        let (last, _) = t.store.last_link().await.expect("read").expect("there");
        assert_eq!(last.seal, last.head().seal(new));
    }
}
