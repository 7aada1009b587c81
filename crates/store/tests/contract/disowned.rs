//! What goes when a user knows nothing of a session, or when whoever registered an address was not its owner.

use std::time::Duration;

use portcullis_core::external::Identity;
use portcullis_core::ids::IdentityId;
use portcullis_core::recovery_code::RecoveryDigest;
use portcullis_core::session::EndCause;
use portcullis_core::user::User;
use portcullis_store::addresses::{self, Standing};
use portcullis_store::api_tokens::NewApiToken;
use portcullis_store::sessions::{self, End, NewSession};
use portcullis_store::{claims, identities, intruder, recovery_codes, users, ways_in};
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::acting::{acting, ended, make_admin};
use crate::api_tokens::{is_accepted, make_token};
use crate::bots::{bot_session, make_bot};
use crate::support::{create, execute, make_session, make_user, new_session};

/// A session of `user` on a device of this name, some time after all that were made before.
async fn on_device(t: &TestStore, user: &User, device: &str) -> NewSession {
    t.clock.advance(Duration::from_secs(1));
    let new = NewSession { device: device.into(), ..new_session(t, user) };
    create(&t.store, &new).await.expect("committed").expect("the epoch holds");
    new
}

async fn end_since(t: &TestStore, user: &User, first: &NewSession) -> Vec<Uuid> {
    let (user, first, now) = (user.id, first.id, t.now());
    let ended = commit!(t.store, [] tx => sessions::end_since(tx, user, first, now, EndCause::NotMe));
    let mut ended = ended.expect("answered");
    ended.sort_unstable();
    ended
}

async fn log_out(t: &TestStore, session: &NewSession) {
    let (which, now) = (End::Own(session.id, session.user), t.now());
    commit!(t.store, [] tx => sessions::end(tx, which, now, EndCause::Logout)).expect("done").expect("live");
}

fn standing(user: &User) -> Standing {
    Standing { user: user.id, epoch: user.credential_epoch, email: user.email.clone() }
}

/// What the bot of somebody holds of whom all was forgotten that nobody has proved.
struct Held {
    session: NewSession,
    token: NewApiToken,
    /// A session of the bot that nobody has begun yet.
    late: NewSession,
    /// The ids of session and token.
    of_bot: Vec<Uuid>,
    /// What ended.
    gone: Vec<Uuid>,
}

/// `shown`: the owner has shown that the address is theirs.
async fn forgotten(t: &TestStore, shown: bool) -> Held {
    let owner = make_user(t, "ada").await;
    let bot = make_bot(t, &owner).await;
    let (session, late) = (bot_session(t, &bot, &owner).await, bot_session(t, &bot, &owner).await);
    create(&t.store, &session).await.expect("committed").expect("allowed");
    // Bots are given no API tokens by now; older ones may be there.
    let token = make_token(t, &owner).await;
    execute(&t.store, "UPDATE api_tokens SET user_id = (SELECT id FROM users WHERE owner_id IS NOT NULL)")
        .await;
    let (own, own_token) = (make_session(t, &owner).await.0, make_token(t, &owner).await);
    let (user, wanted, now) = (owner.id, standing(&owner), t.now());
    if shown {
        assert!(
            commit!(t.store, [wanted] tx => addresses::verify_email(tx, &wanted, now)).expect("answered")
        );
    }
    let gone = commit!(t.store, [] tx => claims::forget_unproved(tx, user, now)).expect("answered");
    // The owner's own are for whoever resets the password to end.
    assert_eq!((ended(t, &own).await, is_accepted(t, &own_token).await), (None, true));
    let of_bot = vec![session.id.uuid(), token.id.uuid()];
    Held { session, token, late, of_bot, gone }
}

