//! Who belongs to an account: joined once, left only by whom others stay behind, and everywhere said as it is.

use portcullis_core::ids::UserId;
use portcullis_core::subscription::{Phase, Plan, Subscription};
use portcullis_core::user::{Role, User};
use portcullis_store::accounts::{self, NewAccount};
use portcullis_store::members::{self, Leaving, Switch};
use portcullis_store::users::{Home, NewUser};
use portcullis_store::{Store, StoreError, subscriptions};
use portcullis_testkit::TestStore;

use crate::support::{insert, judged, make_session, make_user, new_account, new_user, number, parallel};

fn role(word: &str) -> Role {
    Role::from_stored(word)
}

fn account_of(user: &User) -> portcullis_core::ids::AccountId {
    user.account.as_ref().expect("has one").0
}

async fn join(t: &TestStore, account: &User, user: &User, word: &str) -> bool {
    let (pair, role, now) = ((account_of(account), user.id), role(word), t.now());
    commit!(t.store, [role] tx => members::join(tx, pair, &role, now)).expect("committed")
}

/// `user` leaves the account of `account`, held as whoever changes it holds it.
async fn leave(
    store: &Store,
    t: &TestStore,
    (account, user): (&User, &User),
    how: Leaving,
) -> Option<Vec<UserId>> {
    let (pair, spare, now) = ((account_of(account), user.id), new_account(t, "spare"), t.now());
    commit!(store, [spare] tx => async move {
        accounts::hold(tx, pair.0).await?;
        members::leave(tx, pair, how, &spare, now).await
    })
    .expect("committed")
}

async fn read(t: &TestStore, user: &User) -> User {
    t.store.user(user.id).await.expect("read").expect("there")
}

