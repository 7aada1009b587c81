//! The list of revocations: whoever follows it by cursor misses nothing, whoever writes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_core::revocation::{Numbered, Revocation};
use portcullis_core::session::EndCause;
use portcullis_core::time::Timestamp;
use portcullis_store::Store;
use portcullis_store::revocations::{self, Span};
use portcullis_store::sessions::{self, End};
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::support::{make_session, make_user, parallel, rotation};

const LIFE: Duration = Duration::from_mins(17);

contract! {
    async fn entries_come_in_the_order_of_their_numbers(t: &TestStore) {
        let span = span(t);
        assert_eq!(after(&t.store, 0, t.now()).await, (0, vec![]));
        let ids = [Uuid::from_u128(2), Uuid::from_u128(1)];
        for id in ids {
            commit!(t.store, [] tx => revocations::append(tx, id, span)).expect("appended");
        }
        let third = Uuid::from_u128(3);
        commit!(t.store, [] tx => revocations::append_upto(tx, third, 5, span)).expect("appended");
        let (highest, entries) = after(&t.store, 0, t.now()).await;
        let expected = [(ids[0], None), (ids[1], None), (third, Some(5))].map(|(session, upto)| Revocation {
            session,
            upto,
            expires_at: span.expires_at,
        });
        assert_eq!(entries, expected);
        assert_eq!(after(&t.store, highest, t.now()).await, (highest, vec![]));
        let (again, last) = after(&t.store, highest - 1, t.now()).await;
        assert_eq!((again, last), (highest, expected[2..].to_vec()));
    }

    async fn where_the_list_ends_is_always_told(t: &TestStore) {
        assert_eq!(t.store.revocations(0, Timestamp::FAR_FUTURE, t.now()).await.expect("read"), vec![]);
        let span = span(t);
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        commit!(t.store, [] tx => revocations::append(tx, one, span)).expect("appended");
        commit!(t.store, [] tx => revocations::append(tx, two, span)).expect("appended");
        let (highest, _) = after(&t.store, 0, t.now()).await;
        for (cursor, now) in [(highest, t.now()), (highest + 7, t.now()), (0, span.expires_at)] {
            let look = t.store.revocations(cursor, Timestamp::FAR_FUTURE, now).await.expect("read");
            let told: Vec<_> = look.iter().map(|entry| (entry.number, entry.revocation.session)).collect();
            assert_eq!(told, [(highest, two)]);
        }
    }

    async fn recent_entries_are_told_again_and_expired_ones_never(t: &TestStore) {
        let early = span(t);
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        commit!(t.store, [] tx => revocations::append(tx, one, early)).expect("appended");
        t.clock.advance(Duration::from_mins(2));
        let late = span(t);
        commit!(t.store, [] tx => revocations::append(tx, two, late)).expect("appended");
        let (highest, _) = after(&t.store, 0, t.now()).await;
        let since = t.now() - Duration::from_mins(1);
        let recent = t.store.revocations(highest, since, t.now()).await.expect("read");
        let told: Vec<_> = recent.iter().map(|entry| (entry.number, entry.revocation.session)).collect();
        assert_eq!(told, [(highest, two)]);
        let (_, left) = after(&t.store, 0, early.expires_at).await;
        assert_eq!(left.iter().map(|entry| entry.session).collect::<Vec<_>>(), [two]);
    }

    async fn a_user_is_revoked_up_to_each_sessions_generation(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (one, _) = make_session(t, &ada).await;
        let (two, _) = make_session(t, &ada).await;
        let (ended, _) = make_session(t, &ada).await;
        make_session(t, &bob).await;
        t.store.rotate(rotation(t, &two, 1)).await.expect("rotated").expect("won");
        let (user, id, now, span) = (ada.id, ended.id, t.now(), span(t));
        commit!(t.store, [] tx => async move {
            sessions::end(tx, End::Any(id), now, EndCause::Logout).await?;
            revocations::append_user(tx, user, span).await
        })
        .expect("appended");
        let (_, entries) = after(&t.store, 0, t.now()).await;
        let told: HashSet<_> = entries.iter().map(|entry| (entry.session, entry.upto)).collect();
        assert_eq!(told, HashSet::from([(one.id.uuid(), Some(1)), (two.id.uuid(), Some(2))]));
    }

    async fn what_one_transaction_has_ended_is_revoked_whole(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (before, _) = make_session(t, &ada).await;
        let (id, now) = (before.id, t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
        t.clock.advance(Duration::from_secs(1));
        let (one, _) = make_session(t, &ada).await;
        let (two, _) = make_session(t, &ada).await;
        let (kept, _) = make_session(t, &ada).await;
        let (foreign, _) = make_session(t, &bob).await;
        t.store.rotate(rotation(t, &two, 1)).await.expect("rotated").expect("won");
        let (user, other, now, span) = (ada.id, foreign.id, t.now(), span(t));
        commit!(t.store, [] tx => async move {
            sessions::end(tx, End::Any(other), now, EndCause::Logout).await?;
            let ended = sessions::end_all(tx, user, Some(kept.id), now, EndCause::PasswordChanged).await?;
            revocations::append_all(tx, &ended, span).await
        })
        .expect("appended");
        let (_, entries) = after(&t.store, 0, t.now()).await;
        assert!(entries.iter().all(|entry| entry.expires_at == span.expires_at));
        let told: HashSet<_> = entries.iter().map(|entry| (entry.session, entry.upto)).collect();
        assert_eq!(told, HashSet::from([(one.id.uuid(), None), (two.id.uuid(), None)]));
        assert_eq!(entries.len(), 2);
    }

    async fn who_has_ended_nothing_revokes_nothing(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        make_session(t, &ada).await;
        let span = span(t);
        commit!(t.store, [] tx => revocations::append_all(tx, &[], span)).expect("answered");
        assert_eq!(after(&t.store, 0, t.now()).await, (0, vec![]));
    }

    async fn expired_entries_but_the_last_are_purged_and_numbers_never_come_again(t: &TestStore) {
        let early = span(t);
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for id in [one, one] {
            commit!(t.store, [] tx => revocations::append(tx, id, early)).expect("appended");
        }
        let (highest, _) = after(&t.store, 0, t.now()).await;
        let (before, at) = (early.expires_at - Duration::from_micros(1), early.expires_at);
        assert_eq!(commit!(t.store, [] tx => revocations::purge(tx, before)).expect("purged"), 0);
        for gone in [1, 0] {
            assert_eq!(commit!(t.store, [] tx => revocations::purge(tx, at)).expect("purged"), gone);
        }
        commit!(t.store, [] tx => revocations::append(tx, two, early)).expect("appended");
        let (next, entries) = after(&t.store, highest, t.now()).await;
        assert!(next > highest, "a cursor of before must still work");
        assert_eq!(entries.len(), 1);
    }

    async fn a_reader_with_a_cursor_misses_none_of_twenty_writers(t: &TestStore) {
        let (reader, written) = (t.another().await, Arc::new(AtomicBool::new(false)));
        let (now, span) = (t.now(), span(t));
        let reading = tokio::spawn({
            let written = written.clone();
            async move {
                let (mut cursor, mut seen) = (0, Vec::new());
                loop {
                    // Asked before the read: what was committed by then must be in it.
                    let last = written.load(Ordering::SeqCst);
                    let (next, entries) = after(&reader, cursor, now).await;
                    cursor = next;
                    seen.extend(entries.into_iter().map(|entry| entry.session));
                    if last {
                        return seen;
                    }
                }
            }
        });
        let nodes = [t.store.clone(), t.another().await];
        parallel(20, |writer| {
            let store = nodes[writer % 2].clone();
            async move {
                for at in 0..10 {
                    let id = Uuid::from_u128((writer * 1_000 + at) as u128);
                    commit!(store, [] tx => revocations::append(tx, id, span)).expect("appended");
                }
            }
        })
        .await;
        written.store(true, Ordering::SeqCst);
        let seen = reading.await.expect("no panic");
        assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (200, 200));
    }
}

fn span(t: &TestStore) -> Span {
    Span { now: t.now(), expires_at: t.now() + LIFE }
}

/// What a cursor alone finds, and the next cursor.
async fn after(store: &Store, cursor: i64, now: Timestamp) -> (i64, Vec<Revocation>) {
    let look = store.revocations(cursor, Timestamp::FAR_FUTURE, now).await.expect("read");
    let highest = look.last().map_or(cursor, |last| last.number);
    let new = look.into_iter().filter(|entry: &Numbered| entry.number > cursor);
    (highest, new.map(|entry| entry.revocation).filter(|entry| entry.expires_at > now).collect())
}
