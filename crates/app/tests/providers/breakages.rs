//! A provider that is down, slow, or not itself.

use std::time::Duration;

use portcullis_app::providers::{ExternalIdentity, ProviderFault};
use portcullis_testkit::{Breakage, Endpoint, FakeIdp};

use crate::support::Scene;

fn is_unavailable<T>(done: &Result<T, ProviderFault>) -> bool {
    matches!(done, Err(ProviderFault::Unavailable(_)))
}

/// After this, what failed is tried once more.
const AGAIN: Duration = Duration::from_secs(10);

async fn recovers(scene: &Scene) -> Result<ExternalIdentity, ProviderFault> {
    scene.fake.mend();
    scene.app.clock.advance(AGAIN);
    scene.sign_in().await
}

#[tokio::test]
async fn without_a_discovery_document_nobody_is_sent_there() {
    for how in Breakage::ALL {
        let scene = Scene::oidc().await;
        scene.fake.break_at(Endpoint::Discovery, how);
        assert!(is_unavailable(&scene.url().await), "{how:?}");
        assert!(is_unavailable(&scene.url().await), "{how:?}");
        assert_eq!(scene.fake.asked(Endpoint::Discovery), 1, "not once for each who comes");
        assert!(recovers(&scene).await.is_ok(), "{how:?}");
    }
}

#[tokio::test]
async fn whatever_breaks_on_the_way_back_is_told_as_such() {
    for endpoint in [Endpoint::Token, Endpoint::Keys, Endpoint::Profile] {
        for how in Breakage::ALL {
            let scene = Scene::oidc().await;
            scene.fake.keep_email_apart(true);
            scene.fake.break_at(endpoint, how);
            let done = scene.sign_in().await;
            assert!(is_unavailable(&done), "{endpoint:?} {how:?}: {done:?}");
            assert!(recovers(&scene).await.is_ok(), "{endpoint:?} {how:?}");
        }
    }
}

#[tokio::test]
async fn the_other_faces_break_alike() {
    for endpoint in [Endpoint::Token, Endpoint::Profile] {
        for how in Breakage::ALL {
            for face in [FakeIdp::github, FakeIdp::oauth2] {
                let scene = Scene::of(|fake| face(fake, "acme")).await;
                scene.fake.break_at(endpoint, how);
                let done = scene.sign_in().await;
                assert!(is_unavailable(&done), "{endpoint:?} {how:?}: {done:?}");
                assert!(recovers(&scene).await.is_ok(), "{endpoint:?} {how:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_published_serves_on_while_the_provider_does_not_publish() {
    for how in Breakage::ALL {
        let scene = Scene::oidc().await;
        scene.sign_in().await.expect("Ada");
        scene.fake.break_at(Endpoint::Discovery, how);
        scene.fake.break_at(Endpoint::Keys, how);
        for _ in 0..3 {
            scene.app.clock.advance(Duration::from_hours(1));
            assert!(scene.sign_in().await.is_ok(), "{how:?}");
        }
        assert_eq!(scene.fake.asked(Endpoint::Discovery), 4, "each hour once");
    }
}

#[tokio::test]
async fn a_crowd_asks_once() {
    let scene = Scene::oidc().await;
    scene.app.outbound.hold();
    let one = || {
        let (cx, provider) = (scene.app.cx.clone(), scene.provider.clone());
        tokio::spawn(async move { provider.authorization_url(&cx, crate::support::asking(false)).await })
    };
    let all: Vec<_> = (0..20).map(|_| one()).collect();
    tokio::task::yield_now().await;
    scene.app.outbound.release();
    for one in all {
        assert!(one.await.expect("no panic").is_ok());
    }
    assert_eq!(scene.fake.asked(Endpoint::Discovery), 1);
}
