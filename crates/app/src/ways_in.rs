//! The last way to sign in stays. Whoever takes one away asks here, in the same transaction and after it is gone: with
//! none left, all is undone.

use std::sync::Arc;

use portcullis_core::ids::UserId;
use portcullis_store::{StoreError, Tx, ways_in};

use crate::cx::Cx;

/// The names of the providers by way of which people can sign in here.
pub(crate) type Usable = Arc<[String]>;

impl Cx {
    /// The providers that are configured: who was known by way of another one cannot come that way any more.
    pub(crate) fn usable_providers(&self) -> Usable {
        self.providers.iter().map(|provider| provider.name().to_owned()).collect()
    }
}

/// Whether `user`, whose row is held, has a way left to sign in.
pub(crate) async fn is_left(tx: &mut Tx, user: UserId, usable: &Usable) -> Result<bool, StoreError> {
    let left = ways_in::of(tx, user).await?;
    Ok(left.password || left.passkeys > 0 || left.providers.iter().any(|provider| usable.contains(provider)))
}
