//! What a request costs: a token seen before, a new one, the signature alone, and jsonwebtoken doing the same.
//!
//! `cargo bench -p portcullis-verify`. One thread; the token is one of a Portcullis server, signed ES256.

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jsonwebtoken::{DecodingKey, Validation};
use portcullis_verify::{
    Clock as _, SystemClock, Verifier,
    jose::{AccessClaims, Jwk, VerifyingKey, verify_signature},
};
use serde_json::json;

#[path = "../tests/support/mod.rs"]
mod support;

use support::{FakeIssuer, signer::Signer, with};

struct Setting {
    issuer: FakeIssuer,
    caching: Verifier,
    plain: Verifier,
    token: String,
}

async fn setting() -> Setting {
    let issuer = FakeIssuer::start().await;
    // Other sessions that have ended, as on any day.
    for number in 0..1000 {
        issuer.revoke(&format!("another session, {number}"), None);
    }
    let verifier =
        |capacity| Verifier::builder(issuer.url()).audience(issuer.url()).cache_capacity(capacity).discover();
    let (caching, plain) = (verifier(10_000).await, verifier(0).await);
    let token = token(&issuer);
    Setting { caching: caching.expect("up"), plain: plain.expect("up"), token, issuer }
}

/// With ids of the right length, good from now on.
fn token(issuer: &FakeIssuer) -> String {
    let now = SystemClock::new().unix_seconds();
    let id = |last: u8| json!(format!("019a0000-0000-7000-8000-0000000000{last:02}"));
    let changes = [
        ("iat", json!(now)),
        ("nbf", json!(now)),
        ("exp", json!(now + 900)),
        ("sub", id(1)),
        ("sid", id(2)),
        ("jti", id(3)),
        ("account", id(4)),
        ("account_role", json!("owner")),
    ];
    let claims =
        changes.into_iter().fold(issuer.claims(), |claims, (name, value)| with(&claims, name, Some(value)));
    issuer.signer.sign(issuer.signer.header(), claims)
}

/// Polls what never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

fn jsonwebtoken_key(signer: &Signer) -> DecodingKey {
    // Another dependency may have done it.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let jwk = signer.jwk();
    let [x, y] = ["x", "y"].map(|name| jwk[name].as_str().expect("text").to_owned());
    DecodingKey::from_ec_components(&x, &y).expect("a key")
}

fn verify(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let Setting { issuer, caching, plain, token } = runtime.block_on(setting());
    let jwk = Jwk::parse(issuer.signer.jwk().to_string().as_bytes()).expect("a key");
    let key = VerifyingKey::from_jwk(&jwk).expect("a key");
    let other = jsonwebtoken_key(&issuer.signer);
    let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&[issuer.url()]);
    validation.set_issuer(&[issuer.url()]);
    assert!(ready(caching.verify(&token)).is_ok() && caching.verify_cached(&token).is_some());
    assert!(ready(plain.verify(&token)).is_ok() && plain.verify_cached(&token).is_none());

    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Elements(1));
    let name = |name| BenchmarkId::new(name, format!("{} bytes", token.len()));
    group.bench_function(name("cached"), |bench| bench.iter(|| ready(caching.verify(black_box(&token)))));
    group.bench_function(name("uncached"), |bench| bench.iter(|| ready(plain.verify(black_box(&token)))));
    group.bench_function(name("bare signature"), |bench| {
        bench.iter(|| verify_signature(black_box(&token), &key));
    });
    group.bench_function(name("jsonwebtoken"), |bench| {
        bench.iter(|| jsonwebtoken::decode::<AccessClaims>(black_box(&token), &other, &validation));
    });
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
