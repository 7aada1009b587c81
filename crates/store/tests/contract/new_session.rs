//! A session in one round trip is the same as one in a transaction, or it is not made.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::session::{Acting, ActingMode, MAX_PER_USER};
use portcullis_store::sessions::{ActingFrom, NewSession};
use portcullis_store::users;
use portcullis_testkit::{Backend, TestStore};

use crate::audit::event;
use crate::support::{create, judged, make_session, make_user, new_session, number};

fn started(t: &TestStore, new: &NewSession) -> Event {
    Event { session: Some(new.id), user: Some(new.user), ..event(t, EventKind::SessionStarted) }
}

#[tokio::test]
async fn on_postgresql_it_is_the_same_with_its_event() {
    let t = TestStore::new(Backend::Postgres).await;
    let ada = make_user(&t, "ada").await;
    let (at_once, plain) = (new_session(&t, &ada), new_session(&t, &ada));
    let event = started(&t, &at_once);
    let grant = t.store.create_at_once(&at_once, &event).await.expect("answered").expect("made");
    let (other, displaced) = create(&t.store, &plain).await.expect("committed").expect("made");
    assert!(displaced.is_empty());
    assert_eq!(grant, portcullis_core::session::Grant { session: at_once.id, ..other });
    assert_eq!(judged(&t, at_once.id).await.grant, grant);
    assert_eq!(judged(&t, at_once.id).await.chain.secret_hash, at_once.secret_hash);
    let noted = t.store.events(None, 10).await.expect("read");
    assert_eq!((noted.len(), noted[0].id, noted[0].session), (1, event.id.uuid(), Some(at_once.id)));
    let user = t.store.user(ada.id).await.expect("read").expect("there");
    assert_eq!(user.last_login_at, Some(at_once.now));
}

contract! {
    async fn at_once_is_only_for_plain_sign_ins(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let stale = NewSession { epoch: 0, ..new_session(t, &ada) };
        assert!(at_once(t, &stale).await.is_none(), "the epoch has moved");
        let (from, _) = make_session(t, &ada).await;
        let acting = Acting { actor: ada.id, mode: ActingMode::Full };
        let acting = Some(ActingFrom { acting, session: from.id });
        let acting = NewSession { acting, ..new_session(t, &ada) };
        assert!(at_once(t, &acting).await.is_none(), "whoever acts is guarded by more");
        let listed = NewSession { status: true, ..new_session(t, &ada) };
        assert!(at_once(t, &listed).await.is_none(), "its place is a number of its own");
        for _ in 1..MAX_PER_USER / 2 {
            make_session(t, &ada).await;
        }
        assert!(at_once(t, &new_session(t, &ada)).await.is_none(), "near the most they are counted in turn");
        let (id, now) = (ada.id, t.now());
        assert!(commit!(t.store, [] tx => users::disable(tx, id, now)).expect("disabled"));
        let after = NewSession { epoch: 2, ..new_session(t, &ada) };
        assert!(at_once(t, &after).await.is_none(), "disabled");
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions").await, MAX_PER_USER / 2);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM audit_events").await, 0);
    }
}

async fn at_once(t: &TestStore, new: &NewSession) -> Option<portcullis_core::session::Grant> {
    t.store.create_at_once(new, &started(t, new)).await.expect("answered")
}
