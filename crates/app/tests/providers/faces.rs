//! What goes right, by each protocol.

use portcullis_app::providers::{
    CameBack, ClientAuthentication, ClientSecret, ExternalIdentity, ProviderFault, ProviderKind,
    ProviderSettings,
};
use portcullis_core::time::Clock as _;
use portcullis_jose::Algorithm;
use portcullis_testkit::{Endpoint, FakeIdp, Forgery};

use crate::support::{CHALLENGE, NONCE, REDIRECT_URI, STATE, Scene, asking, came_back, query};

const FACES: [fn(&FakeIdp) -> ProviderSettings; 3] =
    [|fake| fake.oidc("acme"), |fake| fake.github("acme"), |fake| fake.oauth2("acme")];

fn email(identity: &ExternalIdentity) -> Option<(&str, bool)> {
    identity.email.as_ref().map(|email| (email.address.as_str(), email.vouched))
}

#[tokio::test]
async fn every_face_tells_who_came() {
    for face in FACES {
        let scene = Scene::of(face).await;
        let ada = scene.sign_in().await.expect("Ada");
        assert_eq!(ada.subject, "7");
        assert_eq!(email(&ada), Some(("ada@example.org", true)));
        assert_eq!(ada.name.as_deref(), Some("Name of 7"));
        assert_eq!(ada.legacy_subjects, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_unverified_address_is_not_vouched_for() {
    for face in FACES {
        let scene = Scene::of(face).await;
        let mallory = scene.fake.person("666", "ada@example.org", false);
        let told = scene.redeem(&scene.go(&mallory).await).await.expect("Mallory");
        assert_eq!((told.subject.as_str(), email(&told)), ("666", Some(("ada@example.org", false))));
    }
}

#[tokio::test]
async fn an_address_that_is_changed_at_the_provider_is_the_same_persons() {
    for face in FACES {
        let scene = Scene::of(face).await;
        let before = scene.sign_in().await.expect("Ada");
        let moved = scene.fake.person("7", "ada@elsewhere.example", true);
        let after = scene.redeem(&scene.go(&moved).await).await.expect("Ada");
        assert_eq!(after.subject, before.subject);
        assert_eq!(email(&after), Some(("ada@elsewhere.example", true)));
    }
}

#[tokio::test]
async fn a_browser_is_sent_with_all_that_the_answer_is_checked_by() {
    let scene = Scene::oidc().await;
    let cx = &scene.app.cx;
    let asked = query(&scene.provider.authorization_url(cx, asking(false)).await.expect("a URL"));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "portcullis of the tests"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid email profile"),
        ("state", STATE),
        ("nonce", NONCE),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!asked.contains_key("prompt") && !asked.contains_key("max_age"));
    let anew = query(&scene.provider.authorization_url(cx, asking(true)).await.expect("a URL"));
    assert_eq!((anew["prompt"].as_str(), anew["max_age"].as_str()), ("login", "0"));
}

#[tokio::test]
async fn when_somebody_signed_in_there_is_told() {
    let scene = Scene::oidc().await;
    let ada = scene.sign_in().await.expect("Ada");
    let ten_seconds_ago = scene.app.clock.now().seconds() - 10;
    assert_eq!(ada.auth_time.map(portcullis_core::time::Timestamp::seconds), Some(ten_seconds_ago));
    assert_eq!(ada.locale.as_deref(), Some("de"));
}

#[tokio::test]
async fn a_code_is_good_once() {
    for face in FACES {
        let scene = Scene::of(face).await;
        let returned = scene.go(&scene.ada()).await;
        scene.redeem(&returned).await.expect("the first time");
        let again = scene.redeem(&returned).await;
        assert_eq!(again, Err(ProviderFault::Refused("the provider does not take the code")));
    }
}

#[tokio::test]
async fn a_code_is_worth_nothing_without_its_verifier_or_elsewhere() {
    for face in FACES {
        let scene = Scene::of(face).await;
        for change in [
            |back: &mut CameBack<'_>| back.code_verifier = "another-verifier-of-forty-three-characters-",
            |back: &mut CameBack<'_>| back.redirect_uri = "http://localhost:8400/auth/oauth/other/callback",
            |back: &mut CameBack<'_>| back.code = "a code that nobody made",
        ] {
            let returned = scene.go(&scene.ada()).await;
            let mut back = CameBack { iss: returned.iss.as_deref(), ..came_back(&returned.code) };
            change(&mut back);
            let refused = scene.provider.redeem(&scene.app.cx, back).await;
            assert_eq!(refused, Err(ProviderFault::Refused("the provider does not take the code")));
        }
    }
}

#[tokio::test]
async fn both_ways_to_show_who_we_are_and_a_wrong_secret() {
    for authentication in [ClientAuthentication::Basic, ClientAuthentication::Post] {
        for secret in [None, Some("wrong")] {
            let scene = Scene::of(|fake| {
                let mut settings = fake.oidc("acme");
                let ProviderKind::Oidc(oidc) = &mut settings.kind else { panic!("OpenID Connect") };
                oidc.authentication = Some(authentication);
                if let Some(secret) = secret {
                    settings.client_secret = ClientSecret::new(secret);
                }
                settings
            })
            .await;
            let done = scene.sign_in().await;
            let unknown = "the provider does not know us by this client_id and client_secret";
            let expected = secret.map_or(Ok("7"), |_| Err(ProviderFault::Misconfigured(unknown)));
            assert_eq!(done.as_ref().map(|ada| ada.subject.as_str()).map_err(Clone::clone), expected);
        }
    }
}

#[tokio::test]
async fn an_address_that_is_in_the_profile_alone_is_fetched_and_of_the_same_person() {
    let scene = Scene::oidc().await;
    scene.fake.keep_email_apart(true);
    assert_eq!(email(&scene.sign_in().await.expect("Ada")), Some(("ada@example.org", true)));
    let unverified = scene.fake.person("7", "ada@example.org", false);
    let told = scene.redeem(&scene.go(&unverified).await).await.expect("Ada");
    assert_eq!(email(&told), Some(("ada@example.org", false)));
    scene.fake.forge(Forgery::OthersProfile);
    let refused = scene.sign_in().await;
    assert_eq!(refused, Err(ProviderFault::Refused("the provider's profile is of somebody else")));
    // Nobody looks at the profile if the ID token says all.
    scene.fake.keep_email_apart(false);
    let asked = scene.fake.asked(Endpoint::Profile);
    scene.sign_in().await.expect("Ada");
    assert_eq!(scene.fake.asked(Endpoint::Profile), asked);
}

#[tokio::test]
async fn every_algorithm_that_we_know_is_taken() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let scene = Scene::oidc().await;
        scene.fake.rotate_keys(algorithm);
        assert!(scene.sign_in().await.is_ok(), "{algorithm}");
    }
}

#[tokio::test]
async fn what_the_operator_says_of_addresses_counts() {
    for (vouched, verified, expected) in
        [(None, true, true), (None, false, false), (Some(false), true, false), (Some(true), true, true)]
    {
        let scene = Scene::of(|fake| {
            let mut settings = fake.oidc("acme");
            let ProviderKind::Oidc(oidc) = &mut settings.kind else { panic!("OpenID Connect") };
            oidc.email_vouched = vouched;
            settings
        })
        .await;
        let person = scene.fake.person("7", "ada@example.org", verified);
        let told = scene.redeem(&scene.go(&person).await).await.expect("Ada");
        assert_eq!(email(&told), Some(("ada@example.org", expected)), "{vouched:?} {verified}");
    }
}
