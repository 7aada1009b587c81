//! Places in the status lists: one a session, never the same twice, another one when its tokens so far are ended.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use portcullis_core::session::{EndCause, Grant};
use portcullis_core::status_list::StatusIndex;
use portcullis_core::time::Timestamp;
use portcullis_core::user::User;
use portcullis_store::revocations::{self, Span};
use portcullis_store::sessions::{self, End, NewSession, Slice};
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::support::{create, judged, make_session, make_user, new_session, number, rotation};

async fn listed(t: &TestStore, user: &User) -> (NewSession, StatusIndex) {
    let new = NewSession { status: true, ..new_session(t, user) };
    let (grant, _) = create(&t.store, &new).await.expect("committed").expect("the epoch holds");
    (new, grant.status_index.expect("it has a place"))
}

/// What the list of revocations says, by session: in the order of the numbers.
async fn told(t: &TestStore) -> Vec<(Uuid, Option<u32>, Option<StatusIndex>)> {
    let look = t.store.revocations(0, Timestamp::FAR_FUTURE, t.now()).await.expect("read");
    look.iter().map(|entry| (entry.revocation.session, entry.revocation.upto, entry.status_index)).collect()
}

fn span(t: &TestStore) -> Span {
    Span { now: t.now(), expires_at: t.now() + Duration::from_mins(17) }
}

contract! {
    async fn a_session_has_a_place_of_its_own_if_it_is_to_have_one(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (plain, grant) = make_session(t, &ada).await;
        assert_eq!(grant.status_index, None);
        assert_eq!(t.store.highest_status_index().await.expect("read"), None);
        let mut places = Vec::new();
        for _ in 0..5 {
            let (new, place) = listed(t, &ada).await;
            assert_eq!(judged(t, new.id).await.grant.status_index, Some(place));
            places.push(place);
        }
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!(places.iter().collect::<HashSet<_>>().len(), 5);
        assert_eq!(t.store.highest_status_index().await.expect("read"), places.last().copied());
        assert_eq!(judged(t, plain.id).await.grant.status_index, None);
    }

    async fn a_rotation_leaves_it_where_it_is(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, place) = listed(t, &ada).await;
        let rotated = t.store.rotate(rotation(t, &new, 1)).await.expect("rotated").expect("won");
        assert_eq!((rotated.generation, rotated.status_index), (2, Some(place)));
        let ahead = rotation(t, &new, 7);
        let grant: Option<Grant> =
            commit!(t.store, [ahead] tx => sessions::rotate_ahead(tx, &ahead)).expect("rotated");
        assert_eq!(grant.and_then(|grant| grant.status_index), Some(place));
    }

    async fn a_session_that_ends_ends_at_its_place(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let ((one, first), (two, second)) = (listed(t, &ada).await, listed(t, &ada).await);
        let (plain, _) = make_session(t, &ada).await;
        let (id, user, now, span) = (one.id, ada.id, t.now(), span(t));
        let token = Uuid::from_u128(7);
        commit!(t.store, [] tx => async move {
            sessions::end(tx, End::Any(id), now, EndCause::Logout).await?;
            revocations::append_all(tx, &[id.uuid(), token], span).await
        })
        .expect("ended");
        assert_eq!(told(t).await, [(id.uuid(), None, Some(first)), (token, None, None)]);
        t.clock.advance(Duration::from_secs(1));
        let now = t.now();
        let later = Span { now, ..span };
        commit!(t.store, [] tx => async move {
            let ended = sessions::end_all(tx, user, None, now, EndCause::LogoutEverywhere).await?;
            revocations::append_all(tx, &ended, later).await
        })
        .expect("ended");
        let ended: HashSet<_> = told(t).await.into_iter().skip(2).collect();
        assert_eq!(ended, HashSet::from([(two.id.uuid(), None, Some(second)), (plain.id.uuid(), None, None)]));
    }

    async fn a_session_whose_row_is_gone_still_ends_at_its_place(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, place) = listed(t, &ada).await;
        crate::support::execute(&t.store, "DELETE FROM sessions").await;
        let (id, span) = (new.id.uuid(), span(t));
        commit!(t.store, [] tx => revocations::append(tx, id, span)).expect("appended");
        assert_eq!(told(t).await, [(id, None, Some(place))]);
    }

    async fn who_lives_on_without_its_tokens_gets_another_place(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, old) = listed(t, &ada).await;
        let (id, span) = (new.id.uuid(), span(t));
        let next = commit!(t.store, [] tx => revocations::append_upto(tx, id, 1, span)).expect("appended");
        let next = next.expect("it had one");
        assert!(next > old);
        assert_eq!(judged(t, new.id).await.grant.status_index, Some(next));
        commit!(t.store, [] tx => revocations::append(tx, id, span)).expect("appended");
        assert_eq!(told(t).await, [(id, Some(1), Some(old)), (id, None, Some(next))]);
        let (plain, _) = make_session(t, &ada).await;
        let id = plain.id.uuid();
        let none = commit!(t.store, [] tx => revocations::append_upto(tx, id, 1, span)).expect("appended");
        assert_eq!((none, judged(t, plain.id).await.grant.status_index), (None, None));
    }

    async fn a_user_is_moved_with_all_live_sessions_and_nobody_else(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (mut own, mut before) = (Vec::new(), HashMap::new());
        for _ in 0..3 {
            let (new, place) = listed(t, &ada).await;
            own.push(new.id);
            before.insert(new.id.uuid(), place);
        }
        let (ended, plain, foreign) = (own[2], make_session(t, &ada).await.0, listed(t, &bob).await);
        let (user, now, span) = (ada.id, t.now(), span(t));
        commit!(t.store, [] tx => async move {
            sessions::end(tx, End::Any(ended), now, EndCause::Logout).await?;
            revocations::append_user(tx, user, span).await
        })
        .expect("appended");
        let told: HashMap<_, _> = told(t).await.into_iter().map(|(id, _, place)| (id, place)).collect();
        let expected = own[..2].iter().map(|id| (id.uuid(), before.get(&id.uuid()).copied()));
        assert_eq!(told, expected.chain([(plain.id.uuid(), None)]).collect());
        let mut places = HashSet::from([foreign.1]);
        for id in &own[..2] {
            places.insert(judged(t, *id).await.grant.status_index.expect("it has one"));
        }
        assert_eq!(places.len(), 3);
        assert!(before.values().all(|old| !places.contains(old)), "{before:?} {places:?}");
        assert_eq!(judged(t, ended).await.grant.status_index, before.get(&ended.uuid()).copied());
        assert_eq!(judged(t, plain.id).await.grant.status_index, None);
        assert_eq!(judged(t, foreign.0.id).await.grant.status_index, Some(foreign.1));
    }

    async fn places_are_forgotten_with_their_sessions_and_never_given_again(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let mut places = Vec::new();
        let mut ids = Vec::new();
        for _ in 0..3 {
            t.clock.advance(Duration::from_millis(2));
            let (new, place) = listed(t, &ada).await;
            ids.push(new.id);
            places.push(place);
        }
        let (last, now) = (ids[2], t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(last), now, EndCause::Logout)).expect("ended");
        let slice = Slice { after: Uuid::nil(), length: 100 };
        commit!(t.store, [] tx => sessions::purge(tx, slice, now)).expect("purged");
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM status_indexes").await, 2);
        assert_eq!(t.store.highest_status_index().await.expect("read"), Some(places[1]));
        let (_, next) = listed(t, &ada).await;
        assert!(next > places[2], "{next:?} {places:?}");
    }
}
