//! Apps for codes, recovery codes, trusted devices.

use std::time::Duration;

use portcullis_core::factor::Factor;
use portcullis_core::ids::{DeviceId, FactorId};
use portcullis_core::recovery_code::RecoveryDigest;
use portcullis_core::server_key::{KeyId, Sealed};
use portcullis_core::user::User;
use portcullis_store::factors::{self, Change};
use portcullis_store::totp::{self, Code, Totp};
use portcullis_store::trusted_devices::{self, TrustedDevice};
use portcullis_store::{keys, recovery_codes};
use portcullis_testkit::TestStore;

use crate::support::{make_user, parallel};

fn app(t: &TestStore, user: &User) -> Totp {
    Totp {
        id: FactorId::new(t.now(), &*t.random),
        user: user.id,
        sealed: Sealed { key_id: KeyId(7), bytes: vec![1, 2, 3] },
        created_at: t.now(),
        confirmed_at: None,
        last_step: 0,
        last_used_at: None,
    }
}

async fn put(t: &TestStore, new: &Totp) {
    commit!(t.store, [new] tx => totp::put(tx, &new)).expect("written");
}

/// An app in use, whose code of step 5 was taken.
async fn in_use(t: &TestStore, user: &User) -> Totp {
    let new = app(t, user);
    put(t, &new).await;
    let (code, now) = (Code { id: new.id, user: user.id, step: 5 }, t.now());
    assert!(commit!(t.store, [] tx => totp::confirm(tx, code, now)).expect("written"));
    new
}

async fn with_factor(t: &TestStore, user: &User) -> i64 {
    let change = Change { user: user.id, epoch: user.credential_epoch, now: t.now() };
    commit!(t.store, [] tx => factors::add(tx, change, Factor::Totp)).expect("written").expect("done");
    user.credential_epoch + 1
}

