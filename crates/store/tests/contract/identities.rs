//! Who users are at providers, the ways there, and what a squatter loses.

use std::time::Duration;

use portcullis_core::external::Identity;
use portcullis_core::ids::{IdentityId, UserId};
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::server_key::{KeyId, Sealed};
use portcullis_core::session::Delivery;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use portcullis_store::addresses::{self, Standing};
use portcullis_store::identities::{self, Link};
use portcullis_store::oauth_flows::{self, Flow, Linker, Presented};
use portcullis_store::{claims, users, ways_in};
use portcullis_testkit::TestStore;
use uuid::Uuid;

use crate::support::{make_user, new_user, number, parallel};

fn identity(user: UserId, number: u128, provider: &str, subject: &str) -> Identity {
    Identity {
        id: IdentityId::from_uuid(Uuid::from_u128(number)),
        provider: provider.into(),
        subject: subject.into(),
        user,
        email: Some("ada@example.org".into()),
        created_at: Timestamp::from_seconds(5),
        last_used_at: None,
    }
}

async fn insert(t: &TestStore, new: &Identity) -> bool {
    commit!(t.store, [new] tx => identities::insert(tx, &new)).expect("answered")
}

fn standing(user: UserId, name: &str, epoch: i64) -> Standing {
    let email = Email::parse("email", &format!("{name}@example.org")).expect("valid");
    Standing { user, epoch, email }
}

fn flow(t: &TestStore, linker: Option<Linker>) -> (Flow, Presented) {
    let flow = Flow {
        redirect_uri: "https://auth.example/back".into(),
        return_to: Some("/account".into()),
        delivery: Some(Delivery::Cookie),
        key: KeyId(7),
        invites: Some(Sealed { key_id: KeyId(7), bytes: vec![1, 2, 3] }),
        fresh: true,
        linker,
        created_at: t.now(),
        expires_at: t.now() + Duration::from_mins(10),
    };
    let presented = Presented {
        state: SecretDigest::of("state"),
        provider: "acme".into(),
        secret: SecretDigest::of("secret"),
        in_browser: true,
        redirect_uri: None,
    };
    (flow, presented)
}

