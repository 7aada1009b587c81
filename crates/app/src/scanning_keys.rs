//! The keys under which scanners of source code sign their reports.
//!
//! They are fetched from `api_tokens.scanning_keys_url` when they are needed, kept for a day, and asked for again at
//! most once a minute: for a key that we have not seen, or while they cannot be had. What was asked for is kept even if
//! who needed it has gone away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::time::Timestamp;
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::cx::Cx;
use crate::leaked_tokens::ReportError;
use crate::outbound::Outbound;

const KEPT: Duration = Duration::from_hours(24);
const AGAIN: Duration = Duration::from_mins(1);
const MOST: usize = 256 * 1024;

/// `SubjectPublicKeyInfo` of a key on P-256 (RFC 5480), up to the uncompressed point that is the rest of it.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A public key: an uncompressed point.
type Point = Vec<u8>;

/// What a node remembers of the keys.
#[derive(Default)]
pub struct ScanningKeys(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    keys: HashMap<String, Point>,
    fetched_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
}

impl Known {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fetched_at.is_some_and(|at| now < at + KEPT)
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        self.asked_at.is_none_or(|at| now >= at + AGAIN)
    }
}

#[derive(Deserialize)]
struct Listed {
    public_keys: Vec<ListedKey>,
}

#[derive(Deserialize)]
struct ListedKey {
    key_identifier: String,
    key: String,
}

impl Cx {
    /// Whether `signature` (base64 of a DER ECDSA signature) under the key `id` is one of `body`.
    pub(crate) async fn check_report(
        &self,
        url: &str,
        id: &str,
        signature: &str,
        body: &[u8],
    ) -> Result<(), ReportError> {
        let signature = STANDARD.decode(signature).map_err(|_| ReportError::Signature("no base64"))?;
        let point = self.scanning_key(url, id).await?.ok_or(ReportError::Signature("unknown key"))?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
        key.verify(body, &signature).map_err(|_| ReportError::Signature("wrong signature"))
    }

    async fn scanning_key(&self, url: &str, id: &str) -> Result<Option<Point>, ReportError> {
        // Whoever comes while the keys are fetched waits for them.
        let known = self.scanning_keys.0.clone().lock_owned().await;
        let now = self.clock.now();
        let found = known.keys.get(id).filter(|_| known.is_fresh(now)).cloned();
        if found.is_some() {
            return Ok(found);
        }
        if !known.may_ask(now) {
            return if known.is_fresh(now) {
                Ok(None)
            } else {
                Err(ReportError::NoKeys("asked a moment ago".into()))
            };
        }
        let fetching = tokio::spawn(fetch(known, self.outbound.clone(), url.to_owned(), now));
        let known = fetching.await.map_err(|_| ReportError::NoKeys("the fetch panicked".into()))??;
        Ok(known.keys.get(id).cloned())
    }
}

async fn fetch(
    mut known: OwnedMutexGuard<Known>,
    outbound: Arc<dyn Outbound>,
    url: String,
    now: Timestamp,
) -> Result<OwnedMutexGuard<Known>, ReportError> {
    known.asked_at = Some(now);
    let list = outbound.get(&url, MOST).await.map_err(|error| ReportError::NoKeys(error.to_string()))?;
    known.keys = read(&list).ok_or_else(|| ReportError::NoKeys("what came is no list of keys".into()))?;
    known.fetched_at = Some(now);
    Ok(known)
}

/// Keys that are none of ours to use are left out.
fn read(list: &[u8]) -> Option<HashMap<String, Point>> {
    let list: Listed = serde_json::from_slice(list).ok()?;
    let keys = list.public_keys.into_iter();
    Some(keys.filter_map(|listed| Some((listed.key_identifier, point(&listed.key)?))).collect())
}

/// The point of a key in PEM.
fn point(pem: &str) -> Option<Point> {
    let body =
        pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
    let der = STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()?;
    let point = der.strip_prefix(&P256)?;
    (point.len() == 65 && point[0] == 4).then(|| point.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the documentation of the programme whose form this is.
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\n\
        HzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==\n-----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_in_pem() {
        let point = point(KEY).expect("a key on P-256");
        assert_eq!((point.len(), point[0]), (65, 4));
        let unbroken = KEY.replace('\n', "");
        for wrong in
            ["", "garbage", &KEY[..60], &KEY.replace("MFkw", "MFkx"), &KEY.replace("PUBLIC", "PRIVATE")]
        {
            assert_eq!(super::point(wrong), None, "{wrong}");
        }
        assert_eq!(super::point(&unbroken), Some(point));
    }

    #[test]
    fn a_list_of_keys() {
        let list = serde_json::json!({"public_keys": [
            {"key_identifier": "one", "key": KEY, "is_current": true},
            {"key_identifier": "two", "key": "garbage", "is_current": false},
        ]});
        let keys = read(list.to_string().as_bytes()).expect("a list");
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["one"]);
        for wrong in ["", "[]", "{}", "{\"public_keys\":[{}]}"] {
            assert!(read(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
