//! Links, and what is asked for by address.

use portcullis_core::ids::LinkId;
use portcullis_core::link::{LinkFacts, LinkPurpose};
use portcullis_core::user::Email;
use portcullis_store::deletions::{self, Deleter};
use portcullis_store::links::{self, Link};
use portcullis_store::mail_requests::{self, Asker, MailRequest};
use uuid::Uuid;

use std::time::Duration;

use portcullis_store::addresses::{self, ChangeEmail, Standing};
use portcullis_testkit::TestStore;

use crate::support::{make_user, new_user, parallel};

fn link(t: &TestStore, subject: Uuid, number: u128) -> Link {
    let id = LinkId::from_uuid(Uuid::from_u128(number));
    let purpose = LinkPurpose::ResetPassword;
    let email = Email::parse("email", "Ada@example.org").expect("valid");
    let facts = LinkFacts { id, purpose, subject, email_key: email.key().into(), epoch: 3 };
    Link { facts, email, session: None, expires_at: t.now() + Duration::from_mins(1), user: None }
}

async fn put(t: &TestStore, link: &Link) {
    commit!(t.store, [link] tx => links::put(tx, &link)).expect("written");
}

contract! {
    async fn a_newer_link_takes_the_place_of_the_older(t: &TestStore) {
        let subject = Uuid::from_u128(1);
        let (older, newer) = (link(t, subject, 10), link(t, subject, 11));
        put(t, &older).await;
        put(t, &newer).await;
        let found = |link: &Link| t.store.link(link.facts.id, link.facts.purpose);
        assert!(found(&older).await.expect("read").is_none());
        let read = found(&newer).await.expect("read").expect("there");
        assert_eq!((read.facts, read.email.as_str()), (newer.facts.clone(), "Ada@example.org"));
        assert!(t.store.link(newer.facts.id, LinkPurpose::VerifyEmail).await.expect("read").is_none());
    }

    async fn a_link_about_something_of_a_users_goes_with_them(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let link = Link { user: Some(ada.id), ..link(t, Uuid::from_u128(1), 10) };
        put(t, &link).await;
        let read = t.store.link(link.facts.id, link.facts.purpose).await.expect("read").expect("there");
        assert_eq!(read.user, Some(ada.id));
        let (id, now) = (ada.id, t.now());
        let gone = commit!(t.store, [] tx => deletions::delete(tx, id, Deleter::Operator, now)).expect("answered");
        assert!(gone.is_ok());
        assert!(t.store.link(link.facts.id, link.facts.purpose).await.expect("read").is_none());
    }

    async fn of_twenty_who_use_a_link_one_does(t: &TestStore) {
        let link = link(t, Uuid::from_u128(1), 10);
        put(t, &link).await;
        let (id, now) = (link.facts.id, t.now());
        let spent = parallel(20, |_| {
            let store = t.store.clone();
            async move { commit!(store, [] tx => links::spend(tx, id, now)).expect("answered") }
        })
        .await;
        assert_eq!(spent.iter().filter(|spent| **spent).count(), 1);
    }

    async fn a_link_runs_out_and_is_purged(t: &TestStore) {
        let link = link(t, Uuid::from_u128(1), 10);
        put(t, &link).await;
        let (id, end) = (link.facts.id, link.expires_at);
        assert!(!commit!(t.store, [] tx => links::spend(tx, id, end)).expect("answered"));
        let before = end - Duration::from_micros(1);
        assert_eq!(commit!(t.store, [] tx => links::purge(tx, before)).expect("purged"), 0);
        assert_eq!(commit!(t.store, [] tx => links::purge(tx, end)).expect("purged"), 1);
    }

    async fn a_request_is_taken_once(t: &TestStore) {
        let email = Email::parse("email", "ada@example.org").expect("valid");
        let asked = MailRequest {
            id: Uuid::from_u128(5),
            purpose: LinkPurpose::ResetPassword,
            email,
            asker: Asker::Registration(Uuid::from_u128(6)),
        };
        let now = t.now();
        commit!(t.store, [asked] tx => mail_requests::put(tx, &asked, now)).expect("noted");
        let waiting = t.store.mail_requests(10).await.expect("read");
        let [read] = &waiting[..] else { panic!("{waiting:?}") };
        assert_eq!((read.id, read.purpose, read.asker), (asked.id, asked.purpose, asked.asker));
        let id = asked.id;
        let taken = parallel(8, |_| {
            let store = t.store.clone();
            async move { commit!(store, [] tx => mail_requests::take(tx, id)).expect("answered") }
        })
        .await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
        assert!(t.store.mail_requests(10).await.expect("read").is_empty());
    }

    async fn of_two_users_who_get_one_address_one_does(t: &TestStore) {
        let (ada, bob) = (new_user(t, "ada"), new_user(t, "bob"));
        for new in [&ada, &bob] {
            commit!(t.store, [new] tx => portcullis_store::users::insert(tx, &new)).expect("made");
        }
        let (now, ids) = (t.now(), [ada.id, bob.id]);
        let changed = parallel(2, |at| {
            let store = t.store.clone();
            let email = Email::parse("email", "both@example.org").expect("valid");
            let standing = Standing { user: ids[at], epoch: 1, email };
            async move { commit!(store, [standing] tx => addresses::change_email(tx, &standing, now)).expect("answered") }
        })
        .await;
        assert!(changed.contains(&ChangeEmail::Done) && changed.contains(&ChangeEmail::Taken), "{changed:?}");
    }
}
