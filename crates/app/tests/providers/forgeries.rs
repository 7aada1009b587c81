//! Every lie, by name.

use portcullis_app::providers::{CameBack, ProviderFault};
use portcullis_testkit::Forgery;

use crate::support::{Scene, came_back};

/// What is said of each.
fn told(forgery: Forgery) -> &'static str {
    match forgery {
        Forgery::Nonce => "the identity token is not of this sign-in: its nonce is another",
        Forgery::Audience => "the identity token is for somebody else",
        Forgery::AuthorizedParty => "the identity token was given to somebody else",
        Forgery::Issuer => "the identity token is from another issuer",
        Forgery::Signature | Forgery::ForeignKey => "the signature of the identity token is wrong",
        Forgery::AlgNone | Forgery::ClientSecret | Forgery::PublicKeyAsSecret => {
            "the identity token is signed by an algorithm that its key is not for, or not at all"
        }
        Forgery::UnknownKey => "the identity token is signed with a key that is not the provider's",
        Forgery::Type => "what came in place of an identity token is another kind of token",
        Forgery::Expired => "the identity token has expired",
        Forgery::FromTheFuture => "the identity token is from the future",
        Forgery::AccessTokenHash => "the identity token and the access token do not belong together",
        Forgery::NoIdToken => "the provider gives no identity token",
        Forgery::OthersProfile => "the provider's profile is of somebody else",
        Forgery::ReturnedIssuer => "the answer is from another provider: its iss is not this one's",
        Forgery::NoReturnedIssuer => "the answer does not say who it is from: it has no iss",
    }
}

#[tokio::test]
async fn no_lie_is_believed_and_the_truth_is_afterwards() {
    for forgery in Forgery::ALL {
        let scene = Scene::oidc().await;
        scene.fake.keep_email_apart(forgery == Forgery::OthersProfile);
        scene.fake.forge(forgery);
        let refused = scene.sign_in().await;
        assert_eq!(refused, Err(ProviderFault::Refused(told(forgery))), "{forgery:?}");
        scene.fake.forge(None);
        assert!(scene.sign_in().await.is_ok(), "after {forgery:?}");
    }
}

#[tokio::test]
async fn an_answer_to_another_sign_in_is_none_to_this_one() {
    let scene = Scene::oidc().await;
    let returned = scene.go(&scene.ada()).await;
    let back =
        CameBack { nonce: "of my own sign-in", iss: returned.iss.as_deref(), ..came_back(&returned.code) };
    let refused = scene.provider.redeem(&scene.app.cx, back).await;
    assert_eq!(refused, Err(ProviderFault::Refused(told(Forgery::Nonce))));
}

#[tokio::test]
async fn a_provider_that_does_not_say_who_it_is_need_not() {
    let scene = Scene::oidc().await;
    scene.fake.say_iss(false);
    assert!(scene.sign_in().await.is_ok());
    // But what it says counts, promised or not.
    let returned = scene.go(&scene.ada()).await;
    let back = CameBack { iss: Some("https://evil.example"), ..came_back(&returned.code) };
    let refused = scene.provider.redeem(&scene.app.cx, back).await;
    assert_eq!(refused, Err(ProviderFault::Refused(told(Forgery::ReturnedIssuer))));
}

#[tokio::test]
async fn the_other_faces_know_mixed_up_answers_too() {
    let github = Scene::of(|fake| fake.github("acme")).await;
    github.fake.forge(Forgery::ReturnedIssuer);
    assert_eq!(github.sign_in().await, Err(ProviderFault::Refused(told(Forgery::ReturnedIssuer))));
    github.fake.forge(Forgery::NoReturnedIssuer);
    assert!(github.sign_in().await.is_ok(), "it promises nothing");
}

#[tokio::test]
async fn no_fault_carries_a_secret() {
    for forgery in Forgery::ALL {
        let scene = Scene::oidc().await;
        scene.fake.forge(forgery);
        let said = format!("{:?}", scene.sign_in().await);
        for secret in ["s3cret", "code+", "access-token", "dBjftJeZ", "eyJ"] {
            assert!(!said.contains(secret), "{forgery:?}: {said}");
        }
    }
}
