//! API tokens: changed, renewed, used.

use std::time::Duration;

use portcullis_core::revocation::Revocation;
use portcullis_core::scope::Scopes;
use portcullis_core::time::Timestamp;
use portcullis_core::user::User;
use portcullis_store::api_tokens::{self, ApiTokenView, NewApiToken, Update};
use portcullis_store::revocations::{self, Span};
use portcullis_store::token_uses::{self, TokenUse};
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::api_tokens::{is_accepted, make_token};
use crate::support::{make_user, parallel};

const EVERY: Duration = Duration::from_mins(5);

/// A change of nothing.
fn no_change(t: &TestStore, token: &NewApiToken) -> Update {
    let (id, user, now) = (token.id, token.user, t.now());
    Update { id, user, name: None, description: None, scopes: None, generation: 1, now }
}

async fn update(t: &TestStore, change: &Update) -> Option<ApiTokenView> {
    commit!(t.store, [change] tx => api_tokens::update(tx, &change)).expect("answered, not an error")
}

async fn view(t: &TestStore, token: &NewApiToken) -> ApiTokenView {
    t.store.api_token(token.id, token.user, t.now()).await.expect("read").expect("there")
}

fn scopes(text: &str) -> Scopes {
    Scopes::from_stored(text)
}

/// Gives the tokens of `user` a new generation and ends the last one; whether that was committed.
async fn renew(t: &TestStore, store: &portcullis_store::Store, user: &User) {
    let (user, span) = (user.id, Span { now: t.now(), expires_at: t.now() + EVERY });
    commit!(store, [] tx => async move {
        api_tokens::renew_all(tx, user).await?;
        revocations::append_api_tokens(tx, user, span).await
    })
    .expect("committed");
}

/// What stands in the list about `token`.
async fn ended_upto(t: &TestStore, token: &NewApiToken) -> Vec<Option<u32>> {
    let all = t.store.revocations(0, Timestamp::from_micros(0), t.now()).await.expect("read");
    let of = |entry: Revocation| (entry.session == token.id.uuid()).then_some(entry.upto);
    all.into_iter().filter_map(|entry| of(entry.revocation)).collect()
}

