//! A sign-in that owes a second factor: what was proved so far is kept under a challenge, and nobody has a session yet.
//!
//! 1. The challenge holds the user, the credential epoch that was read before the proof, what was shown, and for whom
//!    and how the tokens are wanted. It is good for five minutes and for one sign-in.
//! 2. Whoever gets their tokens in the body gets the secret there, too: it is the challenge. A browser gets the secret
//!    in an `HttpOnly` cookie and in the body only its name, so that neither a page's script nor whoever has the body
//!    of an answer can go on elsewhere.
//! 3. The password was right: its wrong guesses are forgiven now. Those of factors are counted apart.

use std::fmt::Write as _;
use std::time::Duration;

use portcullis_core::factor::{Factors, Method};
use portcullis_core::secret_token::{Kind, SecretDigest, SecretToken};
use portcullis_core::session::Delivery;
use portcullis_store::limits;
use portcullis_store::login_challenges::{self, LoginChallenge};

use crate::cx::Cx;
use crate::fault::Fault;
use crate::sign_in::{Proof, SignInError, Wish};

/// For how long a factor may be shown.
pub const CHALLENGE_LIFETIME: Duration = Duration::from_mins(5);

/// What somebody is told who owes a second factor.
#[derive(Debug)]
pub struct Owed {
    secret: SecretToken,
    delivery: Delivery,
    /// How it may be shown.
    pub methods: Vec<Method>,
}

impl Owed {
    /// The challenge, for the body.
    pub fn challenge(&self) -> String {
        match self.delivery {
            Delivery::Body => self.secret.expose().to_owned(),
            Delivery::Cookie | Delivery::Cookies => challenge_name(self.secret.digest()),
        }
    }

    /// The secret that goes into the browser's cookie, where tokens travel in cookies.
    pub fn cookie(&self) -> Option<&str> {
        (self.delivery != Delivery::Body).then(|| self.secret.expose())
    }
}

/// By what a challenge is named whose secret is in a cookie.
pub(crate) fn challenge_name(digest: SecretDigest) -> String {
    digest.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Cx {
    /// Keeps what `proof` has proved until a factor is shown; what to answer.
    pub(crate) async fn owe(
        &self,
        proof: Proof,
        wish: Wish,
        factors: Factors,
    ) -> Result<SignInError, SignInError> {
        let secret = SecretToken::new(Kind::LoginChallenge, &*self.random);
        let now = self.clock.now();
        let delivery = wish.handover.delivery;
        let challenge = LoginChallenge {
            digest: secret.digest(),
            user: proof.user.id,
            epoch: proof.user.credential_epoch,
            methods: proof.methods,
            audiences: wish.audiences,
            delivery,
            device: proof.device,
            created_at: now,
            expires_at: now + CHALLENGE_LIFETIME,
        };
        let forgive = proof.forgive;
        let kept = self.store.write(move |tx| {
            let challenge = challenge.clone();
            Box::pin(async move {
                let kept = login_challenges::put(tx, &challenge).await?;
                if let (true, Some(bucket)) = (kept, forgive) {
                    limits::forgive(tx, bucket).await?;
                }
                Ok(kept)
            })
        });
        if !kept.await.map_err(Fault::from)? {
            return Ok(SignInError::Refused);
        }
        Ok(SignInError::FactorOwed(Owed { secret, delivery, methods: Method::of(factors) }))
    }
}
