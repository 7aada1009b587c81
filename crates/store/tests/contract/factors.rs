//! Which factors a user has, and what follows a change of that.

use std::time::Duration;

use portcullis_core::factor::{Factor, Factors};
use portcullis_core::refresh_token::SecretHash;
use portcullis_core::server_key::KeyId;
use portcullis_core::session::Grant;
use portcullis_core::user::User;
use portcullis_store::StoreError;
use portcullis_store::factors::{self, Change, StepUp};
use portcullis_store::revocations::Span;
use portcullis_store::sessions::Renewal;
use portcullis_testkit::TestStore;

use crate::support::{IDLE, create, judged, make_session, make_user, new_session, parallel};

fn change(t: &TestStore, user: &User) -> Change {
    Change { user: user.id, epoch: user.credential_epoch, now: t.now() }
}

fn span(t: &TestStore) -> Span {
    Span { now: t.now(), expires_at: t.now() + Duration::from_mins(15) }
}

fn step_up(t: &TestStore, grant: &Grant) -> StepUp {
    let renewal = Renewal {
        session: grant.session,
        user: grant.user,
        secret_hash: SecretHash([9; 32]),
        key_id: KeyId(8),
        now: t.now(),
        idle_ends_at: t.now() + IDLE,
    };
    StepUp { renewal, methods: vec!["pwd".into(), "otp".into(), "mfa".into()] }
}

contract! {
    async fn a_factor_moves_the_epoch_and_sessions_live_on(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (_, here) = make_session(t, &ada).await;
        let (other, elsewhere) = make_session(t, &ada).await;
        let late = new_session(t, &ada);
        t.clock.advance(Duration::from_secs(5));
        let (change, span, step) = (change(t, &ada), span(t), step_up(t, &here));
        let grant = commit!(t.store, [step] tx => async {
            let factors = factors::add(tx, change, Factor::Totp).await?.expect("the epoch holds");
            factors::settle(tx, change.user, factors, Some(&step), span).await
        });
        let grant = grant.expect("committed").expect("the session lives");
        assert_eq!((grant.generation, grant.methods.len()), (2, 3));
        assert_eq!((grant.authenticated_at, grant.factors), (t.now(), Factors::NONE.with(Factor::Totp)));
        let user = t.store.user(ada.id).await.expect("read").expect("there");
        assert_eq!(user.factors, Factors::NONE.with(Factor::Totp));
        assert_eq!((user.credential_epoch, user.version), (ada.credential_epoch + 1, ada.version + 1));
        // The other session has the set, too, and its tokens so far end; here those before the newest.
        assert_eq!(judged(t, other.id).await.grant.factors, user.factors);
        let entries = t.store.revocations(0, t.now(), t.now()).await.expect("read");
        let mut ended: Vec<_> =
            entries.iter().map(|entry| (entry.revocation.session, entry.revocation.upto)).collect();
        ended.sort_unstable();
        let mut expected = vec![(here.session.uuid(), Some(1)), (elsewhere.session.uuid(), Some(1))];
        expected.sort_unstable();
        assert_eq!(ended, expected);
        // Whoever had proved who they are before it does not get a session any more.
        assert!(create(&t.store, &late).await.expect("answered").is_none());
    }

    async fn of_twenty_changes_at_once_one_is_made(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let change = change(t, &ada);
        let done = parallel(20, |number| {
            let store = t.store.clone();
            let factor = if number % 2 == 0 { Factor::Totp } else { Factor::Passkey };
            async move { commit!(store, [] tx => factors::add(tx, change, factor)).expect("answered") }
        })
        .await;
        assert_eq!(done.iter().flatten().count(), 1);
        let user = t.store.user(ada.id).await.expect("read").expect("there");
        assert_eq!(user.credential_epoch, ada.credential_epoch + 1);
    }

    async fn factors_are_taken_away_one_by_one_or_all(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        for (number, factor) in [Factor::Totp, Factor::Passkey].into_iter().enumerate() {
            let change = Change { epoch: ada.credential_epoch + number as i64, ..change(t, &ada) };
            commit!(t.store, [] tx => factors::add(tx, change, factor)).expect("written").expect("done");
        }
        let next = Change { epoch: ada.credential_epoch + 2, ..change(t, &ada) };
        let left = commit!(t.store, [] tx => factors::remove(tx, next, Some(Factor::Totp))).expect("written");
        assert_eq!(left, Some(Factors::NONE.with(Factor::Passkey)));
        let next = Change { epoch: next.epoch + 1, ..next };
        let left = commit!(t.store, [] tx => factors::remove(tx, next, None)).expect("written");
        assert_eq!(left, Some(Factors::NONE));
        assert_eq!(commit!(t.store, [] tx => factors::remove(tx, next, None)).expect("written"), None);
    }

    async fn a_session_that_has_ended_changes_nothing(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (_, mut here) = make_session(t, &ada).await;
        here.session = portcullis_core::ids::SessionId::new(t.now(), &*t.random);
        let (change, span, step) = (change(t, &ada), span(t), step_up(t, &here));
        let done = commit!(t.store, [step] tx => async {
            let factors = factors::add(tx, change, Factor::Totp).await?.expect("the epoch holds");
            factors::settle(tx, change.user, factors, Some(&step), span).await
        });
        assert!(matches!(done, Err(StoreError::Refused)));
        assert!(t.store.user(ada.id).await.expect("read").expect("there").factors.is_empty());
    }
}
