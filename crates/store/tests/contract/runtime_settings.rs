//! Settings that are changed at run time.

use portcullis_core::session::EndCause;
use portcullis_core::user::Role;
use portcullis_store::runtime_settings::{self, Change, Changed};
use portcullis_store::sessions::{Asker, End};
use portcullis_store::{sessions, users};
use portcullis_testkit::TestStore;
use serde_json::{Value, json};

use crate::support::{execute, make_session, make_user, parallel};

const NAME: &str = "max_bots_per_user";

fn to(t: &TestStore, value: Option<Value>) -> Change {
    Change { name: NAME, value, asker: None, now: t.now() }
}

async fn change(t: &TestStore, change: Change) -> Changed {
    commit!(t.store, [change] tx => runtime_settings::change(tx, &change)).expect("answered, not an error")
}

contract! {
    async fn set_changed_and_unset(t: &TestStore) {
        assert!(t.store.runtime_settings().await.expect("read").is_empty());
        assert_eq!(change(t, to(t, None)).await, Changed::Not);
        assert_eq!(change(t, to(t, Some(json!(7)))).await, Changed::From(None));
        assert_eq!(change(t, to(t, Some(json!(7)))).await, Changed::Not);
        assert_eq!(change(t, to(t, Some(json!("\u{fc}")))).await, Changed::From(Some(json!(7))));
        let found = t.store.runtime_settings().await.expect("read");
        assert_eq!((found.len(), found[0].name.as_str(), &found[0].value), (1, NAME, &json!("\u{fc}")));
        assert_eq!((found[0].updated_at, found[0].updated_by), (t.now(), None));
        assert_eq!(change(t, to(t, None)).await, Changed::From(Some(json!("\u{fc}"))));
        assert!(t.store.runtime_settings().await.expect("read").is_empty());
    }

    async fn only_by_an_administrator_in_a_session_of_theirs(t: &TestStore) {
        let root = make_user(t, "root").await;
        let session = make_session(t, &root).await.0.id;
        let (user, now) = (root.id, t.now());
        let by = |value| Change { asker: Some(Asker { user, session }), ..to(t, Some(json!(value))) };
        assert_eq!(change(t, by(1)).await, Changed::NoAsker);
        commit!(t.store, [] tx => users::set_role(tx, user, &Role::from_stored(Role::ADMIN), now)).expect("set");
        assert_eq!(change(t, by(2)).await, Changed::From(None));
        assert_eq!(t.store.runtime_settings().await.expect("read")[0].updated_by, Some(user));
        commit!(t.store, [] tx => sessions::end(tx, End::Any(session), now, EndCause::Logout)).expect("ended");
        assert_eq!(change(t, by(3)).await, Changed::NoAsker);
        assert_eq!(t.store.runtime_settings().await.expect("read")[0].value, json!(2));
    }

    async fn of_many_at_once_each_knows_what_it_changed(t: &TestStore) {
        let changes: Vec<_> = (0..8).map(|at| to(t, Some(json!(at)))).collect();
        let nodes = [t.store.clone(), t.another().await];
        let done = parallel(8, |at| {
            let (store, new) = (nodes[at % 2].clone(), changes[at].clone());
            async move { commit!(store, [new] tx => runtime_settings::change(tx, &new)).expect("answered") }
        });
        let mut before: Vec<_> = done
            .await
            .into_iter()
            .map(|done| match done {
                Changed::From(before) => before.map(|value| value.as_i64().expect("a number")),
                other => panic!("{other:?}"),
            })
            .collect();
        let last = t.store.runtime_settings().await.expect("read")[0].value.as_i64();
        before.push(last);
        before.sort_unstable();
        // A chain: every value was replaced once, and nothing but the last is left.
        assert_eq!(before, [vec![None], (0..8).map(Some).collect()].concat());
    }

    async fn what_cannot_be_read_is_a_fault_and_can_be_replaced(t: &TestStore) {
        execute(&t.store, "INSERT INTO runtime_settings (name, value, updated_at) VALUES ('max_bots_per_user', '{', 0)").await;
        assert!(t.store.runtime_settings().await.expect_err("no JSON").to_string().contains(NAME));
        assert_eq!(change(t, to(t, Some(json!(1)))).await, Changed::From(Some(Value::Null)));
        assert_eq!(t.store.runtime_settings().await.expect("read")[0].value, json!(1));
    }
}
