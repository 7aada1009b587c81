//! The last way to sign in stays. Whoever takes one away asks here, in the same transaction and after it is gone: with
//! none left, all is undone.

use std::sync::Arc;

use portcullis_core::ids::UserId;
use portcullis_store::{StoreError, Tx, ways_in};

use crate::cx::Cx;

/// By what people can sign in here beside passwords.
#[derive(Clone)]
pub(crate) struct Usable {
    providers: Arc<[String]>,
    passkeys: bool,
}

impl Cx {
    /// What is configured: who was known by way of another provider cannot come that way any more.
    pub(crate) fn usable_ways(&self) -> Usable {
        let providers = self.providers.iter().map(|provider| provider.name().to_owned()).collect();
        Usable { providers, passkeys: self.takes_passkeys() }
    }
}

/// Whether `user`, whose row is held, has a way left to sign in.
pub(crate) async fn is_left(tx: &mut Tx, user: UserId, usable: &Usable) -> Result<bool, StoreError> {
    let left = ways_in::of(tx, user).await?;
    Ok(left.password
        || (usable.passkeys && left.passkeys > 0)
        || left.providers.iter().any(|provider| usable.providers.contains(provider)))
}