contract! {
    /// Devices call themselves what they like: another name, or that of one from before, tells nothing.
    async fn what_began_since_goes_and_nothing_else(t: &TestStore) {
        let (ada, bob) = (make_admin(t, "ada").await, make_user(t, "bob").await);
        let before = on_device(t, &ada, "Phone").await;
        let first = on_device(t, &ada, "Phone").await;
        let renamed = on_device(t, &ada, "Laptop").await;
        let later = on_device(t, &ada, "Phone").await;
        let gone = on_device(t, &ada, "Phone").await;
        log_out(t, &gone).await;
        let of_bob = on_device(t, &bob, "Phone").await;
        // Ada acts as bob from one that goes, and from one that stays.
        let acts = |from: &NewSession| NewSession { device: "Phone".into(), ..acting(t, &ada, from, &bob) };
        let (goes, stays) = (acts(&later), acts(&before));
        for new in [&goes, &stays] {
            create(&t.store, new).await.expect("committed").expect("allowed");
        }

        let mut expected = [first.id.uuid(), renamed.id.uuid(), later.id.uuid(), goes.id.uuid()];
        expected.sort_unstable();
        assert_eq!(end_since(t, &ada, &first).await, expected);
        for session in [&first, &renamed, &later, &gone] {
            assert_eq!(ended(t, session).await, Some(EndCause::NotMe), "also of what had ended by itself");
        }
        assert_eq!(ended(t, &goes).await, Some(EndCause::ActingEnded));
        for session in [&before, &of_bob, &stays] {
            assert_eq!(ended(t, session).await, None);
        }
        assert!(end_since(t, &ada, &first).await.is_empty(), "once");
    }

    async fn whoever_acts_as_the_user_goes_on(t: &TestStore) {
        let (ada, root) = (make_user(t, "ada").await, make_admin(t, "root").await);
        let first = on_device(t, &ada, "Phone").await;
        let of_root = on_device(t, &root, "Phone").await;
        t.clock.advance(Duration::from_secs(1));
        let as_ada = NewSession { device: "Phone".into(), ..acting(t, &root, &of_root, &ada) };
        create(&t.store, &as_ada).await.expect("committed").expect("allowed");
        assert_eq!(end_since(t, &ada, &first).await, [first.id.uuid()]);
        assert_eq!(ended(t, &as_ada).await, None);
    }

    /// An identity comes a little before the session that begins with it.
    async fn identities_and_codes_of_whoever_came_in_go(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let known = async |name: &str| {
            let new = Identity {
                id: IdentityId::new(t.now(), &*t.random),
                provider: name.into(),
                subject: name.into(),
                user: ada.id,
                email: None,
                created_at: t.now(),
                last_used_at: None,
            };
            assert!(commit!(t.store, [new] tx => identities::insert(tx, &new)).expect("answered"));
        };
        known("own").await;
        t.clock.advance(Duration::from_hours(1));
        known("arrived by").await;
        let session = on_device(t, &ada, "Phone").await;
        t.clock.advance(Duration::from_mins(1));
        known("linked in it").await;
        let (user, epoch, since, now) = (ada.id, ada.credential_epoch, session.id.uuid(), t.now());
        execute(&t.store, "UPDATE users SET factors = 1").await;
        let codes = [RecoveryDigest([7; 32])];
        assert!(commit!(t.store, [codes] tx => recovery_codes::renew(tx, user, epoch, &codes)).expect("answered"));
        commit!(t.store, [] tx => intruder::forget_since(tx, user, since, now, EndCause::NotMe)).expect("answered");
        let left = commit!(t.store, [] tx => ways_in::of(tx, user)).expect("answered");
        assert_eq!(left.providers, ["own"]);
        assert_eq!(t.store.count_recovery_codes(user).await.expect("read"), 0);
    }

    async fn what_bots_hold_is_forgotten(t: &TestStore) {
        let held = forgotten(t, false).await;
        assert_eq!(held.gone, held.of_bot, "for the list of revocations");
        assert_eq!(ended(t, &held.session).await, Some(EndCause::Claimed));
        assert!(!is_accepted(t, &held.token).await);
        // What was asked for before comes too late.
        assert!(create(&t.store, &held.late).await.expect("answered").is_none());
    }

    async fn what_bots_hold_stays_where_the_address_was_shown(t: &TestStore) {
        let held = forgotten(t, true).await;
        assert!(held.gone.is_empty());
        assert_eq!(ended(t, &held.session).await, None);
        assert!(is_accepted(t, &held.token).await);
        assert!(create(&t.store, &held.late).await.expect("answered").is_some());
    }

    async fn nobody_claims_an_administrator_a_bot_or_who_is_disabled(t: &TestStore) {
        let (root, ada, owner) = (make_admin(t, "root").await, make_user(t, "ada").await, make_user(t, "bob").await);
        let (bot, now, disabled) = (make_bot(t, &owner).await, t.now(), ada.id);
        commit!(t.store, [] tx => users::disable(tx, disabled, now)).expect("written");
        let ada = t.store.user(disabled).await.expect("read").expect("there");
        for user in [&root, &bot, &ada] {
            let wanted = standing(user);
            assert!(commit!(t.store, [wanted] tx => claims::claim(tx, &wanted, now)).expect("answered").is_none());
        }
        // One who is none of these is.
        let wanted = standing(&owner);
        assert!(commit!(t.store, [wanted] tx => claims::claim(tx, &wanted, now)).expect("answered").is_some());
    }
}
