//! Invites: as often as they may be used, and no more.

use std::time::Duration;

use portcullis_core::ids::InviteId;
use portcullis_core::invite::{Invite, Kind};
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::server_key::KeyId;
use portcullis_core::subscription::Plan;
use portcullis_core::user::{Email, Role};
use portcullis_store::invites::{self, Renewal, Which};
use portcullis_testkit::TestStore;

use crate::support::{make_user, new_account, number, parallel};

fn new_invite(t: &TestStore, uses: u32) -> Invite {
    Invite {
        id: InviteId::new(t.now(), &*t.random),
        email: None,
        account: None,
        plan: None,
        trial_days: None,
        uses,
        used: 0,
        shown: "ABCDE".into(),
        key_id: KeyId(7),
        created_by: None,
        created_at: t.now(),
        expires_at: Some(t.now() + Duration::from_hours(1)),
        revoked_at: None,
    }
}

fn code(text: &str) -> SecretDigest {
    SecretDigest::of(text)
}

async fn make(t: &TestStore, new: &Invite, text: &'static str) -> bool {
    commit!(t.store, [new] tx => invites::insert(tx, &new, code(text))).expect("committed")
}

contract! {
    async fn an_invite_reads_back_as_written_under_its_kind(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let account = ada.account.clone().expect("has one").0;
        let bound = Invite {
            email: Some(Email::parse("email", "Bob@Example.org").expect("an address")),
            account: Some((account, Role::from_stored("engineer"))),
            created_by: Some(ada.id),
            ..new_invite(t, 1)
        };
        t.clock.advance(Duration::from_millis(1));
        let plain = Invite {
            plan: Some(Plan::from_stored("pro".into())), trial_days: Some(14), expires_at: None, ..new_invite(t, 20)
        };
        assert!(make(t, &bound, "one").await && make(t, &plain, "two").await);
        let found = async |kind, text| t.store.invite_by_code(kind, code(text)).await.expect("read");
        assert_eq!(found(Kind::Account, "one").await, Some(bound.clone()));
        assert_eq!(found(Kind::Platform, "two").await, Some(plain.clone()));
        assert_eq!((found(Kind::Platform, "one").await, found(Kind::Account, "two").await), (None, None));
        assert_eq!(t.store.invite(plain.id).await.expect("read"), Some(plain.clone()));
        let all = t.store.invites(Which::All, None, 10).await.expect("read");
        assert_eq!(all, [plain.clone(), bound.clone()]);
        assert_eq!(t.store.invites(Which::All, Some(plain.id), 10).await.expect("read"), std::slice::from_ref(&bound));
        assert_eq!(t.store.invites(Which::Of(account), None, 10).await.expect("read"), std::slice::from_ref(&bound));
        let nowhere = Invite { account: Some((new_account(t, "x").id, Role::from_stored("member"))), ..new_invite(t, 1) };
        assert!(!make(t, &nowhere, "three").await);
    }

    async fn of_twenty_who_spend_side_by_side_as_many_get_it_as_may(t: &TestStore) {
        let invite = new_invite(t, 7);
        make(t, &invite, "one").await;
        let mut users = Vec::new();
        for at in 0..20 {
            users.push(make_user(t, &format!("u{at}")).await.id);
        }
        let nodes = [t.store.clone(), t.another().await];
        let spent = parallel(20, |at| {
            let (store, user, id, now) = (nodes[at % 2].clone(), users[at], invite.id, t.now());
            async move { commit!(store, [] tx => invites::spend(tx, id, user, now)).expect("committed") }
        })
        .await;
        assert_eq!(spent.iter().filter(|spent| **spent).count(), 7);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM invite_uses").await, 7);
        assert_eq!(t.store.invite(invite.id).await.expect("read").expect("there").used, 7);
    }

    async fn what_is_revoked_expired_or_used_lets_nobody_in(t: &TestStore) {
        let ada = make_user(t, "ada").await.id;
        let spend = async |invite: &Invite| {
            let (id, now) = (invite.id, t.now());
            commit!(t.store, [] tx => invites::spend(tx, id, ada, now)).expect("committed")
        };
        let revoke = async |invite: &Invite| {
            let (id, now) = (invite.id, t.now());
            commit!(t.store, [] tx => invites::revoke(tx, id, now)).expect("committed")
        };
        let (used, revoked, old) = (new_invite(t, 1), new_invite(t, 1), new_invite(t, 1));
        for (invite, text) in [(&used, "one"), (&revoked, "two"), (&old, "three")] {
            make(t, invite, text).await;
        }
        assert!(spend(&used).await && !spend(&used).await && !revoke(&used).await);
        assert!(revoke(&revoked).await && !revoke(&revoked).await && !spend(&revoked).await);
        t.clock.advance(Duration::from_hours(1));
        assert!(!spend(&old).await);
        // Once more, under another code.
        let renewal = |invite: &Invite| Renewal {
            id: invite.id, code: code("four"), shown: "FFFFF".into(), key_id: KeyId(8),
            expires_at: Some(t.now() + Duration::from_hours(1)),
        };
        let renew = async |invite: &Invite| {
            let renewal = renewal(invite);
            commit!(t.store, [renewal] tx => invites::renew(tx, &renewal)).expect("committed")
        };
        assert!(renew(&used).await.is_none() && renew(&revoked).await.is_none());
        let renewed = renew(&old).await.expect("still open");
        assert_eq!((renewed.shown.as_str(), renewed.key_id), ("FFFFF", KeyId(8)));
        assert!(t.store.invite_by_code(Kind::Platform, code("three")).await.expect("read").is_none());
        assert!(spend(&old).await);
        let before = t.now() + Duration::from_hours(2);
        assert_eq!(commit!(t.store, [] tx => invites::purge(tx, before)).expect("committed"), 3);
    }
}
