//! ID tokens, good and forged ones.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::grants::Grant;
use super::{CLIENT_ID, CLIENT_SECRET, Forgery, State};

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl State {
    /// The ID token for what was granted.
    pub(super) fn id_token(&self, grant: &Grant, access_token: &str) -> String {
        let forged = |forgery| self.forgery == Some(forgery);
        let payload = self.claims(grant, access_token).to_string();
        let own = |typ| self.key.sign(typ, payload.as_bytes()).expect("a signature");
        let stranger = || SigningKey::generate(Algorithm::Es256).expect("a key");
        let under_own_name =
            |alg: &str| b64(json!({"typ": "JWT", "alg": alg, "kid": self.key.kid()}).to_string());
        let by_secret = |secret: &[u8]| {
            let signed = format!("{}.{}", under_own_name("HS256"), b64(&payload));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
            format!("{signed}.{}", b64(tag))
        };
        match self.forgery {
            Some(Forgery::Signature) => {
                let good = own("JWT");
                let (signed, signature) = good.rsplit_once('.').expect("three parts");
                let other = if signature.starts_with('A') { "B" } else { "A" };
                format!("{signed}.{other}{}", &signature[1..])
            }
            Some(Forgery::AlgNone) => format!("{}.{}.", under_own_name("none"), b64(&payload)),
            Some(Forgery::ClientSecret) => by_secret(CLIENT_SECRET.as_bytes()),
            Some(Forgery::PublicKeyAsSecret) => by_secret(json!(self.key.jwk()).to_string().as_bytes()),
            Some(Forgery::UnknownKey) => stranger().sign("JWT", payload.as_bytes()).expect("a signature"),
            Some(Forgery::ForeignKey) => {
                let foreign = stranger().sign("JWT", payload.as_bytes()).expect("a signature");
                let (_, rest) = foreign.split_once('.').expect("three parts");
                format!("{}.{rest}", under_own_name("ES256"))
            }
            _ if forged(Forgery::Type) => own("at+jwt"),
            _ => own("JWT"),
        }
    }

    fn claims(&self, grant: &Grant, access_token: &str) -> Value {
        let forged = |forgery| self.forgery == Some(forgery);
        let now = self.clock.now().seconds();
        let mut claims = json!({
            "iss": self.issuer,
            "sub": grant.person.subject,
            "aud": CLIENT_ID,
            "azp": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
            "at_hash": self.hash(access_token),
            "name": grant.person.name,
            "locale": "de",
        });
        if let Some(ago) = self.signed_in_for {
            claims["auth_time"] = json!(now - i64::try_from(ago.as_secs()).expect("not that long"));
        }
        if let Some((email, verified)) = grant.person.email.as_ref().filter(|_| !self.email_apart) {
            claims["email"] = json!(email);
            claims["email_verified"] = json!(verified);
        }
        let lies = [
            (Forgery::Nonce, "nonce", json!("the nonce of another sign-in")),
            (Forgery::Audience, "aud", json!("somebody else")),
            (Forgery::AuthorizedParty, "azp", json!("somebody else")),
            (Forgery::Issuer, "iss", json!("https://evil.example")),
            (Forgery::Expired, "exp", json!(now - 60)),
            (Forgery::FromTheFuture, "iat", json!(now + 61)),
            (Forgery::AccessTokenHash, "at_hash", json!(self.hash("another"))),
        ];
        for (_, name, value) in lies.into_iter().filter(|(forgery, ..)| forged(*forgery)) {
            claims[name] = value;
        }
        claims
    }

    /// OpenID Connect Core §3.1.3.6.
    fn hash(&self, access_token: &str) -> String {
        let with = if self.key.algorithm() == Algorithm::EdDsa { &SHA512 } else { &SHA256 };
        let hash = digest(with, access_token.as_bytes());
        b64(&hash.as_ref()[..hash.as_ref().len() / 2])
    }
}
