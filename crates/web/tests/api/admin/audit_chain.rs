//! What has happened gets its place in the audit chain, and what somebody changes afterwards is found.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_app::Cx;
use portcullis_core::audit_chain::Checkpoint;
use portcullis_testkit::{Backend, TestApp};
use serde_json::json;
use uuid::Uuid;

use crate::on_both;
use crate::support::user_id;

/// What an inspection finds, beside checkpoints that were kept elsewhere.
async fn findings(cx: &Cx, kept: Vec<Checkpoint>) -> Vec<String> {
    cx.inspect_audit(kept).await.unwrap().findings.iter().map(ToString::to_string).collect()
}

/// Several people sign up, and everything is chained; the newest checkpoint.
async fn chained(app: &TestApp) -> Checkpoint {
    for name in ["ada", "bob", "eve"] {
        app.clock.advance(Duration::from_secs(1));
        app.sign_up(name).await;
    }
    app.cx.chain_once().await.unwrap();
    assert!(app.cx.checkpoint_if_due().await.unwrap());
    app.cx.store.checkpoints(1).await.unwrap()[0].checkpoint
}

on_both! {
    async fn two_nodes_chain_every_event_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        for round in 0..4 {
            for name in 0..3 {
                app.sign_up(&format!("a{round}{name}")).await;
                other.sign_up(&format!("b{round}{name}")).await;
            }
            let (one, two) = tokio::join!(app.cx.chain_once(), other.cx.chain_once());
            let (one, two) = (one.unwrap(), two.unwrap());
            assert!(one + two > 0 && (one == 0 || two == 0), "one of them has the lease: {one} {two}");
        }
        // The one that has it dies; the other takes over when it has run out.
        app.sign_up("last").await;
        app.clock.advance(Duration::from_secs(30));
        assert!(other.cx.chain_once().await.unwrap() > 0);

        let events = app.cx.store.events(None, 1_000).await.unwrap();
        let links = app.cx.store.links(0, 1_000).await.unwrap();
        let seqs: BTreeSet<_> = events.iter().map(|event| event.seq.expect("chained")).collect();
        assert_eq!((events.len(), seqs.len()), (links.len(), links.len()));
        assert_eq!((seqs.first(), seqs.last()), (Some(&1), Some(&(links.len() as u64))));
        assert!(findings(&other.cx, vec![]).await.is_empty());
        assert_eq!(app.cx.inspect_audit(vec![]).await.unwrap().unchained, 0);
    }

    async fn what_is_not_chained_yet_is_told(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let before = app.cx.inspect_audit(vec![]).await.unwrap();
        assert!(before.end == 0 && before.unchained > 0);
        let waiting = before.unchained as u64;
        assert_eq!(app.cx.chain_once().await.unwrap(), waiting);
        let after = app.cx.inspect_audit(vec![]).await.unwrap();
        assert_eq!((after.end, after.unchained), (waiting, 0));
    }

    async fn every_tampering_is_found(backend: Backend) {
        for (sql, told) in [
            ("UPDATE audit_events SET address = '192.0.2.9' \
                WHERE id = (SELECT event_id FROM audit_chain WHERE seq = 2)", "was changed: address"),
            ("UPDATE audit_events SET kind = 'user.updated' \
                WHERE id = (SELECT event_id FROM audit_chain WHERE seq = 2)", "was changed: kind"),
            ("DELETE FROM audit_events WHERE id = (SELECT event_id FROM audit_chain WHERE seq = 2)",
                "the event of entry 2, "),
            ("DELETE FROM audit_chain WHERE seq = 2", "entries 2 to 2 are gone"),
            ("UPDATE audit_chain SET seq = -seq WHERE seq IN (2, 3); \
                UPDATE audit_chain SET seq = 5 + seq WHERE seq < 0", "entry 2 was changed, or is not in its place"),
            // As retention would, but nobody has the key for it.
            ("UPDATE audit_start SET seq = 2, hash = (SELECT hash FROM audit_chain WHERE seq = 2); \
                DELETE FROM audit_chain WHERE seq <= 2", "where the chain starts, behind entry 2, was changed"),
            // As an erasure would.
            ("UPDATE audit_chain SET erased = 31, erased_key_id = key_id, erased_mac = mac WHERE seq = 2; \
                UPDATE audit_events SET user_id = NULL, actor_id = NULL, session_id = NULL, address = NULL, \
                detail = '{}' WHERE id = (SELECT event_id FROM audit_chain WHERE seq = 2)",
                "what was erased of the event of entry 2 was not erased by this server"),
        ] {
            let app = TestApp::new(backend).await;
            let checkpoint = chained(&app).await;
            assert!(findings(&app.cx, vec![checkpoint]).await.is_empty());
            app.database.tamper(sql);
            let found = findings(&app.cx, vec![]).await;
            assert!(found.iter().any(|line| line.contains(told)), "{sql}: {found:?}");
        }
    }

    async fn a_cut_end_is_found_against_a_checkpoint(backend: Backend) {
        let app = TestApp::new(backend).await;
        let checkpoint = chained(&app).await;
        let end = checkpoint.head.seq;
        app.database.tamper("DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_chain WHERE seq > 3); \
            DELETE FROM audit_chain WHERE seq > 3");
        let line = format!("the end is cut: the checkpoint of {} is at entry {end}, the chain ends at 3", checkpoint.at);
        assert_eq!(findings(&app.cx, vec![]).await, [&*line], "by the one in the database");
        app.database.tamper("DELETE FROM audit_checkpoints");
        assert!(findings(&app.cx, vec![]).await.is_empty(), "whoever takes both away is found by");
        assert_eq!(findings(&app.cx, vec![checkpoint]).await, [&*line], "the one that was kept elsewhere");
        // What happens now takes the places of what was cut.
        for name in ["mallory", "oscar", "peggy"] {
            app.sign_up(name).await;
        }
        app.cx.chain_once().await.unwrap();
        let line = format!("entry {end} is another one than at the checkpoint of {}", checkpoint.at);
        assert_eq!(findings(&app.cx, vec![checkpoint]).await, [line]);
    }

    async fn somebody_who_is_gone_leaves_the_chain_whole(backend: Backend) {
        let app = TestApp::new(backend).await;
        let checkpoint = chained(&app).await;
        let ada = app.sign_in("ada").await;
        let id = user_id(&ada);
        app.cx.erase_from_audit(id).await.unwrap();
        // The last sign-in is not chained yet: nothing is taken from it before it is.
        for _ in 0..2 {
            app.cx.keep_house_once("test").await.unwrap();
            app.cx.chain_once().await.unwrap();
        }
        app.clock.advance(Duration::from_mins(10));
        app.cx.keep_house_once("test").await.unwrap();
        let events = app.cx.store.events(None, 1_000).await.unwrap();
        assert!(events.iter().all(|event| event.user != Some(id) && event.actor != Some(id)));
        assert!(events.iter().any(|event| event.user.is_some()), "of others nothing is taken");
        assert!(app.cx.store.asked_erasures().await.unwrap().is_empty());
        assert!(findings(&app.cx, vec![checkpoint]).await.is_empty());
    }

    async fn nobody_else_lets_us_erase(backend: Backend) {
        let app = TestApp::new(backend).await;
        chained(&app).await;
        let ada = user_id(&app.sign_in("ada").await);
        app.cx.chain_once().await.unwrap();
        app.cx.erase_from_audit(ada).await.unwrap();
        // For somebody else, by whoever has the database in hand.
        app.database.tamper("UPDATE audit_erasures SET user_id = (SELECT id FROM users WHERE email LIKE 'bob%')");
        let before = app.cx.store.events(None, 1_000).await.unwrap();
        app.cx.keep_house_once("test").await.unwrap();
        assert_eq!(app.cx.store.events(None, 1_000).await.unwrap(), before);
    }

    async fn retention_leaves_the_chain_whole(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            setup.settings.audit_retention = Some(Duration::from_hours(24));
        }).await;
        let old = chained(&app).await;
        app.clock.advance(Duration::from_hours(25));
        app.sign_up("late").await;
        app.cx.chain_once().await.unwrap();
        app.cx.keep_house_once("test").await.unwrap();
        let inspected = app.cx.inspect_audit(vec![old]).await.unwrap();
        assert_eq!((inspected.behind, inspected.findings.len()), (old.head.seq, 0));
        assert!(inspected.end > inspected.behind);
        let left = app.cx.store.events(None, 1_000).await.unwrap();
        assert_eq!(left.len() as u64, inspected.end - inspected.behind);
        let checkpoint = app.cx.store.checkpoints(1).await.unwrap();
        assert!(checkpoint.iter().all(|stored| stored.checkpoint.head.seq >= old.head.seq));

        // All goes, what follows comes behind it.
        app.clock.advance(Duration::from_hours(25));
        assert!(app.cx.purge().await.unwrap() >= left.len() as u64);
        assert!(app.cx.store.events(None, 10).await.unwrap().is_empty());
        app.sign_up("later").await;
        app.cx.chain_once().await.unwrap();
        let again = app.cx.inspect_audit(vec![]).await.unwrap();
        assert_eq!((again.behind, again.findings.len()), (inspected.end, 0));
        assert!(again.end > again.behind);
    }

    async fn what_was_tampered_with_is_not_taken_by_retention(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            setup.settings.audit_retention = Some(Duration::from_hours(24));
        }).await;
        let end = chained(&app).await.head.seq;
        app.database.tamper("UPDATE audit_events SET address = '192.0.2.9' \
            WHERE id = (SELECT event_id FROM audit_chain WHERE seq = 2)");
        app.clock.advance(Duration::from_hours(25));
        app.cx.keep_house_once("test").await.unwrap();
        let inspected = app.cx.inspect_audit(vec![]).await.unwrap();
        assert_eq!((inspected.behind, inspected.end, inspected.findings.len()), (0, end, 1));
    }

    async fn another_server_key_takes_over_in_three_steps(backend: Backend) {
        let app = TestApp::new(backend).await;
        let checkpoint = chained(&app).await;
        app.cx.erase_from_audit(user_id(&app.sign_in("ada").await)).await.unwrap();
        app.cx.chain_once().await.unwrap();
        app.cx.keep_house_once("test").await.unwrap();
        app.cx.store.release_leases("test".into()).await.unwrap();
        let old = app.cx.ring.current().id();
        let both = app.another(|setup| setup.server_keys = vec![[2; 32], [1; 32]]).await;
        assert!(findings(&both.cx, vec![checkpoint]).await.is_empty());
        let part = |usage: Vec<portcullis_app::server_keys::KeyUse>| {
            usage.into_iter().find(|one| one.id == old).expect("known").audit
        };
        assert!(part(both.cx.server_key_use().await.unwrap()) > 0);
        both.cx.keep_house_once("test").await.unwrap();
        assert_eq!(part(both.cx.server_key_use().await.unwrap()), 0);
        assert!(findings(&both.cx, vec![]).await.is_empty());
        // Sessions are under the old key still, so that a node without it does not start; its ring does not matter
        // to what an inspection finds.
        app.database.tamper("DELETE FROM sessions");
        let new = app.another(|setup| setup.server_keys = vec![[2; 32]]).await;
        assert!(findings(&new.cx, vec![checkpoint]).await.is_empty());
        // What was asked for under the old key is finished under the new one.
        app.clock.advance(Duration::from_mins(10));
        assert_eq!(new.cx.store.asked_erasures().await.unwrap().len(), 1);
        new.cx.keep_house_once("new").await.unwrap();
        assert!(new.cx.store.asked_erasures().await.unwrap().is_empty());
        app.database.tamper("UPDATE audit_chain SET kind = 'user.updated' WHERE seq = 1");
        assert!(!findings(&new.cx, vec![]).await.is_empty());
    }

    async fn a_checkpoint_is_made_every_five_minutes_if_anything_has_happened(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        assert!(!app.cx.checkpoint_if_due().await.unwrap(), "nothing has happened");
        let first = chained(&app).await;
        app.sign_in("ada").await;
        app.cx.chain_once().await.unwrap();
        assert!(!app.cx.checkpoint_if_due().await.unwrap());
        app.clock.advance(Duration::from_mins(5));
        let (one, two) = tokio::join!(app.cx.checkpoint_if_due(), other.cx.checkpoint_if_due());
        assert_eq!(u8::from(one.unwrap()) + u8::from(two.unwrap()), 1);
        app.clock.advance(Duration::from_mins(5));
        assert!(!app.cx.checkpoint_if_due().await.unwrap() && !other.cx.checkpoint_if_due().await.unwrap());
        assert_eq!(app.cx.store.checkpoints(10).await.unwrap().len(), 2);
        // Whoever goes away says how far it went.
        app.clock.advance(Duration::from_secs(30));
        app.sign_in("ada").await;
        app.cx.leave().await;
        let last = app.cx.store.checkpoints(10).await.unwrap()[0].checkpoint;
        assert!(last.head.seq > first.head.seq);
        assert_eq!(app.cx.inspect_audit(vec![]).await.unwrap().unchained, 0);
    }

    async fn what_is_committed_very_late_is_found_by_the_walk(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let held = app.cx.store.events(None, 1).await.unwrap().remove(0);
        app.clock.advance(Duration::from_hours(1));
        app.sign_up("bob").await;
        app.cx.chain_once().await.unwrap();
        // The chain has long gone on when an old event comes: its row is put where one was, as if it had been slow.
        let before = app.cx.inspect_audit(vec![]).await.unwrap();
        assert!(held.id != Uuid::nil());
        let copy = "INSERT INTO audit_events (id, at, kind, detail) \
            SELECT {id}, at, kind, detail FROM audit_events WHERE at = (SELECT MIN(at) FROM audit_events) LIMIT 1";
        let id = match backend {
            Backend::Sqlite => "X'00000000000070008000000000000001'",
            Backend::Postgres => "'00000000-0000-7000-8000-000000000001'",
        };
        app.database.tamper(&copy.replace("{id}", id));
        assert_eq!(app.cx.chain_once().await.unwrap(), 0, "nobody looks so far back at once");
        app.cx.keep_house_once("test").await.unwrap();
        let after = app.cx.inspect_audit(vec![]).await.unwrap();
        assert_eq!((after.end, after.findings.len()), (before.end + 1, 0));
        assert_eq!(json!(app.cx.store.events(None, 100).await.unwrap().last().unwrap().seq), json!(after.end));
    }
}
