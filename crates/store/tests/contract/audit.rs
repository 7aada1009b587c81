//! The audit log.

use std::time::Duration;

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{EventId, SessionId, UserId};
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
