//! Keys derived from `server.secret_key` by HKDF-SHA-256 (RFC 5869), one per purpose, so that no MAC made for
//! one purpose ever passes for another.
//!
//! A server holds one current key, under which everything new is made, and any number of accepted ones. A key
//! is named by an id that follows from the key itself; what was made under a key carries that id.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use serde::Serialize;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::random::{self, Random};

/// Shortest secret key, in bytes.
pub const MIN_SECRET_BYTES: usize = 32;
/// Length of every MAC of ours, in bytes: HMAC-SHA-256 cut to 128 bits (RFC 2104 §5).
pub const MAC_BYTES: usize = 16;

/// Names a server key; derived from it, so equal keys have equal ids on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What a MAC is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Refresh tokens.
    Refresh,
    /// Tokens of devices that have signed in before.
    Device,
    /// The one-time set-up link.
    SetUp,
    /// Names of rate limit and slow-down counters, so that the store holds no addresses or e-mails in them.
    Counter,
    /// Tokens that show that a page has read an answer of ours.
    Csrf,
    /// CSRF tokens of the gateway.
    GatewayCsrf,
    /// Cookies of those who know a gateway's access code.
    AccessCode,
    /// Links in mails.
    Link,
    /// Codes of invites.
    Invite,
    /// The audit chain: entries, where it starts, what was erased, checkpoints.
    Audit,
    /// What of a sign-in by way of a provider only we and the provider know.
    Flow,
}

/// A server key is too short to be safe.
#[derive(Debug, Error)]
#[error("a server key needs at least {MIN_SECRET_BYTES} bytes")]
pub struct TooShort;

/// A sealed value cannot be opened.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// The value was sealed under a key that this node does not hold.
    #[error("sealed under server key {0}, which this node does not hold")]
    UnknownKey(KeyId),
    /// The value is not what was sealed.
    #[error("the sealed value is damaged")]
    Damaged,
}

/// One server key and what is derived from it.
pub struct ServerKey {
    id: KeyId,
    check: [u8; 32],
    gateway: Zeroizing<[u8; 32]>,
    macs: [hmac::Key; 11],
    seal: LessSafeKey,
}

struct Length(usize);
impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive<const N: usize>(root: &hkdf::Prk, info: &str) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    root.expand(&[info.as_bytes()], Length(N))
        .and_then(|okm| okm.fill(&mut *out))
        .expect("HKDF gives up to 255 hash lengths");
    out
}

impl ServerKey {
    /// Derives all keys from `secret`.
    ///
    /// # Panics
    /// Never: the lengths are fixed here.
    pub fn new(secret: &[u8]) -> Result<Self, TooShort> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(TooShort);
        }
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"portcullis server key 1").extract(secret);
        let mac = |info| hmac::Key::new(hmac::HMAC_SHA256, &*derive::<32>(&root, info));
        let seal = UnboundKey::new(&AES_256_GCM, &*derive::<32>(&root, "seal")).expect("32 bytes fit");
        Ok(Self {
            id: KeyId(u32::from_be_bytes(*derive::<4>(&root, "id"))),
            check: *derive::<32>(&root, "check value"),
            gateway: derive::<32>(&root, "gateway"),
            macs: [
                mac("refresh"),
                mac("device"),
                mac("set-up"),
                mac("counter"),
                mac("csrf"),
                mac("gateway csrf"),
                mac("access code"),
                mac("link"),
                mac("invite"),
                mac("audit"),
                mac("flow"),
            ],
            seal: LessSafeKey::new(seal),
        })
    }

    /// The name of this key.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What the store keeps to tell this key from another of the same id. Tells nothing of the key.
    pub const fn check_value(&self) -> &[u8; 32] {
        &self.check
    }

    /// The key of a gateway that goes with this server: another one in everything, so that neither can open what
    /// the other has sealed.
    ///
    /// # Panics
    /// Never: the length is fixed.
    #[must_use]
    pub fn for_gateway(&self) -> Self {
        Self::new(&*self.gateway).expect("32 bytes are enough")
    }

    /// MAC over `parts`; the caller sees to it that their lengths are fixed or told.
    pub fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
        let mut context = hmac::Context::with_key(&self.macs[purpose as usize]);
        for part in parts {
            context.update(part);
        }
        let tag = context.sign();
        let mut out = [0; MAC_BYTES];
        out.copy_from_slice(&tag.as_ref()[..MAC_BYTES]);
        out
    }

    /// Whether `mac` is the MAC over `parts`, in constant time.
    pub fn mac_matches(&self, purpose: Purpose, parts: &[&[u8]], mac: &[u8]) -> bool {
        self.mac(purpose, parts).ct_eq(mac).into()
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKey({})", self.id)
    }
}