contract! {
    async fn an_identity_is_one_user_s(t: &TestStore) {
        let (ada, bob) = (made(t, "ada").await, made(t, "bob").await);
        assert!(insert(t, &identity(ada, 1, "acme", "7")).await);
        assert!(!insert(t, &identity(bob, 2, "acme", "7")).await);
        // Of another provider, or in other letters, it is another.
        assert!(insert(t, &identity(bob, 3, "other", "7")).await);
        assert!(insert(t, &identity(bob, 4, "acme", "a")).await && insert(t, &identity(ada, 5, "acme", "A")).await);
        let found = t.store.user_of_identity("acme", "7").await.expect("read").expect("there");
        assert_eq!((found.user.id, found.identity), (ada, IdentityId::from_uuid(Uuid::from_u128(1))));
        assert!(t.store.user_of_identity("acme", "8").await.expect("read").is_none());
        let now = t.now();
        commit!(t.store, [] tx => identities::note_use(tx, found.identity, Some("new@example.org"), now)).expect("noted");
        commit!(t.store, [] tx => identities::note_use(tx, found.identity, None, now)).expect("noted");
        let of_ada = t.store.identities(ada).await.expect("read");
        assert_eq!((of_ada[0].email.as_deref(), of_ada[0].last_used_at), (Some("new@example.org"), Some(now)));
        assert_eq!(t.store.providers_of(bob).await.expect("read"), ["acme", "other"]);
    }

    async fn an_imported_one_gets_its_name_unless_somebody_has_it(t: &TestStore) {
        let (ada, bob) = (made(t, "ada").await, made(t, "bob").await);
        insert(t, &identity(ada, 1, "acme", "ada@example.org")).await;
        let renamed = parallel(8, |_| {
            let store = t.store.clone();
            async move {
                commit!(store, [] tx => identities::rename(tx, "acme", "ada@example.org", "7")).expect("answered")
            }
        })
        .await;
        assert_eq!(renamed.iter().filter(|renamed| **renamed).count(), 1);
        insert(t, &identity(bob, 2, "acme", "bob@example.org")).await;
        assert!(!commit!(t.store, [] tx => identities::rename(tx, "acme", "bob@example.org", "7")).expect("answered"));
        assert!(!commit!(t.store, [] tx => identities::rename(tx, "other", "bob@example.org", "8")).expect("answered"));
    }

    async fn joined_only_to_who_has_the_address_and_has_shown_it(t: &TestStore) {
        let ada = made(t, "ada").await;
        let new = identity(ada, 1, "acme", "7");
        let join = async |new: &Identity, standing: &Standing| {
            commit!(t.store, [new, standing] tx => identities::join(tx, &new, &standing)).expect("answered")
        };
        assert!(!join(&new, &standing(ada, "ada", 1)).await, "never shown");
        let (shown, now) = (standing(ada, "ada", 1), t.now());
        commit!(t.store, [shown] tx => addresses::verify_email(tx, &shown, now)).expect("shown");
        assert!(!join(&new, &standing(ada, "ada", 2)).await, "another epoch");
        assert!(!join(&new, &standing(ada, "bob", 1)).await, "another address");
        assert!(join(&new, &standing(ada, "ada", 1)).await);
        let disabled = made(t, "bob").await;
        let shown = standing(disabled, "bob", 1);
        commit!(t.store, [shown] tx => addresses::verify_email(tx, &shown, now)).expect("shown");
        commit!(t.store, [] tx => users::disable(tx, disabled, now)).expect("disabled");
        assert!(!join(&identity(disabled, 2, "acme", "8"), &standing(disabled, "bob", 2)).await);
    }

    async fn linked_by_who_is_as_they_were(t: &TestStore) {
        let (ada, bob) = (made(t, "ada").await, made(t, "bob").await);
        let link = async |new: &Identity, epoch| {
            commit!(t.store, [new] tx => identities::link(tx, &new, epoch)).expect("answered")
        };
        assert_eq!(link(&identity(ada, 1, "acme", "7"), 2).await, Link::Moved);
        assert_eq!(link(&identity(ada, 1, "acme", "7"), 1).await, Link::Done);
        assert_eq!(link(&identity(ada, 2, "acme", "7"), 1).await, Link::Own);
        assert_eq!(link(&identity(bob, 3, "acme", "7"), 1).await, Link::Taken);
    }

    async fn unlinking_moves_the_epoch_and_says_what_is_left(t: &TestStore) {
        let (ada, bob) = (made(t, "ada").await, made(t, "bob").await);
        let one = identity(ada, 1, "acme", "7");
        insert(t, &one).await;
        insert(t, &identity(ada, 2, "other", "7")).await;
        let (id, now) = (one.id, t.now());
        let gone = commit!(t.store, [] tx => identities::unlink(tx, id, bob, now)).expect("answered");
        assert_eq!((gone, epoch(t, bob).await), (None, 1), "somebody else's");
        let gone = commit!(t.store, [] tx => identities::unlink(tx, id, ada, now)).expect("answered");
        assert_eq!((gone.as_deref(), epoch(t, ada).await), (Some("acme"), 2));
        let left = commit!(t.store, [] tx => ways_in::of(tx, ada)).expect("read");
        assert_eq!((left.password, &left.providers[..]), (new_user(t, "x").password_hash.is_some(), &["other".to_owned()][..]));
    }

    async fn a_flow_is_taken_once_by_all_that_it_is_bound_to(t: &TestStore) {
        let (flow, presented) = flow(t, None);
        commit!(t.store, [flow, presented] tx => oauth_flows::put(tx, &flow, &presented)).expect("kept");
        let now = t.now();
        let take = async |presented: &Presented, at: Timestamp| {
            commit!(t.store, [presented] tx => oauth_flows::take(tx, &presented, at)).expect("answered")
        };
        let other = |change: fn(&mut Presented)| {
            let mut other = presented.clone();
            change(&mut other);
            other
        };
        for wrong in [
            other(|it| it.state = SecretDigest::of("x")),
            other(|it| it.secret = SecretDigest::of("x")),
            other(|it| it.provider = "other".into()),
            other(|it| it.in_browser = false),
            other(|it| it.redirect_uri = Some("https://auth.example/elsewhere".into())),
        ] {
            assert!(take(&wrong, now).await.is_none(), "{wrong:?}");
        }
        assert!(take(&presented, flow.expires_at).await.is_none(), "too old");
        let right = other(|it| it.redirect_uri = Some("https://auth.example/back".into()));
        let taken = parallel(20, |_| {
            let (store, right) = (t.store.clone(), right.clone());
            async move { commit!(store, [right] tx => oauth_flows::take(tx, &right, now)).expect("answered") }
        })
        .await;
        let mut taken = taken.into_iter().flatten();
        let (one, more) = (taken.next().expect("one of them"), taken.next());
        assert!(more.is_none());
        assert_eq!((one.return_to.as_deref(), one.delivery, one.key), (Some("/account"), Some(Delivery::Cookie), KeyId(7)));
        assert_eq!((one.invites, one.fresh, one.linker), (flow.invites.clone(), true, None));
        assert_eq!((one.created_at, one.expires_at), (flow.created_at, flow.expires_at));
    }

    async fn a_flow_that_links_says_whose_it_is_goes_with_them_and_runs_out(t: &TestStore) {
        let ada = made(t, "ada").await;
        let session = portcullis_core::ids::SessionId::from_uuid(Uuid::from_u128(9));
        let linker = Linker { user: ada, session, epoch: 4 };
        let (flow, presented) = flow(t, Some(linker));
        let (now, end) = (t.now(), flow.expires_at);
        for _ in 0..2 {
            commit!(t.store, [flow, presented] tx => oauth_flows::put(tx, &flow, &presented)).expect("kept");
            let taken = commit!(t.store, [presented] tx => oauth_flows::take(tx, &presented, now)).expect("answered");
            assert_eq!(taken.expect("there").linker, Some(linker));
        }
        commit!(t.store, [flow, presented] tx => oauth_flows::put(tx, &flow, &presented)).expect("kept");
        let before = end - Duration::from_micros(1);
        assert_eq!(commit!(t.store, [] tx => oauth_flows::purge(tx, before)).expect("purged"), 0);
        assert_eq!(commit!(t.store, [] tx => oauth_flows::purge(tx, end)).expect("purged"), 1);
    }

    async fn a_claim_takes_all_that_a_squatter_holds_and_happens_once(t: &TestStore) {
        let ada = made(t, "ada").await;
        insert(t, &identity(ada, 1, "acme", "squatter")).await;
        let (wanted, now) = (standing(ada, "ada", 1), t.now());
        for wrong in [standing(ada, "ada", 2), standing(ada, "bob", 1)] {
            assert!(commit!(t.store, [wrong] tx => claims::claim(tx, &wrong, now)).expect("answered").is_none());
        }
        let claimed = parallel(8, |_| {
            let (store, wanted) = (t.store.clone(), wanted.clone());
            async move { commit!(store, [wanted] tx => claims::claim(tx, &wanted, now)).expect("answered") }
        })
        .await;
        assert_eq!(claimed.iter().flatten().count(), 1);
        let found = t.store.credentials(ada).await.expect("read").expect("there");
        assert_eq!((found.password_hash, found.user.email_verified_at, found.user.credential_epoch), (None, Some(now), 2));
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM identities").await, 0);
        // An address that was shown is claimed by nobody.
        let shown = standing(ada, "ada", 2);
        assert!(commit!(t.store, [shown] tx => claims::claim(tx, &shown, now)).expect("answered").is_none());
    }

    async fn what_was_not_proved_is_forgotten_and_what_was_is_not(t: &TestStore) {
        let (ada, bob) = (made(t, "ada").await, made(t, "bob").await);
        insert(t, &identity(ada, 1, "acme", "7")).await;
        insert(t, &identity(bob, 2, "acme", "8")).await;
        let (shown, now) = (standing(bob, "bob", 1), t.now());
        commit!(t.store, [shown] tx => addresses::verify_email(tx, &shown, now)).expect("shown");
        for user in [ada, bob] {
            commit!(t.store, [] tx => claims::forget_unproved(tx, user, now)).expect("done");
        }
        assert!(t.store.identities(ada).await.expect("read").is_empty());
        assert_eq!(t.store.identities(bob).await.expect("read").len(), 1);
    }
}

async fn made(t: &TestStore, name: &str) -> UserId {
    make_user(t, name).await.id
}

async fn epoch(t: &TestStore, user: UserId) -> i64 {
    t.store.user(user).await.expect("read").expect("there").credential_epoch
}
