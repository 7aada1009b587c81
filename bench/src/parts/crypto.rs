//! The raw cost of the crypto.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use portcullis_jose::{AccessClaims, Algorithm as SigningAlgorithm, SigningKey};

use super::per_second;
use crate::options::Options;

/// Header and claims of an access token, in base64url, are about that long.
const SIGNING_INPUT: usize = 360;
/// OWASP's first choice, and the product's default: KiB, passes, lanes.
const ARGON2: (u32, u32, u32) = (19_456, 2, 1);

/// ES256 signatures a second of one core, by the library alone: one figure a window.
pub(crate) fn es256(options: &Options) -> Result<Vec<f64>> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| anyhow!("no key"))?;
    let (random, input) = (SystemRandom::new(), [b'a'; SIGNING_INPUT]);
    key.sign(&random, &input).map_err(|_| anyhow!("signing failed"))?;
    let work = || {
        let _ = black_box(key.sign(&random, black_box(&input)));
    };
    Ok((0..options.repeats()).map(|_| per_second(length(options), work)).collect())
}

/// Access tokens a second of one core: claims to JSON to base64url to signature.
pub(crate) fn access_tokens(options: &Options) -> Result<Vec<f64>> {
    let key = SigningKey::generate(SigningAlgorithm::Es256).context("no key")?;
    let id = "0192f0c1-0000-7000-8000-000000000001".to_owned();
    let claims = AccessClaims {
        iss: "http://localhost:8400".into(),
        aud: vec!["http://localhost:8400".into()],
        sub: id.clone(),
        sid: id.clone(),
        jti: id.clone(),
        account: Some(id),
        account_role: Some("owner".into()),
        client_id: "first-party".into(),
        role: "user".into(),
        amr: vec!["pwd".into()],
        iat: 1_767_225_600,
        nbf: 1_767_225_600,
        exp: 1_767_226_500,
        auth_time: Some(1_767_225_600),
        generation: 7,
        ..AccessClaims::default()
    };
    key.sign_claims(&claims)?;
    let work = || drop(black_box(key.sign_claims(black_box(&claims))));
    Ok((0..options.repeats()).map(|_| per_second(length(options), work)).collect())
}

/// Password hashes a second of all cores together, each thread with its own memory, kept: one figure a window.
pub(crate) fn argon2id(options: &Options) -> Result<Vec<f64>> {
    (0..options.repeats()).map(|_| argon2id_window(options)).collect()
}

/// One window of it.
pub(crate) fn argon2id_window(options: &Options) -> Result<f64> {
    let length = options.window();
    let cores = thread::available_parallelism()?.get();
    let threads: Vec<_> = (0..cores).map(|_| thread::spawn(move || hashes(length))).collect();
    threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread failed"))?).sum()
}

fn hashes(length: Duration) -> Result<f64> {
    let (memory, passes, lanes) = ARGON2;
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(|error| anyhow!("{error}"))?;
    let mut blocks = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = |output: &mut [u8; 32]| {
        argon2.hash_password_into_with_memory(b"the quiet harbour at noon", &[7; 16], output, &mut blocks)
    };
    // The first one touches the memory.
    hash(&mut [0; 32]).map_err(|error| anyhow!("{error}"))?;
    Ok(per_second(length, || {
        let mut output = [0; 32];
        let _ = hash(black_box(&mut output));
        black_box(output);
    }))
}

fn length(options: &Options) -> Duration {
    options.window().min(Duration::from_secs(1))
}
