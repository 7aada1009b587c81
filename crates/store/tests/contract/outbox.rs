//! The outbox: one sender a mail, and what becomes of claims.

use std::time::Duration;

use portcullis_core::ids::MailId;
use portcullis_core::mail::{GIVE_UP, Mail, MailState, Template};
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use portcullis_store::Store;
use portcullis_store::outbox::{self, Claim};
use portcullis_testkit::TestStore;
use serde_json::{Map, json};
use uuid::Uuid;

use crate::support::{execute, parallel};

const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);
const MINUTE: Duration = Duration::from_mins(1);

async fn write(store: &Store, number: u128) -> Mail {
    let mail = Mail {
        id: MailId::from_uuid(Uuid::from_u128(number)),
        template: Template::PasswordChanged,
        to: Email::parse("to", "Ada@example.org").expect("an address"),
        user: None,
        locale: Some("de".into()),
        parameters: Map::from_iter([("name".to_owned(), json!("Ada"))]),
        link: None,
        created_at: NOW,
        expires_at: None,
    };
    commit!(store, [mail] tx => outbox::enqueue(tx, &mail)).expect("it is written");
    mail
}

async fn claim(store: &Store, node: &str, now: Timestamp) -> Vec<Claim> {
    let claimed = store.claim_mails(node.into(), now + MINUTE, 10, now).await.expect("a claim");
    let claims = claimed.into_iter();
    claims.map(|mail| Claim { id: mail.id, node: node.into(), attempts: mail.attempts }).collect()
}

async fn state(store: &Store, mail: &Mail) -> (MailState, u32, Option<String>) {
    let found = store.mail(mail.id).await.expect("it is read").expect("it is there");
    (found.state(), found.attempts, found.last_error)
}

contract! {
    async fn of_many_claimants_each_mail_has_one(t: &TestStore) {
        for number in 1..=30 {
            write(&t.store, number).await;
        }
        let store = t.store.clone();
        let claimed = parallel(6, move |node| {
            let store = store.clone();
            async move { claim(&store, &node.to_string(), NOW).await }
        })
        .await;
        let mut ids: Vec<_> = claimed.into_iter().flatten().map(|claim| claim.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, (1..=30).map(|number| MailId::from_uuid(Uuid::from_u128(number))).collect::<Vec<_>>());
        assert!(!t.store.mail_is_due(NOW).await.expect("it is read"));
        assert!(t.store.mail_is_due(NOW + MINUTE).await.expect("it is read"));
    }

    async fn a_mail_is_read_as_it_was_written(t: &TestStore) {
        let mail = write(&t.store, 1).await;
        let found = t.store.mail(mail.id).await.expect("it is read").expect("it is there");
        assert_eq!((found.created_at, found.give_up_at), (NOW, NOW + GIVE_UP));
        let read = found.mail.expect("sound");
        assert_eq!((read.template, read.to.as_str(), read.locale.as_deref()), (mail.template, "Ada@example.org", Some("de")));
        assert_eq!(read.parameters, mail.parameters);
        assert!(read.link.is_none() && read.expires_at.is_none());
    }

    async fn whose_claim_ran_out_has_no_say_but_that_it_was_sent(t: &TestStore) {
        let mail = write(&t.store, 1).await;
        let late = claim(&t.store, "late", NOW).await.remove(0);
        assert!(claim(&t.store, "next", NOW + MINUTE / 2).await.is_empty());
        let next = claim(&t.store, "next", NOW + MINUTE).await.remove(0);
        for claim in [&late, &Claim { attempts: 1, ..next.clone() }] {
            assert!(!commit!(t.store, [claim] tx => outbox::retry(tx, &claim, NOW, "late")).expect("it runs"));
            assert!(!commit!(t.store, [claim] tx => outbox::fail(tx, &claim, NOW, "late")).expect("it runs"));
            assert!(!commit!(t.store, [claim] tx => outbox::discard(tx, &claim)).expect("it runs"));
        }
        let id = mail.id;
        commit_one!(t.store, tx => outbox::sent(tx, id, NOW)).expect("it runs");
        assert!(!commit!(t.store, [next] tx => outbox::retry(tx, &next, NOW, "no")).expect("it runs"));
        assert_eq!(state(&t.store, &mail).await, (MailState::Sent, 2, None));
        assert!(claim(&t.store, "next", NOW + MINUTE * 9).await.is_empty());
    }

    async fn what_was_given_up_waits_for_an_operator(t: &TestStore) {
        let mail = write(&t.store, 1).await;
        let held = claim(&t.store, "a", NOW).await.remove(0);
        let id = mail.id;
        assert!(!commit_one!(t.store, tx => outbox::requeue(tx, id, NOW)).expect("it runs"), "it is being sent");
        assert!(commit!(t.store, [held] tx => outbox::fail(tx, &held, NOW, "no such user")).expect("it runs"));
        assert_eq!(state(&t.store, &mail).await, (MailState::Failed, 1, Some("no such user".into())));
        assert_eq!(t.store.count_mails().await.expect("it is read"), (0, 1));
        assert!(claim(&t.store, "a", NOW + GIVE_UP).await.is_empty());
        assert!(commit_one!(t.store, tx => outbox::requeue(tx, id, NOW)).expect("it runs"));
        assert_eq!(t.store.count_mails().await.expect("it is read"), (1, 0));
        assert_eq!(claim(&t.store, "a", NOW).await.len(), 1);
    }

    async fn a_mail_that_cannot_be_read_keeps_no_other_from_being_sent(t: &TestStore) {
        let odd = write(&t.store, 1).await;
        execute(&t.store, "UPDATE outbox SET template = 'of_a_newer_version'").await;
        let good = write(&t.store, 2).await;
        let claimed = t.store.claim_mails("a".into(), NOW + MINUTE, 10, NOW).await.expect("a claim");
        let mut read: Vec<_> = claimed.iter().map(|mail| (mail.id, mail.mail.is_ok())).collect();
        read.sort_unstable();
        assert_eq!(read, [(odd.id, false), (good.id, true)]);
    }
}
