//! `/auth/tokens`: API tokens.

mod by_password;
mod change;
mod create;
mod current;
mod expiry;
mod list;
mod revoke;
mod scanning;
pub(crate) mod shut_out;
mod uses;
mod with_passkey;