contract! {
    async fn accounts_read_back_with_what_they_have_subscribed_to(t: &TestStore) {
        let plan = Plan::from_stored("pro".into());
        let trial = Subscription { plan, phase: Phase::Trial { ends_at: t.now() }, started_at: t.now() };
        let home = NewAccount { subscription: Some(trial.clone()), ..new_account(t, "Engines") };
        let new = NewUser { home: Home::Own(home.clone()), ..new_user(t, "ada") };
        insert(&t.store, &new).await.expect("inserted");
        let found = t.store.account(home.id).await.expect("read").expect("there");
        assert_eq!((found.name.as_str(), found.display_code.as_str()), ("Engines", home.display_codes[0].as_str()));
        assert_eq!((found.subscription.as_ref(), found.created_at), (Some(&trial), t.now()));
        assert_eq!(t.store.subscription(home.id).await.expect("read"), Some(trial));
        let paid = Subscription { plan: Plan::from_stored("max".into()), phase: Phase::Active { ends_at: None }, started_at: t.now() };
        let id = home.id;
        assert!(commit!(t.store, [paid] tx => subscriptions::put(tx, id, &paid)).expect("committed"));
        assert_eq!(t.store.accounts(None, 5).await.expect("read")[0].subscription, Some(paid.clone()));
        let mine = t.store.accounts_of(new.id, None, 5).await.expect("read");
        assert_eq!((mine.len(), &mine[0].role, &mine[0].account.subscription), (1, &role("owner"), &Some(paid.clone())));
        assert!(t.store.account_of(id, UserId::from_uuid(uuid::Uuid::nil())).await.expect("read").is_none());
        assert!(commit!(t.store, [] tx => subscriptions::delete(tx, id)).expect("committed"));
        assert!(!commit!(t.store, [] tx => subscriptions::delete(tx, id)).expect("committed"));
        let nowhere = new_account(t, "never made").id;
        assert!(!commit!(t.store, [paid] tx => subscriptions::put(tx, nowhere, &paid)).expect("committed"));
        assert!(commit!(t.store, [] tx => accounts::rename(tx, id, "Other")).expect("committed"));
        assert!(!commit!(t.store, [] tx => accounts::rename(tx, nowhere, "Other")).expect("committed"));
        assert!(!commit!(t.store, [] tx => accounts::delete(tx, id)).expect("committed"), "somebody belongs to it");
    }

    async fn whoever_is_made_in_an_account_that_is_gone_is_not_made(t: &TestStore) {
        let gone = new_account(t, "never made").id;
        let new = NewUser { home: Home::Joined(gone, role("member")), ..new_user(t, "ada") };
        assert!(matches!(insert(&t.store, &new).await, Err(StoreError::Refused)));
        assert_eq!(t.store.count_users().await.expect("counted"), 0);
        let bob = make_user(t, "bob").await;
        let there = NewUser { home: Home::Joined(account_of(&bob), role("engineer")), ..new_user(t, "ada") };
        insert(&t.store, &there).await.expect("inserted");
        let ada = t.store.user(there.id).await.expect("read").expect("there");
        assert_eq!(ada.account, Some((account_of(&bob), role("engineer"))));
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM accounts").await, 1);
    }

    async fn a_member_joins_once_and_a_change_of_role_reaches_their_sessions(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        assert!(join(t, &ada, &bob, "member").await);
        assert!(!join(t, &ada, &bob, "owner").await, "a member already");
        let pair = (account_of(&ada), bob.id);
        assert_eq!(t.store.member_role(pair).await.expect("read"), Some(role("member")));
        let (session, _) = make_session(t, &bob).await;
        let now = t.now();
        let over = Switch { session: session.id.uuid(), user: bob.id, account: pair.0, home: true, now };
        assert_eq!(commit!(t.store, [] tx => members::switch(tx, &over)).expect("committed"), Some(1));
        assert_eq!(judged(t, session.id).await.grant.account, Some((pair.0, role("member"))));
        let to = role("admin");
        assert!(commit!(t.store, [to] tx => members::set_role(tx, pair, &to, now)).expect("committed"));
        assert_eq!(judged(t, session.id).await.grant.account, Some((pair.0, role("admin"))));
        assert_eq!(read(t, &bob).await.account, Some((pair.0, role("admin"))));
        let listed = t.store.members(pair.0, None, 10).await.expect("read");
        assert_eq!(listed.iter().map(|member| member.role.as_str()).collect::<Vec<_>>(), ["owner", "admin"]);
        // Out of it again: to where they were before.
        assert_eq!(leave(&t.store, t, (&ada, &bob), Leaving::Behind).await, Some(vec![bob.id]));
        assert_eq!(judged(t, session.id).await.grant.account, bob.account);
        assert_eq!(read(t, &bob).await.account, bob.account);
        assert_eq!(commit!(t.store, [] tx => members::switch(tx, &over)).expect("committed"), None);
        assert_eq!(leave(&t.store, t, (&ada, &bob), Leaving::Behind).await, None, "no member");
    }

    async fn the_last_owner_stays_and_takes_an_empty_account_along(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        join(t, &ada, &bob, "admin").await;
        let (pair, now, to) = ((account_of(&ada), ada.id), t.now(), role("admin"));
        assert_eq!(leave(&t.store, t, (&ada, &ada), Leaving::Behind).await, None);
        assert_eq!(leave(&t.store, t, (&ada, &ada), Leaving::Empty).await, None, "bob belongs to it");
        assert!(!commit!(t.store, [to] tx => members::set_role(tx, pair, &to, now)).expect("committed"));
        leave(&t.store, t, (&ada, &bob), Leaving::Behind).await.expect("no owner");
        let (session, _) = make_session(t, &ada).await;
        assert_eq!(leave(&t.store, t, (&ada, &ada), Leaving::Empty).await, Some(vec![ada.id]));
        assert!(commit!(t.store, [] tx => accounts::delete(tx, pair.0)).expect("committed"));
        let (home, own) = read(t, &ada).await.account.expect("a spare one");
        assert_eq!((own, t.store.account(home).await.expect("read").expect("made").name.as_str()), (role("owner"), "spare"));
        assert_eq!(judged(t, session.id).await.grant.account.expect("one").0, home);
    }

    async fn of_five_owners_who_leave_side_by_side_one_stays(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let mut owners = vec![ada.clone()];
        for name in ["bob", "cyd", "dan", "eve"] {
            let other = make_user(t, name).await;
            join(t, &ada, &other, "owner").await;
            owners.push(other);
        }
        let nodes = [t.store.clone(), t.another().await];
        let spares: Vec<_> = owners.iter().map(|_| new_account(t, "spare")).collect();
        let left = parallel(5, |at| {
            let (store, spare, now) = (nodes[at % 2].clone(), spares[at].clone(), t.now());
            let pair = (account_of(&ada), owners[at].id);
            async move {
                commit!(store, [spare] tx => async move {
                    accounts::hold(tx, pair.0).await?;
                    members::leave(tx, pair, Leaving::Behind, &spare, now).await
                })
                .expect("committed")
                .is_some()
            }
        })
        .await;
        assert_eq!(left.iter().filter(|left| **left).count(), 4);
        assert_eq!(t.store.members(account_of(&ada), None, 10).await.expect("read").len(), 1);
    }
}
