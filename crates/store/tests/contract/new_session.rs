//! A session in one round trip is the same as one in a transaction, or it is not made.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::session::{Acting, ActingMode, Grant, MAX_PER_USER};
use portcullis_store::sessions::{ActingFrom, NewSession};
use portcullis_store::users;
use portcullis_testkit::TestStore;

use crate::audit::event;
use crate::support::{create, judged, make_session, make_user, new_session, number};

fn started(t: &TestStore, new: &NewSession) -> Event {
    Event { session: Some(new.id), user: Some(new.user), ..event(t, EventKind::SessionStarted) }
}

contract! {
    async fn at_once_it_is_the_same_with_its_event(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (at_once, plain) = (new_session(t, &ada), new_session(t, &ada));
        let event = started(t, &at_once);
        let grant = t.store.create_at_once(&at_once, &event).await.expect("answered").expect("made");
        let (other, displaced) = create(&t.store, &plain).await.expect("committed").expect("made");
        assert!(displaced.is_empty());
        assert_eq!(grant, Grant { session: at_once.id, ..other });
        assert_eq!(judged(t, at_once.id).await.grant, grant);
        assert_eq!(judged(t, at_once.id).await.chain.secret_hash, at_once.secret_hash);
        let noted = t.store.events(None, 10).await.expect("read");
        assert_eq!((noted.len(), noted[0].id, noted[0].session), (1, event.id.uuid(), Some(at_once.id)));
        let user = t.store.user(ada.id).await.expect("read").expect("there");
        assert_eq!(user.last_login_at, Some(at_once.now));
    }

    async fn an_event_that_cannot_be_written_leaves_no_session(t: &TestStore) {
        let (ada, eve) = (make_user(t, "ada").await, make_user(t, "eve").await);
        let first = new_session(t, &ada);
        let event = started(t, &first);
        t.store.create_at_once(&first, &event).await.expect("answered").expect("made");
        // An event of the same id, alone and among others that share a commit.
        let broken = new_session(t, &eve);
        assert!(t.store.create_at_once(&broken, &event).await.is_err());
        let (sound, sounder) = (new_session(t, &ada), new_session(t, &ada));
        let (sound_event, sounder_event) = (started(t, &sound), started(t, &sounder));
        let (one, failed, other) = tokio::join!(
            t.store.create_at_once(&sound, &sound_event),
            t.store.create_at_once(&broken, &event),
            t.store.create_at_once(&sounder, &sounder_event)
        );
        assert!(failed.is_err());
        assert!(one.expect("answered").is_some() && other.expect("answered").is_some());
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions").await, 3);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM audit_events").await, 3);
        assert_eq!(t.store.user(eve.id).await.expect("read").expect("there").last_login_at, None);
    }

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
        commit!(t.store, [] tx => users::disable(tx, id, now)).expect("disabled");
        let after = NewSession { epoch: 2, ..new_session(t, &ada) };
        assert!(at_once(t, &after).await.is_none(), "disabled");
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions").await, MAX_PER_USER / 2);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM audit_events").await, 0);
    }
}

async fn at_once(t: &TestStore, new: &NewSession) -> Option<Grant> {
    t.store.create_at_once(new, &started(t, new)).await.expect("answered")
}