contract! {
    async fn an_app_is_begun_confirmed_and_takes_the_place_of_another(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (first, second) = (app(t, &ada), app(t, &ada));
        put(t, &first).await;
        assert!(t.store.totp_in_use(ada.id).await.expect("read").is_none());
        // A later one takes the place of what was begun.
        put(t, &second).await;
        let begun = t.store.totp(ada.id).await.expect("read");
        assert_eq!(begun.iter().map(|app| app.id).collect::<Vec<_>>(), [second.id]);
        let now = t.now();
        let code = |id| Code { id, user: ada.id, step: 5 };
        let (gone, there) = (code(first.id), code(second.id));
        assert!(!commit!(t.store, [] tx => totp::confirm(tx, gone, now)).expect("written"));
        assert!(commit!(t.store, [] tx => totp::confirm(tx, there, now)).expect("written"));
        assert!(!commit!(t.store, [] tx => totp::confirm(tx, there, now)).expect("written"));
    }

    async fn confirming_one_removes_the_one_before(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let old = in_use(t, &ada).await;
        let new = app(t, &ada);
        put(t, &new).await;
        assert_eq!(t.store.totp(ada.id).await.expect("read").len(), 2);
        assert_eq!(t.store.totp_in_use(ada.id).await.expect("read").expect("in use").id, old.id);
        let (code, now) = (Code { id: new.id, user: ada.id, step: 9 }, t.now());
        assert!(commit!(t.store, [] tx => totp::confirm(tx, code, now)).expect("written"));
        let left = t.store.totp(ada.id).await.expect("read");
        assert_eq!((left.len(), left[0].id, left[0].last_step), (1, new.id, 9));
        assert_eq!((left[0].confirmed_at, left[0].last_used_at), (Some(now), Some(now)));
    }

    async fn of_twenty_who_take_a_code_one_does(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let app = in_use(t, &ada).await;
        let now = t.now();
        let take = |step| {
            let store = t.store.clone();
            let code = Code { id: app.id, user: ada.id, step };
            async move { commit!(store, [] tx => totp::take(tx, code, now)).expect("answered") }
        };
        let taken = parallel(20, |_| take(6)).await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
        for (step, taken) in [(5, false), (6, false), (7, true)] {
            assert_eq!(take(step).await, taken, "{step}");
        }
    }

    async fn what_is_not_in_use_is_not_taken_and_runs_out(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let begun = app(t, &ada);
        put(t, &begun).await;
        let kept = in_use(t, &bob).await;
        let (code, now) = (Code { id: begun.id, user: ada.id, step: 6 }, t.now());
        assert!(!commit!(t.store, [] tx => totp::take(tx, code, now)).expect("answered"));
        let other = Code { id: kept.id, ..code };
        assert!(!commit!(t.store, [] tx => totp::take(tx, other, now)).expect("answered"), "it is bob's");
        let (id, user) = (kept.id, ada.id);
        assert!(!commit!(t.store, [] tx => totp::remove(tx, id, user)).expect("answered"), "it is bob's");
        assert_eq!(commit!(t.store, [] tx => totp::purge(tx, now)).expect("purged"), 1);
        let user = bob.id;
        assert!(commit!(t.store, [] tx => totp::remove(tx, id, user)).expect("answered"));
        assert!(t.store.totp(bob.id).await.expect("read").is_empty());
    }

    async fn secrets_are_sealed_anew_and_keep_their_server_key(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let app = in_use(t, &ada).await;
        let now = t.now();
        let note = commit!(t.store, [] tx => keys::insert_server_key(tx, KeyId(7), &[0; 32], now));
        note.expect("written");
        let forget = || async {
            let later = now + Duration::from_secs(1);
            commit!(t.store, [] tx => keys::delete_server_key(tx, KeyId(7), later, later)).expect("answered");
            t.store.server_keys().await.expect("read").len()
        };
        assert_eq!(forget().await, 1, "a secret is under it");
        let older = t.store.totp_under_older(KeyId(8), 10).await.expect("read");
        assert_eq!(older.iter().map(|app| app.id).collect::<Vec<_>>(), [app.id]);
        let sealed = Sealed { key_id: KeyId(8), bytes: vec![9] };
        let id = app.id;
        assert!(commit!(t.store, [sealed] tx => totp::reseal(tx, id, KeyId(7), &sealed)).expect("written"));
        assert!(!commit!(t.store, [sealed] tx => totp::reseal(tx, id, KeyId(7), &sealed)).expect("written"));
        assert!(t.store.totp_under_older(KeyId(8), 10).await.expect("read").is_empty());
        assert_eq!(t.store.totp_by_key().await.expect("read"), [(KeyId(8), 1)]);
        assert_eq!(forget().await, 0);
    }

    async fn recovery_codes_go_one_by_one_or_all(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let epoch = with_factor(t, &ada).await;
        let (user, codes) = (ada.id, vec![RecoveryDigest([1; 32]), RecoveryDigest([2; 32])]);
        assert!(!commit!(t.store, [codes] tx => recovery_codes::renew(tx, user, epoch - 1, &codes)).expect("answered"));
        assert!(commit!(t.store, [codes] tx => recovery_codes::renew(tx, user, epoch, &codes)).expect("answered"));
        assert_eq!(t.store.count_recovery_codes(user).await.expect("read"), 2);
        assert!(t.store.has_recovery_code(user, codes[0]).await.expect("read"));
        let code = codes[0];
        let taken = parallel(20, |_| {
            let store = t.store.clone();
            async move { commit!(store, [] tx => recovery_codes::take(tx, user, code)).expect("answered") }
        })
        .await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
        assert!(!t.store.has_recovery_code(user, code).await.expect("read"));
        let next = vec![RecoveryDigest([3; 32])];
        assert!(commit!(t.store, [next] tx => recovery_codes::renew(tx, user, epoch, &next)).expect("answered"));
        assert!(!t.store.has_recovery_code(user, codes[1]).await.expect("read"));
        assert_eq!(t.store.count_recovery_codes(user).await.expect("read"), 1);
    }

    async fn without_a_factor_there_is_nothing_to_recover(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (user, epoch, codes) = (ada.id, ada.credential_epoch, vec![RecoveryDigest([1; 32])]);
        assert!(!commit!(t.store, [codes] tx => recovery_codes::renew(tx, user, epoch, &codes)).expect("answered"));
        assert_eq!(t.store.count_recovery_codes(user).await.expect("read"), 0);
    }

    async fn a_device_is_trusted_in_one_epoch_and_for_a_time(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (user, end) = (ada.id, t.now() + Duration::from_mins(1));
        let device = TrustedDevice {
            id: DeviceId::new(t.now(), &*t.random),
            epoch: ada.credential_epoch,
            device: "Firefox on Linux".into(),
            address: "192.0.2.1".into(),
            created_at: t.now(),
            expires_at: end,
        };
        commit!(t.store, [device] tx => trusted_devices::put(tx, user, &device)).expect("written");
        let trusted = |epoch, at| t.store.is_trusted_device(user, device.id, epoch, at);
        let just_before = end - Duration::from_micros(1);
        for (epoch, at, expected) in [
            (device.epoch, just_before, true),
            (device.epoch, end, false),
            (device.epoch + 1, just_before, false),
        ] {
            assert_eq!(trusted(epoch, at).await.expect("read"), expected, "{epoch} {at}");
        }
        assert_eq!(t.store.trusted_devices(user, just_before).await.expect("read"), [device.clone()]);
        assert!(t.store.trusted_devices(user, end).await.expect("read").is_empty());
        with_factor(t, &ada).await;
        assert!(t.store.trusted_devices(user, just_before).await.expect("read").is_empty(), "the epoch moved");
        assert_eq!(commit!(t.store, [] tx => trusted_devices::purge(tx, just_before)).expect("purged"), 0);
        let id = device.id;
        assert!(commit!(t.store, [] tx => trusted_devices::remove(tx, user, id)).expect("answered"));
        assert!(!commit!(t.store, [] tx => trusted_devices::remove(tx, user, id)).expect("answered"));
        commit!(t.store, [device] tx => trusted_devices::put(tx, user, &device)).expect("written");
        assert_eq!(commit!(t.store, [] tx => trusted_devices::purge(tx, end)).expect("purged"), 1);
    }
}
