//! The audit log.

use std::time::Duration;

use portcullis_core::audit::{Event, EventKind, KindFilter};
use portcullis_core::ids::{EventId, SessionId, UserId};
use portcullis_store::audit::EventFilter;
use portcullis_store::{StoreError, audit};
use portcullis_testkit::TestStore;
use serde_json::{Map, json};

contract! {
    async fn an_event_reads_back_as_written(t: &TestStore) {
        let full = Event {
            actor: Some(UserId::new(t.now(), &*t.random)),
            user: Some(UserId::new(t.now(), &*t.random)),
            session: Some(SessionId::new(t.now(), &*t.random)),
            address: Some("2001:db8::1".parse().expect("an address")),
            detail: Map::from_iter([("why".to_owned(), json!("\"quoted\" 'and' more"))]),
            ..event(t, EventKind::RefreshReused)
        };
        commit!(t.store, [full] tx => audit::append(tx, &full)).expect("appended");
        let read = t.store.events(None, 10).await.expect("read").remove(0);
        assert_eq!((read.id, read.at, read.kind.as_str()), (full.id.uuid(), full.at, "refresh.reused"));
        assert_eq!((read.actor, read.user, read.session), (full.actor, full.user, full.session));
        assert_eq!(read.address.as_deref(), Some("2001:db8::1"));
        assert_eq!(serde_json::from_str::<Map<_, _>>(&read.detail).expect("JSON"), full.detail);
    }

    async fn what_is_not_known_stays_empty(t: &TestStore) {
        let bare = event(t, EventKind::LoginFailed);
        commit!(t.store, [bare] tx => audit::append(tx, &bare)).expect("appended");
        let read = t.store.events(None, 10).await.expect("read").remove(0);
        assert_eq!((read.actor, read.user, read.session, read.address), (None, None, None, None));
        assert_eq!(read.detail, "{}");
    }

    async fn events_page_from_the_newest(t: &TestStore) {
        let mut ids = Vec::new();
        for _ in 0..5 {
            t.clock.advance(Duration::from_secs(1));
            let event = event(t, EventKind::SessionStarted);
            ids.insert(0, event.id.uuid());
            commit!(t.store, [event] tx => audit::append(tx, &event)).expect("appended");
        }
        let page = async |before, limit| {
            t.store
                .events(before, limit)
                .await
                .expect("read")
                .iter()
                .map(|event| event.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(page(None, 2).await, ids[..2]);
        assert_eq!(page(Some(ids[1]), 10).await, ids[2..]);
        assert!(page(Some(ids[4]), 10).await.is_empty());
    }

    async fn events_are_found_by_what_who_and_when(t: &TestStore) {
        let [ada, root] = std::array::from_fn(|_| UserId::new(t.now(), &*t.random));
        let start = t.now();
        let mut ids = Vec::new();
        for (kind, user, actor) in [
            (EventKind::SessionStarted, Some(ada), Some(ada)),
            (EventKind::SessionEnded, Some(ada), Some(root)),
            (EventKind::UserDisabled, Some(root), Some(ada)),
            (EventKind::LoginFailed, None, None),
        ] {
            t.clock.advance(Duration::from_secs(1));
            let event = Event { user, actor, ..event(t, kind) };
            ids.push(event.id.uuid());
            commit!(t.store, [event] tx => audit::append(tx, &event)).expect("appended");
        }
        let second = |number| Some(start + Duration::from_secs(number));
        let kind = |text| Some(KindFilter::parse(text).expect("a filter"));
        let all = EventFilter::default();
        for (filter, found) in [
            (all.clone(), vec![3, 2, 1, 0]),
            (EventFilter { kind: kind("session.*"), ..all.clone() }, vec![1, 0]),
            (EventFilter { kind: kind("session.ended"), ..all.clone() }, vec![1]),
            (EventFilter { kind: kind("sessio.*"), ..all.clone() }, vec![]),
            (EventFilter { user: Some(ada), ..all.clone() }, vec![1, 0]),
            (EventFilter { actor: Some(ada), ..all.clone() }, vec![2, 0]),
            (EventFilter { user: Some(ada), actor: Some(root), ..all.clone() }, vec![1]),
            (EventFilter { since: second(2), ..all.clone() }, vec![3, 2, 1]),
            (EventFilter { until: second(2), ..all.clone() }, vec![0]),
            (EventFilter { since: second(2), until: second(3), user: Some(ada), ..all.clone() }, vec![1]),
        ] {
            let expected: Vec<_> = found.into_iter().map(|at: usize| ids[at]).collect();
            let (events, next) = t.store.events_like(&filter, None, 10).await.expect("read");
            assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), expected, "{filter:?}");
            assert_eq!(next, None);
            let (mut paged, mut before) = (Vec::new(), None);
            loop {
                let (events, next) = t.store.events_like(&filter, before, 1).await.expect("read");
                paged.extend(events.iter().map(|event| event.id));
                before = next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(paged, expected, "{filter:?}");
        }
    }

    async fn what_is_rare_is_found_behind_a_great_deal_else(t: &TestStore) {
        let rare = event(t, EventKind::SetUp);
        commit!(t.store, [rare] tx => audit::append(tx, &rare)).expect("appended");
        t.clock.advance(Duration::from_secs(1));
        let many: Vec<Event> = (0..5_100).map(|_| event(t, EventKind::SessionStarted)).collect();
        commit!(t.store, [many] tx => async move {
            for event in &many {
                audit::append(tx, event).await?;
            }
            Ok(())
        }).expect("appended");
        let filter = EventFilter { kind: KindFilter::parse("setup.*"), ..EventFilter::default() };
        let (none, next) = t.store.events_like(&filter, None, 10).await.expect("read");
        assert!(none.is_empty() && next.is_some(), "not all is looked at at once");
        let (found, end) = t.store.events_like(&filter, next, 10).await.expect("read");
        assert_eq!((found[0].id, end), (rare.id.uuid(), None));
    }

    async fn an_event_of_what_did_not_happen_is_not_kept(t: &TestStore) {
        let event = event(t, EventKind::UserRegistered);
        let undone: Result<(), _> = commit!(t.store, [event] tx => async move {
            audit::append(tx, &event).await?;
            Err(StoreError::Statement("the fact failed".into()))
        });
        undone.expect_err("rolled back");
        assert!(t.store.events(None, 10).await.expect("read").is_empty());
    }
}

pub(crate) fn event(t: &TestStore, kind: EventKind) -> Event {
    Event {
        id: EventId::new(t.now(), &*t.random),
        at: t.now(),
        kind,
        actor: None,
        user: None,
        session: None,
        address: None,
        detail: Map::new(),
    }
}
