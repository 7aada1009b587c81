//! Keys of the operator's own, and what others make of our tokens by the published set.

use std::sync::Once;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use portcullis_core::signing_key::PUBLISHING_DELAY;
use portcullis_jose::{Algorithm, SigningKey};
use portcullis_testkit::{Actor, TestApp};
use serde_json::Value;

use crate::on_both;
use crate::support::{claims, header, private};

const EC: &str = include_str!("../../../../jose/tests/vectors/pem/ec-pkcs8.pem");
const ED: &str = include_str!("../../../../jose/tests/vectors/pem/ed25519-pkcs8.pem");
const RSA: &str = include_str!("../../../../jose/tests/vectors/pem/rsa-pkcs8.pem");

/// What a resource server with an ordinary library does.
async fn verified_by_others(app: &TestApp, token: &str) -> Value {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Refused if another test of this process was first.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    });
    let set = app.anon().get("/.well-known/jwks.json").await.json;
    let set: JwkSet = serde_json::from_value(set).expect("a JWKS to them too");
    let header = jsonwebtoken::decode_header(token).expect("a header to them too");
    let key = set.find(header.kid.as_deref().expect("a kid")).expect("it is published");
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&["http://localhost:8400"]);
    validation.set_audience(&["http://localhost:8400"]);
    // Their clock is the system's; ours is the test's.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let key = DecodingKey::from_jwk(key).expect("a key to them too");
    jsonwebtoken::decode::<Value>(token, &key, &validation).expect("they verify").claims
}

async fn works_everywhere(app: &TestApp, other: &TestApp, actor: &mut Actor) {
    for node in [app, other] {
        private(&actor.at(node).get("/auth/me").await, 200);
        *actor = actor.at(node);
        private(&actor.refresh().await, 200);
    }
}

on_both! {
    async fn imported_keys_sign_and_are_published(backend: Backend) {
        for (pem, algorithm) in [(EC, "ES256"), (RSA, "RS256"), (ED, "EdDSA")] {
            let own = |setup: &mut portcullis_testkit::Setup| {
                setup.settings.private_key = Some(SigningKey::from_pem(pem).expect("a key file"));
            };
            let app = TestApp::with(backend, own).await;
            let other = app.another(own).await;
            let mut ada = app.sign_up("ada").await;
            let token = ada.access_token.clone().unwrap();
            let kid = SigningKey::from_pem(pem).unwrap().kid().to_owned();
            assert_eq!((&header(&token)["alg"], &header(&token)["kid"]), (&algorithm.into(), &kid.into()));
            for node in [&app, &other] {
                assert_eq!(verified_by_others(node, &token).await, claims(&token), "{algorithm}");
            }
            let private = ["d", "p", "q", "dp", "dq", "qi", "k"];
            let keys = app.anon().get("/.well-known/jwks.json").await.json["keys"].clone();
            assert_eq!(keys.as_array().unwrap().len(), 1);
            assert!(private.iter().all(|member| keys[0].get(member).is_none()), "{keys}");
            works_everywhere(&app, &other, &mut ada).await;
        }
    }

    async fn a_key_imported_later_takes_over_without_signing_anybody_out(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let own = |setup: &mut portcullis_testkit::Setup| {
            setup.settings.private_key = Some(SigningKey::from_pem(RSA).expect("a key file"));
        };
        let restarted = app.another(own).await;
        assert_eq!(restarted.anon().get("/.well-known/jwks.json").await.json["keys"].as_array().unwrap().len(), 2);
        app.cx.reload_signing_keys().await.unwrap();
        works_everywhere(&app, &restarted, &mut ada).await;
        assert_eq!(header(ada.access_token.as_deref().unwrap())["alg"], "ES256");
        let old = ada.clone();
        app.clock.advance(PUBLISHING_DELAY);
        works_everywhere(&app, &restarted, &mut ada).await;
        let token = ada.access_token.clone().unwrap();
        assert_eq!(header(&token)["alg"], "RS256");
        assert_eq!(verified_by_others(&app, &token).await, claims(&token));
        private(&old.at(&restarted).get("/auth/me").await, 200);
        let again = app.another(own).await;
        let keys = again.anon().get("/.well-known/jwks.json").await.json["keys"].as_array().unwrap().len();
        assert_eq!(keys, 2, "a restart imports nothing twice");
    }

    async fn a_shared_secret_is_never_published(backend: Backend) {
        let hs256 = |setup: &mut portcullis_testkit::Setup| setup.settings.algorithm = Algorithm::Hs256;
        let app = TestApp::with(backend, hs256).await;
        let other = app.another(hs256).await;
        let mut ada = app.sign_up("ada").await;
        assert_eq!(header(ada.access_token.as_deref().unwrap())["alg"], "HS256");
        for node in [&app, &other] {
            let keys = node.anon().get("/.well-known/jwks.json").await.json["keys"].clone();
            assert_eq!(keys, serde_json::json!([]));
        }
        works_everywhere(&app, &other, &mut ada).await;
    }
}
