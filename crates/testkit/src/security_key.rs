//! A security key and its browser (WebAuthn Level 3): one passkey, and every lie that a test wants it to tell.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::app::OWN_ORIGIN;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;

/// What has one passkey.
pub struct SecurityKey {
    key: EcdsaKeyPair,
    /// What it calls the passkey.
    pub credential_id: Vec<u8>,
    /// Whose it is, once it was registered.
    pub user: Option<Vec<u8>>,
    /// How often it was used. Goes up by one each time, unless it is 0.
    pub counter: u32,
    /// The page that asks.
    pub origin: String,
    /// Who the browser says that page is of.
    pub rp_id: String,
    /// The user was verified, by PIN or finger.
    pub verifies: bool,
    /// The passkey is shared with the user's other devices.
    pub is_synced: bool,
}

impl Default for SecurityKey {
    fn default() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key can be made");
        Self {
            credential_id: digest(&SHA256, key.public_key().as_ref()).as_ref()[..20].to_vec(),
            key,
            user: None,
            counter: 0,
            origin: OWN_ORIGIN.into(),
            rp_id: "localhost".into(),
            verifies: true,
            is_synced: false,
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

impl SecurityKey {
    /// One that counts how often its passkey is used.
    pub fn counting() -> Self {
        Self { counter: 1, ..Self::default() }
    }

    /// One whose passkey is shared with other devices of the user's, and that counts nothing.
    pub fn synced() -> Self {
        Self { is_synced: true, ..Self::default() }
    }

    /// One that says that its passkey is this user's.
    pub fn claiming(user: &[u8]) -> Self {
        Self { user: Some(user.to_vec()), ..Self::default() }
    }

    /// What `navigator.credentials.create` answers to `options`, as JSON.
    ///
    /// # Panics
    /// If those are no options.
    pub fn create(&mut self, options: &Value) -> Value {
        let user = options["user"]["id"].as_str().expect("whose");
        self.user = Some(URL_SAFE_NO_PAD.decode(user).expect("base64url"));
        let mut data = self.authenticator_data(HAS_CREDENTIAL);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.credential_id.len()).expect("short").to_be_bytes());
        data.extend(&self.credential_id);
        data.extend(self.cose_key());
        // {"fmt": "none", "attStmt": {}, "authData": …} in CBOR.
        let mut attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        attestation.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
        attestation.extend(data);
        let client_data = self.client_data("webauthn.create", options);
        self.answer(&json!({
            "clientDataJSON": base64(&client_data), "attestationObject": base64(&attestation),
            "transports": ["internal"],
        }))
    }

    /// What `navigator.credentials.get` answers to `options`, as JSON.
    ///
    /// # Panics
    /// If those are no options.
    pub fn get(&mut self, options: &Value) -> Value {
        if self.counter > 0 {
            self.counter += 1;
        }
        let client_data = self.client_data("webauthn.get", options);
        let data = self.authenticator_data(0);
        let signed = [data.as_slice(), &sha256(&client_data)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("it signs");
        self.answer(&json!({
            "clientDataJSON": base64(&client_data), "authenticatorData": base64(&data),
            "signature": base64(signature.as_ref()), "userHandle": self.user.as_deref().map(base64),
        }))
    }

    fn answer(&self, response: &Value) -> Value {
        let id = base64(&self.credential_id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": {}, "response": response,
        })
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = options["challenge"].as_str().expect("a challenge");
        let data = json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        data.to_string().into_bytes()
    }

    fn authenticator_data(&self, more: u8) -> Vec<u8> {
        let verified = if self.verifies { USER_VERIFIED } else { 0 };
        let synced = if self.is_synced { BACKUP_ELIGIBLE | BACKED_UP } else { 0 };
        let mut data = sha256(self.rp_id.as_bytes());
        data.push(USER_PRESENT | verified | synced | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// The public key (RFC 9053 section 7.1.1), whose coordinates stand behind a byte that says so.
    fn cose_key(&self) -> Vec<u8> {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        let mut key = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".to_vec();
        key.extend(x);
        key.extend(b"\x22\x58\x20");
        key.extend(y);
        key
    }
}
