//! The first administrator, by the one-time link.
//!
//! 1. At start, while there has never been one, a link is offered: derived from a stored id, only its hash
//!    kept. Every node of the database shows the same.
//! 2. A POST spends it in the transaction that makes the administrator. An administrator who comes to be in any
//!    other way voids it.

use portcullis_core::audit::EventKind;
use portcullis_core::random;
use portcullis_core::set_up::{LIFETIME, hash, token};
use portcullis_core::user::{Role, User};
use portcullis_store::audit;
use portcullis_store::set_up::{self, Offer, SetUp};
use portcullis_store::users::{self, Insert};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::register::{RegisterError, Registration, Standing, made};

impl Cx {
    /// The token of the set-up link, while there has never been an administrator.
    pub async fn set_up_token(&self) -> Result<Option<Zeroizing<String>>, Fault> {
        let now = self.clock.now();
        let key = self.ring.current().id();
        let link_id = random::bytes(&*self.random);
        let fresh = token(link_id, key, &self.ring).ok_or(Fault::ServerKeyMissing(key))?;
        let offer = Offer { link_id, link_hash: hash(&fresh), key_id: key, expires_at: now + LIFETIME };
        self.store
            .write(move |tx| {
                let offer = offer.clone();
                Box::pin(async move { set_up::offer(tx, &offer, now).await })
            })
            .await?;
        // Another node may have offered one before: then that is the one.
        match self.store.set_up().await? {
            SetUp::Offered { link_id, key_id, .. } => Ok(token(link_id, key_id, &self.ring)),
            SetUp::Fresh | SetUp::Completed => Ok(None),
        }
    }

    /// Whether `token` is the link on offer. Spends nothing.
    pub async fn set_up_link_is_good(&self, token: &str) -> Result<bool, Fault> {
        let now = self.clock.now();
        Ok(matches!(self.store.set_up().await?,
            SetUp::Offered { link_hash, expires_at, .. } if link_hash == hash(token) && now < expires_at))
    }

    /// Spends the link and makes the administrator.
    pub async fn complete_set_up(
        &self,
        token: &str,
        registration: Registration,
        client: &Client,
    ) -> Result<User, RegisterError> {
        self.limit("register", self.settings.rates.map(|rates| rates.register), client).await?;
        // A wrong link must not cost a password hash.
        if !self.set_up_link_is_good(token).await? {
            return Err(RegisterError::InvalidLink);
        }
        let checked = registration.check(&self.settings.password_policy).map_err(RegisterError::Invalid)?;
        let role = Role::from_stored(Role::ADMIN);
        let new = self.new_user(checked, Standing { role, must_change_password: false }).await?;
        let new = self.vouched_for(new);
        let mut event = self.event(EventKind::SetUp);
        event.user = Some(new.id);
        event.actor = Some(new.id);
        event.address = Some(client.address);
        let (link_hash, wanted) = (hash(token), new.clone());
        let done = self
            .store
            .write(move |tx| {
                let (new, event) = (wanted.clone(), event.clone());
                Box::pin(async move {
                    // The insert first: it writes nothing when it is refused, and the link stays good.
                    let done = users::insert(tx, &new).await?;
                    if done != Insert::Done {
                        return Ok(Err(done));
                    }
                    if !set_up::spend(tx, &link_hash, new.now).await? {
                        return Err(portcullis_store::StoreError::Refused);
                    }
                    audit::append(tx, &event).await?;
                    Ok(Ok(()))
                })
            })
            .await;
        match done {
            Ok(Ok(())) => Ok(made(&new)),
            Ok(Err(Insert::UsernameTaken)) => Err(RegisterError::UsernameTaken),
            Ok(Err(_)) => Err(RegisterError::EmailTaken),
            Err(portcullis_store::StoreError::Refused) => Err(RegisterError::InvalidLink),
            Err(error) => Err(error.into()),
        }
    }
}
