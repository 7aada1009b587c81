//! Users who go, and what they leave behind.

use std::time::Duration;

use portcullis_core::ids::{AccountId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Role, User};
use portcullis_store::deletions::{self, Deleter, Gone, Stays, Wish};
use portcullis_store::sessions::Asker;
use portcullis_store::users::{self, Disabled};
use portcullis_testkit::TestStore;

use crate::support::{create, execute, make_session, make_user, new_session, number, parallel};

const GRACE: Duration = Duration::from_hours(24);

async fn wish(t: &TestStore, user: &User) -> Wish {
    let session = make_session(t, user).await.0.id;
    let asker = Asker { user: user.id, session };
    Wish { asker, epoch: user.credential_epoch, now: t.now(), due_at: t.now() + GRACE }
}

async fn ask(t: &TestStore, wish: Wish) -> Result<(), Stays> {
    commit!(t.store, [] tx => async move { deletions::ask(tx, &wish).await }).expect("answered, not an error")
}

async fn delete(t: &TestStore, user: UserId, by: Deleter, now: Timestamp) -> Result<Gone, Stays> {
    commit!(t.store, [] tx => deletions::delete(tx, user, by, now)).expect("answered, not an error")
}

async fn keep(t: &TestStore, user: &User, epoch: i64) -> bool {
    let (id, email, now) = (user.id, user.email.clone(), t.now());
    commit!(t.store, [email] tx => async move { deletions::keep(tx, id, (&email, epoch), now).await })
        .expect("answered")
}

fn account(user: &User) -> AccountId {
    user.account.as_ref().expect("of their own").0
}

/// Puts the only users into the account of the first, with these roles.
async fn join_first(t: &TestStore) {
    let joined = "INSERT INTO memberships (user_id, account_id, role, created_at) \
        SELECT u.id, (SELECT account_id FROM users ORDER BY email_key LIMIT 1), 'member', 0 FROM users AS u \
        WHERE u.account_id <> (SELECT account_id FROM users ORDER BY email_key LIMIT 1)";
    execute(&t.store, joined).await;
}

