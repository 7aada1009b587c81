//! What a provider publishes changes: keys, endpoints, its very name.

use std::time::Duration;

use portcullis_app::doctor::Health;
use portcullis_app::providers::ProviderFault;
use portcullis_jose::Algorithm;
use portcullis_testkit::{Breakage, Endpoint, Forgery};

use crate::support::Scene;

#[tokio::test]
async fn what_is_published_is_asked_for_once_an_hour() {
    let scene = Scene::oidc().await;
    for _ in 0..5 {
        scene.sign_in().await.expect("Ada");
    }
    scene.app.clock.advance(Duration::from_mins(59));
    scene.sign_in().await.expect("Ada");
    assert_eq!((scene.fake.asked(Endpoint::Discovery), scene.fake.asked(Endpoint::Keys)), (1, 1));
    scene.app.clock.advance(Duration::from_mins(1));
    scene.sign_in().await.expect("Ada");
    assert_eq!((scene.fake.asked(Endpoint::Discovery), scene.fake.asked(Endpoint::Keys)), (2, 2));
}

#[tokio::test]
async fn keys_that_are_changed_are_fetched_at_once() {
    let scene = Scene::oidc().await;
    scene.sign_in().await.expect("Ada");
    for (at, algorithm) in [Algorithm::Es256, Algorithm::EdDsa].into_iter().enumerate() {
        scene.app.clock.advance(Duration::from_secs(10));
        scene.fake.rotate_keys(algorithm);
        scene.sign_in().await.expect("Ada");
        scene.sign_in().await.expect("Ada");
        assert_eq!(scene.fake.asked(Endpoint::Keys), at + 2, "once each time");
    }
}

#[tokio::test]
async fn a_key_that_nobody_publishes_is_asked_for_with_measure() {
    let scene = Scene::oidc().await;
    scene.fake.forge(Forgery::UnknownKey);
    for _ in 0..5 {
        assert!(scene.sign_in().await.is_err());
    }
    assert_eq!(scene.fake.asked(Endpoint::Keys), 1, "they were fetched a moment ago");
    scene.app.clock.advance(Duration::from_secs(10));
    for _ in 0..5 {
        assert!(scene.sign_in().await.is_err());
    }
    assert_eq!(scene.fake.asked(Endpoint::Keys), 2);
}

#[tokio::test]
async fn endpoints_that_move_are_found_where_they_are() {
    let scene = Scene::oidc().await;
    scene.sign_in().await.expect("Ada");
    scene.app.clock.advance(Duration::from_secs(10));
    // Between the way there and the way back.
    let returned = scene.go(&scene.ada()).await;
    scene.fake.move_endpoints();
    assert_eq!(scene.redeem(&returned).await.expect("Ada").subject, "7");
    scene.sign_in().await.expect("the new way there is known, too");
    assert_eq!(scene.fake.asked(Endpoint::Discovery), 2);
}

#[tokio::test]
async fn a_document_of_another_issuer_is_none() {
    let other = Err(ProviderFault::Refused("the discovery document is of another issuer"));
    let scene = Scene::oidc().await;
    scene.fake.change_issuer("https://evil.example");
    assert_eq!(scene.url().await, other);
    // Neither when it changes later.
    let scene = Scene::oidc().await;
    scene.sign_in().await.expect("Ada");
    let returned = scene.go(&scene.ada()).await;
    scene.fake.change_issuer(&format!("{}/", scene.fake.url()));
    scene.app.clock.advance(Duration::from_hours(1));
    assert_eq!(scene.url().await, other);
    assert_eq!(scene.redeem(&returned).await.map(|ada| ada.subject), other);
    scene.fake.change_issuer(&scene.fake.url());
    scene.app.clock.advance(Duration::from_secs(10));
    assert!(scene.sign_in().await.is_ok());
}

#[tokio::test]
async fn the_doctor_tells_what_can_be_told_before_anybody_comes() {
    let looked_at = async |scene: &Scene| {
        scene.app.clock.advance(Duration::from_hours(1));
        let checks = scene.app.cx.doctor().await;
        let check = checks.into_iter().find(|check| check.name == "provider").expect("a check");
        assert!(check.seen.starts_with("acme: "), "{}", check.seen);
        (check.health, check.seen)
    };
    let scene = Scene::oidc().await;
    assert_eq!(looked_at(&scene).await.0, Health::Ok);
    scene.fake.change_issuer("https://evil.example");
    let (health, seen) = looked_at(&scene).await;
    assert!(health == Health::Fault && seen.contains("another issuer"), "{seen}");
    let down = Scene::oidc().await;
    down.fake.break_at(Endpoint::Keys, Breakage::Down);
    let (health, seen) = looked_at(&down).await;
    assert!(health == Health::Warning && seen.contains("answered 500"), "{seen}");
    let plain = Scene::of(|fake| fake.oauth2("acme")).await;
    assert_eq!(looked_at(&plain).await.0, Health::Ok);
}

#[tokio::test]
async fn two_providers_know_nothing_of_each_other() {
    let (one, other) = (Scene::oidc().await, Scene::oidc().await);
    let returned = one.go(&one.ada()).await;
    let mixed_up = other.redeem(&returned).await;
    let told = "the answer is from another provider: its iss is not this one's";
    assert_eq!(mixed_up, Err(ProviderFault::Refused(told)));
    assert_eq!(other.fake.asked(Endpoint::Token), 0, "the code goes nowhere");
}

#[tokio::test]
async fn whatever_has_moved_is_looked_for_after_it_failed() {
    for endpoint in [Endpoint::Keys, Endpoint::Profile] {
        let scene = Scene::oidc().await;
        scene.fake.keep_email_apart(true);
        scene.url().await.expect("it says where");
        scene.app.clock.advance(Duration::from_secs(10));
        scene.fake.break_at(endpoint, Breakage::Down);
        assert!(scene.sign_in().await.is_err());
        assert_eq!(scene.fake.asked(Endpoint::Discovery), 1);
        scene.url().await.expect("it still says where");
        assert_eq!(scene.fake.asked(Endpoint::Discovery), 2, "after {endpoint:?} has failed");
    }
}
