//! Sign-ins that still owe a factor.

use std::time::Duration;

use portcullis_core::ids::DeviceId;
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::session::Delivery;
use portcullis_core::user::User;
use portcullis_store::login_challenges::{self, LoginChallenge};
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::support::{make_user, parallel};

fn challenge(t: &TestStore, user: &User) -> LoginChallenge {
    LoginChallenge {
        digest: SecretDigest([3; 32]),
        user: user.id,
        epoch: user.credential_epoch,
        methods: vec!["pwd".into()],
        audiences: vec!["https://one.example".into(), "https://two.example".into()],
        delivery: Delivery::Cookie,
        device: Some(DeviceId::from_uuid(Uuid::from_u128(7))),
        created_at: t.now(),
        expires_at: t.now() + Duration::from_mins(5),
    }
}

async fn put(t: &TestStore, new: &LoginChallenge) -> bool {
    commit!(t.store, [new] tx => login_challenges::put(tx, &new)).expect("written")
}

contract! {
    async fn is_read_as_it_was_put_until_it_runs_out(t: &TestStore) {
        let new = challenge(t, &make_user(t, "ada").await);
        assert!(put(t, &new).await);
        let just_before = new.expires_at - Duration::from_micros(1);
        let found = t.store.login_challenge(new.digest, just_before).await.expect("read");
        assert_eq!(found, Some(new.clone()));
        assert_eq!(t.store.login_challenge(new.digest, new.expires_at).await.expect("read"), None);
        let (digest, end) = (new.digest, new.expires_at);
        assert!(!commit!(t.store, [] tx => login_challenges::spend(tx, digest, end)).expect("answered"));
        assert_eq!(commit!(t.store, [] tx => login_challenges::purge(tx, just_before)).expect("purged"), 0);
        assert_eq!(commit!(t.store, [] tx => login_challenges::purge(tx, end)).expect("purged"), 1);
    }

    async fn of_twenty_who_use_it_one_does(t: &TestStore) {
        let new = challenge(t, &make_user(t, "ada").await);
        assert!(put(t, &new).await);
        let (digest, now) = (new.digest, t.now());
        let spent = parallel(20, |_| {
            let store = t.store.clone();
            async move {
                commit!(store, [] tx => login_challenges::spend(tx, digest, now)).expect("answered")
            }
        })
        .await;
        assert_eq!(spent.iter().filter(|spent| **spent).count(), 1);
    }

    async fn there_is_none_of_who_has_changed_since(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let moved = LoginChallenge { epoch: ada.credential_epoch - 1, ..challenge(t, &ada) };
        assert!(!put(t, &moved).await);
    }
}