contract! {
    async fn asked_for_kept_and_asked_for_again(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let first = wish(t, &ada).await;
        assert_eq!(ask(t, first).await, Ok(()));
        let gone = t.store.user(ada.id).await.expect("read").expect("there");
        assert!(gone.disabled_at.is_some() && gone.credential_epoch == ada.credential_epoch + 1);
        assert_eq!(t.store.deletion_due(ada.id).await.expect("read"), Some(t.now() + GRACE));
        assert_eq!(t.store.deletions_due((ada.id, ada.id)).await.expect("read"), [(ada.id, t.now() + GRACE)]);
        assert!(create(&t.store, &new_session(t, &ada)).await.expect("answered").is_none(), "no session is made any more");
        assert_eq!(ask(t, first).await, Err(Stays::Moved), "once");
        assert!(!keep(t, &ada, ada.credential_epoch).await, "not by an older epoch");
        assert!(keep(t, &gone, gone.credential_epoch).await);
        assert!(!keep(t, &gone, gone.credential_epoch).await, "once");
        let back = t.store.user(ada.id).await.expect("read").expect("there");
        assert!(back.disabled_at.is_none() && t.store.deletion_due(ada.id).await.expect("read").is_none());
        let second = wish(t, &back).await;
        assert_eq!(ask(t, second).await, Ok(()));
    }

    async fn deleted_when_the_time_has_come_and_not_before(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (kept, _) = make_session(t, &bob).await;
        assert_eq!(ask(t, wish(t, &ada).await).await, Ok(()));
        let due = t.now() + GRACE;
        let before = due - Duration::from_micros(1);
        assert!(t.store.due_deletions(before, 10).await.expect("read").is_empty());
        assert!(matches!(delete(t, ada.id, Deleter::Time, before).await, Err(Stays::Moved)));
        assert!(matches!(delete(t, bob.id, Deleter::Time, due).await, Err(Stays::Moved)), "who did not ask");
        assert_eq!(t.store.due_deletions(due, 10).await.expect("read"), [ada.id]);
        let gone = delete(t, ada.id, Deleter::Time, due).await.expect("deleted");
        assert_eq!((gone.accounts, gone.heirs, gone.ended.len()), (vec![account(&ada)], vec![], 1));
        assert!(t.store.user(ada.id).await.expect("read").is_none());
        assert!(matches!(delete(t, ada.id, Deleter::Time, due).await, Err(Stays::Moved)));
        for (table, left) in [("users", 1), ("accounts", 1), ("memberships", 1), ("sessions", 1), ("deletions", 0)] {
            let count: &'static str = Box::leak(format!("SELECT COUNT(*) FROM {table}").into_boxed_str());
            assert_eq!(number(&t.store, count).await, left, "{table}");
        }
        assert!(t.store.judged(kept.id).await.expect("read").is_some());
    }

    async fn the_last_owner_hands_over_first(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        join_first(t).await;
        assert_eq!(ask(t, wish(t, &ada).await).await, Err(Stays::LastOwner));
        assert!(matches!(delete(t, ada.id, Deleter::Operator, t.now()).await, Err(Stays::LastOwner)));
        let found = t.store.user(ada.id).await.expect("read").expect("there");
        assert!(found.disabled_at.is_none() && found.credential_epoch == ada.credential_epoch, "nothing has changed");
        // Whoever owns nothing there goes.
        assert_eq!(ask(t, wish(t, &bob).await).await, Ok(()));
        // Another owner who is about to go is none.
        execute(&t.store, "UPDATE memberships SET role = 'owner'").await;
        assert_eq!(ask(t, wish(t, &ada).await).await, Err(Stays::LastOwner));
        let bob = t.store.user(bob.id).await.expect("read").expect("there");
        assert!(keep(t, &bob, bob.credential_epoch).await);
        assert_eq!(ask(t, wish(t, &ada).await).await, Ok(()));
    }

    async fn of_two_owners_who_go_at_once_one_stays(t: &TestStore) {
        for round in 0..4 {
            let (one, two) = (make_user(t, &format!("a{round}")).await, make_user(t, &format!("b{round}")).await);
            make_user(t, &format!("c{round}")).await;
            join_first(t).await;
            execute(&t.store, "UPDATE memberships SET role = 'owner' WHERE created_at = 0 \
                AND user_id IN (SELECT id FROM users WHERE email_key LIKE 'b%')").await;
            let wishes = [wish(t, &one).await, wish(t, &two).await];
            let nodes = [t.store.clone(), t.another().await];
            let mut done = parallel(2, |at| {
                let (store, wish) = (nodes[at].clone(), wishes[at]);
                async move { commit!(store, [] tx => async move { deletions::ask(tx, &wish).await }).expect("answered") }
            }).await;
            done.sort_by_key(Result::is_err);
            assert_eq!(done, [Ok(()), Err(Stays::LastOwner)]);
            execute(&t.store, "DELETE FROM users").await;
            execute(&t.store, "DELETE FROM accounts").await;
        }
    }

    async fn who_comes_next_owns_what_the_last_owner_leaves(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        assert_eq!(ask(t, wish(t, &ada).await).await, Ok(()));
        // Meanwhile others have come.
        let (bob, eve) = (make_user(t, "bob").await, make_user(t, "eve").await);
        join_first(t).await;
        execute(&t.store, "UPDATE memberships SET role = 'admin' WHERE created_at = 0 \
            AND user_id IN (SELECT id FROM users WHERE email_key LIKE 'eve%')").await;
        let gone = delete(t, ada.id, Deleter::Time, t.now() + GRACE).await.expect("deleted");
        assert_eq!((gone.accounts, gone.heirs), (vec![], vec![(account(&ada), eve.id)]));
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM memberships WHERE created_at = 0 AND role = 'owner'").await, 1);
        assert!(t.store.user(bob.id).await.expect("read").is_some());
    }

    async fn the_last_administrator_stays(t: &TestStore) {
        let mut admins = Vec::new();
        for name in ["root", "second"] {
            let user = make_user(t, name).await;
            let (id, now) = (user.id, t.now());
            commit!(t.store, [] tx => users::set_role(tx, id, &Role::from_stored(Role::ADMIN), now)).expect("set");
            admins.push(user);
        }
        let (second, now) = (admins[1].id, t.now());
        commit!(t.store, [] tx => users::disable(tx, second, now)).expect("disabled");
        assert_eq!(ask(t, wish(t, &admins[0]).await).await, Err(Stays::LastAdministrator), "one who is disabled is none");
        assert!(matches!(delete(t, admins[0].id, Deleter::Operator, now).await, Err(Stays::LastAdministrator)));
        let first = admins[0].id;
        let disabled = commit!(t.store, [] tx => users::disable(tx, first, now)).expect("answered");
        assert_eq!(disabled, Disabled::LastAdministrator);
        commit!(t.store, [] tx => users::enable(tx, second, now)).expect("enabled");
        assert_eq!(ask(t, wish(t, &admins[0]).await).await, Ok(()));
        assert!(matches!(delete(t, second, Deleter::Operator, now).await, Err(Stays::LastAdministrator)));
    }

    async fn of_keeping_and_deleting_at_once_one_happens(t: &TestStore) {
        let other = t.another().await;
        for round in 0..6 {
            let ada = make_user(t, &format!("ada{round}")).await;
            assert_eq!(ask(t, wish(t, &ada).await).await, Ok(()));
            let ada = t.store.user(ada.id).await.expect("read").expect("there");
            let (id, due) = (ada.id, t.now() + GRACE);
            let deleting = async { commit!(other, [] tx => deletions::delete(tx, id, Deleter::Time, due)).expect("answered") };
            let (kept, deleted) = tokio::join!(keep(t, &ada, ada.credential_epoch), deleting);
            assert_ne!(kept, deleted.is_ok());
            let left = t.store.user(id).await.expect("read");
            assert_eq!(left.is_some_and(|user| user.disabled_at.is_none()), kept);
        }
    }

    async fn an_administrator_disables_too_or_enables(t: &TestStore) {
        let (ada, now) = (make_user(t, "ada").await, t.now());
        let id = ada.id;
        assert_eq!(ask(t, wish(t, &ada).await).await, Ok(()));
        let disable = || async move { commit!(t.store, [] tx => users::disable(tx, id, now)).expect("answered") };
        assert_eq!((disable().await, disable().await), (Disabled::Done, Disabled::Already));
        let ada = t.store.user(id).await.expect("read").expect("there");
        assert!(keep(t, &ada, ada.credential_epoch).await);
        assert!(t.store.user(id).await.expect("read").expect("there").disabled_at.is_some());
        assert!(commit!(t.store, [] tx => users::enable(tx, id, now)).expect("answered"));
        let ada = t.store.user(id).await.expect("read").expect("there");
        assert_eq!(ask(t, wish(t, &ada).await).await, Ok(()));
        assert!(commit!(t.store, [] tx => users::enable(tx, id, now)).expect("answered"));
        assert!(t.store.deletion_due(id).await.expect("read").is_none());
    }
}