contract! {
    async fn only_what_is_given_changes(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let token = make_token(t, &ada).await;
        let named = update(t, &Update { name: Some("new".into()), ..no_change(t, &token) }).await.expect("done");
        assert_eq!((named.name.as_str(), &named.description, &named.scopes), ("new", &token.description, &token.scopes));
        assert_eq!(named.generation, 1, "what was made of it is as good as before");
        let bare = update(t, &Update { description: Some(None), ..no_change(t, &token) }).await.expect("done");
        assert_eq!((bare.name.as_str(), bare.description, bare.generation), ("new", None, 1));
        let fewer = update(t, &Update { scopes: Some(scopes("read")), ..no_change(t, &token) }).await.expect("done");
        assert_eq!((fewer.scopes, fewer.generation), (Some(scopes("read")), 2));
        assert_eq!(view(t, &token).await.generation, 2);
        let none = Update { scopes: Some(scopes("")), generation: 2, ..no_change(t, &token) };
        assert_eq!(update(t, &none).await.expect("done").scopes, Some(scopes("")), "none is not unrestricted");
    }

    async fn scopes_are_written_only_as_they_were_read(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let token = make_token(t, &ada).await;
        let changes: Vec<_> = ["read", "write"]
            .map(|text| Update { scopes: Some(scopes(text)), ..no_change(t, &token) })
            .into_iter()
            .collect();
        let done = parallel(2, |at| {
            let (store, change) = (t.store.clone(), changes[at].clone());
            async move {
                commit!(store, [change] tx => api_tokens::update(tx, &change)).expect("answered").is_some()
            }
        })
        .await;
        assert_ne!(done[0], done[1], "one of them has read what was true no more");
        assert_eq!(view(t, &token).await.generation, 2);
    }

    async fn two_who_change_different_things_both_do(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let token = make_token(t, &ada).await;
        let changes = [
            Update { name: Some("new".into()), ..no_change(t, &token) },
            Update { description: Some(Some("told".into())), ..no_change(t, &token) },
            Update { scopes: Some(scopes("read")), ..no_change(t, &token) },
        ];
        let done = parallel(3, |at| {
            let (store, change) = (t.store.clone(), changes[at].clone());
            async move {
                commit!(store, [change] tx => api_tokens::update(tx, &change)).expect("answered").is_some()
            }
        })
        .await;
        assert_eq!(done, [true; 3]);
        let after = view(t, &token).await;
        assert_eq!((after.name.as_str(), after.description.as_deref()), ("new", Some("told")));
        assert_eq!((after.scopes, after.generation), (Some(scopes("read")), 2));
    }

    async fn expired_revoked_and_foreign_ones_do_not_change(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (expired, revoked, foreign) =
            (make_token(t, &ada).await, make_token(t, &ada).await, make_token(t, &bob).await);
        let (id, user, now) = (revoked.id, ada.id, t.now());
        commit!(t.store, [] tx => api_tokens::revoke(tx, id, user, now)).expect("revoked");
        let name = Some("new".to_owned());
        let late = Update { now: expired.expires_at, name: name.clone(), ..no_change(t, &expired) };
        assert!(update(t, &late).await.is_none());
        assert!(update(t, &Update { name: name.clone(), ..no_change(t, &revoked) }).await.is_none());
        assert!(update(t, &Update { user: ada.id, name, ..no_change(t, &foreign) }).await.is_none());
    }

    async fn a_renewed_token_ends_what_was_made_of_it(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (token, other) = (make_token(t, &ada).await, make_token(t, &bob).await);
        renew(t, &t.store, &ada).await;
        assert_eq!((view(t, &token).await.generation, view(t, &other).await.generation), (2, 1));
        assert_eq!(ended_upto(t, &token).await, [Some(1)]);
        assert!(ended_upto(t, &other).await.is_empty());
        assert!(is_accepted(t, &token).await);
    }

    async fn no_generation_slips_past_a_renewal(t: &TestStore) {
        for round in 0..8 {
            let ada = make_user(t, &format!("ada{round}")).await;
            let token = make_token(t, &ada).await;
            let narrow = Update { scopes: Some(scopes("read")), ..no_change(t, &token) };
            let span = Span { now: t.now(), expires_at: t.now() + EVERY };
            let narrowing = async {
                commit!(t.store, [narrow] tx => async move {
                    let done = api_tokens::update(tx, &narrow).await?;
                    if done.is_some() {
                        revocations::append_upto(tx, narrow.id.uuid(), narrow.generation, span).await?;
                    }
                    Ok(done)
                })
            };
            let other = t.another().await;
            let (narrowed, ()) = tokio::join!(narrowing, renew(t, &other, &ada));
            narrowed.expect("committed");
            let generation = view(t, &token).await.generation;
            let ended = ended_upto(t, &token).await.into_iter().flatten().max();
            assert_eq!(ended, Some(generation - 1), "all before the last one are ended");
        }
    }

    async fn a_use_is_written_once_in_five_minutes_whichever_node_sees_it(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let token = make_token(t, &ada).await;
        let note = async |after: u64, address: Option<&str>| {
            let at = token.now + Duration::from_secs(after);
            let used = TokenUse { id: token.id, at, address: address.map(str::to_owned) };
            let elsewhere = commit!(t.store, [used] tx => token_uses::note(tx, &used, EVERY)).expect("noted");
            (elsewhere, view(t, &token).await.last_used_at.map(|at| at.since(token.now).as_secs()))
        };
        assert_eq!(note(10, Some("192.0.2.1")).await, (false, Some(10)), "the first comes from nowhere else");
        assert_eq!(note(309, Some("192.0.2.1")).await, (false, Some(10)));
        assert_eq!(note(310, Some("192.0.2.1")).await, (false, Some(310)));
        assert_eq!(note(320, Some("192.0.2.2")).await, (true, Some(320)), "another address is told at once");
        assert_eq!(note(320, Some("192.0.2.2")).await, (false, Some(320)), "by one node");
        assert_eq!(note(319, Some("192.0.2.3")).await, (false, Some(320)), "no use goes back in time");
        assert_eq!(note(400, None).await, (false, Some(320)), "from nobody knows where is from nowhere else");
        assert_eq!(note(700, None).await, (false, Some(700)), "the last known address is kept:");
        let presented = t.store.presented_token(token.digest, t.now()).await.expect("read").expect("live");
        assert_eq!(presented.last_address.as_deref(), Some("192.0.2.2"));
    }

    async fn an_operator_revokes_whoever_it_belongs_to(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (one, two, three) =
            (make_token(t, &ada).await, make_token(t, &ada).await, make_token(t, &ada).await);
        let (id, user, now) = (one.id, ada.id, t.now());
        let any = || async move { commit!(t.store, [] tx => api_tokens::revoke_any(tx, id, now)).expect("done") };
        assert_eq!((any().await, any().await), (Some(ada.id), None));
        let mut rest: Vec<Uuid> =
            commit!(t.store, [] tx => api_tokens::revoke_all(tx, user, now)).expect("revoked");
        rest.sort_unstable();
        let mut expected = [two.id.uuid(), three.id.uuid()];
        expected.sort_unstable();
        assert_eq!(rest, expected);
        assert!(!is_accepted(t, &two).await && !is_accepted(t, &three).await);
    }
}