/// A value sealed at rest: the id of the key stands beside it in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Sealed under this key.
    pub key_id: KeyId,
    /// Nonce, ciphertext and tag (AES-256-GCM).
    pub bytes: Vec<u8>,
}

/// The keys a node holds.
#[derive(Debug)]
pub struct KeyRing {
    current: ServerKey,
    accepted: Vec<ServerKey>,
}

impl KeyRing {
    /// New things are made under `current`; what was made under `accepted` still counts.
    pub fn new(current: ServerKey, accepted: Vec<ServerKey>) -> Self {
        let accepted = accepted.into_iter().filter(|key| key.id != current.id).collect();
        Self { current, accepted }
    }

    /// The key under which everything new is made.
    pub const fn current(&self) -> &ServerKey {
        &self.current
    }

    /// The key named `id`, if this node holds it.
    pub fn get(&self, id: KeyId) -> Option<&ServerKey> {
        self.iter().find(|key| key.id == id)
    }

    /// All keys, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &ServerKey> {
        std::iter::once(&self.current).chain(&self.accepted)
    }

    /// Seals `plain` under the current key; `context` says what it is and must be given again to open it.
    ///
    /// # Panics
    /// If `plain` is larger than AES-GCM takes in one piece, 64 GiB.
    pub fn seal(&self, context: &str, plain: &[u8], random: &dyn Random) -> Sealed {
        let nonce: [u8; NONCE_LEN] = random::bytes(random);
        let mut body = plain.to_vec();
        self.current
            .seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut body)
            .expect("values sealed here are far below the limit of AES-GCM");
        Sealed { key_id: self.current.id, bytes: [&nonce[..], &body].concat() }
    }

    /// Opens what [`Self::seal`] sealed for the same `context`.
    pub fn open(&self, context: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let key = self.get(sealed.key_id).ok_or(OpenError::UnknownKey(sealed.key_id))?;
        let (nonce, body) = sealed.bytes.split_at_checked(NONCE_LEN).ok_or(OpenError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = key
            .seal
            .open_in_place(nonce, Aad::from(context), &mut body)
            .map_err(|_| OpenError::Damaged)?
            .len();
        body.truncate(length);
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Random for Fixed {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(7);
        }
    }

    fn key(byte: u8) -> ServerKey {
        ServerKey::new(&[byte; 32]).expect("long enough")
    }

    #[test]
    fn purposes_do_not_mix() {
        let key = key(1);
        let mac = key.mac(Purpose::Refresh, &[b"a"]);
        assert!(key.mac_matches(Purpose::Refresh, &[b"a"], &mac));
        assert!(!key.mac_matches(Purpose::Device, &[b"a"], &mac));
        assert!(!key.mac_matches(Purpose::Refresh, &[b"b"], &mac));
        assert!(!key.mac_matches(Purpose::Refresh, &[b"a"], &mac[..8]));
    }

    #[test]
    fn ids_follow_from_the_key() {
        assert_eq!(key(1).id(), key(1).id());
        assert_ne!(key(1).id(), key(2).id());
        assert!(ServerKey::new(&[1; 31]).is_err());
    }

    #[test]
    fn sealed_values_open_under_an_accepted_key_and_for_their_context_only() {
        let old = KeyRing::new(key(1), vec![]);
        let sealed = old.seal("signing key x", b"secret", &Fixed);
        assert!(!sealed.bytes.windows(6).any(|window| window == b"secret"));
        let new = KeyRing::new(key(2), vec![key(1)]);
        assert_eq!(&*new.open("signing key x", &sealed).expect("accepted key"), b"secret");
        assert_eq!(new.open("signing key y", &sealed).expect_err("other context"), OpenError::Damaged);
        let gone = KeyRing::new(key(2), vec![]);
        assert_eq!(
            gone.open("signing key x", &sealed).expect_err("dropped"),
            OpenError::UnknownKey(key(1).id())
        );
    }

    #[test]
    fn a_gateways_key_is_another_one_and_follows_from_the_servers() {
        let (server, gateway) = (key(1), key(1).for_gateway());
        assert_ne!(server.id(), gateway.id());
        assert_eq!(gateway.id(), key(1).for_gateway().id());
        let sealed = KeyRing::new(gateway, vec![]).seal("x", b"secret", &Fixed);
        assert!(KeyRing::new(server, vec![]).open("x", &sealed).is_err());
    }

    #[test]
    fn debug_tells_only_the_id() {
        assert_eq!(format!("{:?}", key(1)), format!("ServerKey({})", key(1).id()));
    }
}
