//! What proves a user: each change moves the epoch, and only who has read the latest may change it.

use portcullis_core::ids::UserId;
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Role, User};
use portcullis_store::users::{self, Disabled, NewPassword};
use portcullis_store::{Store, StoreError};
use portcullis_testkit::TestStore;

use crate::support::{make_user, parallel};

contract! {
    async fn a_password_moves_epoch_and_version(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        assert!(set_password(&t.store, &new_password(&ada, "$new", true, t.now())).await.expect("written"));
        let now = t.store.credentials(ada.id).await.expect("read").expect("there");
        assert_eq!(now.password_hash.as_deref(), Some("$new"));
        assert!(now.user.must_change_password);
        assert_eq!((now.user.credential_epoch, now.user.version), (2, 2));
    }

    async fn a_password_by_who_read_an_older_epoch_is_refused(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        set_password(&t.store, &new_password(&ada, "$first", false, t.now())).await.expect("written");
        let late = set_password(&t.store, &new_password(&ada, "$second", false, t.now())).await;
        assert!(!late.expect("answered"));
        let now = t.store.credentials(ada.id).await.expect("read").expect("there");
        assert_eq!((now.password_hash.as_deref(), now.user.credential_epoch), (Some("$first"), 2));
    }

    async fn of_twenty_passwords_for_one_epoch_one_is_set(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let done = parallel(20, |at| {
            let (store, new) =
                (t.store.clone(), new_password(&ada, &format!("${at}"), false, ada.created_at));
            async move { set_password(&store, &new).await.expect("answered, not an error") }
        })
        .await;
        assert_eq!(done.iter().filter(|done| **done).count(), 1);
        let winner = done.iter().position(|done| *done).expect("one");
        let now = t.store.credentials(ada.id).await.expect("read").expect("there");
        assert_eq!(now.password_hash, Some(format!("${winner}")));
    }

    async fn a_rehash_moves_nothing_and_needs_its_epoch(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let id = ada.id;
        commit!(t.store, [id] tx => users::rehash(tx, id, 1, "$rehashed")).expect("written");
        let now = t.store.credentials(ada.id).await.expect("read").expect("there");
        assert_eq!(now.password_hash.as_deref(), Some("$rehashed"));
        assert_eq!((now.user.credential_epoch, now.user.version), (1, 1));
        commit!(t.store, [id] tx => users::rehash(tx, id, 9, "$stale")).expect("answered");
        let now = t.store.credentials(ada.id).await.expect("read").expect("there");
        assert_eq!(now.password_hash.as_deref(), Some("$rehashed"));
    }

    async fn disabling_moves_the_epoch_once_and_enabling_does_not(t: &TestStore) {
        let (id, now) = (make_user(t, "ada").await.id, t.now());
        for done in [Disabled::Done, Disabled::Already] {
            assert_eq!(commit!(t.store, [id] tx => users::disable(tx, id, now)).expect("answered"), done);
        }
        let disabled = t.store.user(id).await.expect("read").expect("there");
        assert_eq!((disabled.disabled_at, disabled.credential_epoch, disabled.version), (Some(now), 2, 2));
        assert!(commit!(t.store, [id] tx => users::enable(tx, id, now)).expect("written"));
        assert!(!commit!(t.store, [id] tx => users::enable(tx, id, now)).expect("answered"));
        let enabled = t.store.user(id).await.expect("read").expect("there");
        assert_eq!((enabled.disabled_at, enabled.credential_epoch, enabled.version), (None, 2, 3));
    }

    async fn the_epoch_moves_unless_the_user_is_disabled(t: &TestStore) {
        let (id, now) = (make_user(t, "ada").await.id, t.now());
        let epoch = async || {
            commit!(t.store, [id] tx => users::move_epoch(tx, id, now)).expect("answered");
            t.store.user(id).await.expect("read").expect("there").credential_epoch
        };
        assert_eq!((epoch().await, epoch().await), (2, 3));
        commit!(t.store, [id] tx => users::disable(tx, id, now)).expect("disabled");
        assert_eq!((epoch().await, epoch().await), (4, 4), "disabling has moved it");
    }

    async fn who_does_not_exist_cannot_be_changed(t: &TestStore) {
        let (id, now) = (UserId::new(t.now(), &*t.random), t.now());
        let role = Role::from_stored(Role::ADMIN);
        assert_eq!(commit!(t.store, [id] tx => users::disable(tx, id, now)).expect("answered"), Disabled::Already);
        assert!(!commit!(t.store, [id] tx => users::enable(tx, id, now)).expect("answered"));
        assert!(!commit!(t.store, [id, role] tx => users::set_role(tx, id, &role, now)).expect("answered"));
    }

    async fn a_role_is_set_once(t: &TestStore) {
        let (id, now) = (make_user(t, "ada").await.id, t.now());
        let role = Role::from_stored(Role::ADMIN);
        assert!(commit!(t.store, [id, role] tx => users::set_role(tx, id, &role, now)).expect("written"));
        assert!(!commit!(t.store, [id, role] tx => users::set_role(tx, id, &role, now)).expect("answered"));
        let user = t.store.user(id).await.expect("read").expect("there");
        assert!(user.role.is_admin());
        assert_eq!((user.version, user.credential_epoch), (2, 1));
    }
}

fn new_password(user: &User, hash: &str, must_change: bool, now: Timestamp) -> NewPassword {
    NewPassword { user: user.id, epoch: user.credential_epoch, hash: hash.to_owned(), must_change, now }
}

async fn set_password(store: &Store, new: &NewPassword) -> Result<bool, StoreError> {
    commit!(store, [new] tx => users::set_password(tx, &new))
}
