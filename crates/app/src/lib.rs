//! The use cases of Portcullis, one file per flow: load, decide (`core`), write (`store`), sign (`jose`).
//!
//! What lives here: [`Cx`], the context of every use case, and one error enum per use case, which `web` matches
//! exhaustively. What may not live here: HTTP, SQL, a clock, a source of randomness.

pub mod accounts;
pub mod administration;
pub mod admission;
pub mod api_tokens;
pub mod attempts;
pub mod bearer;
pub mod bots;
pub mod browser;
mod change_email;
pub mod change_password;
pub mod client;
pub mod clients;
pub mod cx;
pub mod deletion;
pub mod doctor;
pub mod fault;
pub mod feed;
pub mod forward_auth;
pub mod hashing;
pub mod impersonate;
pub mod invites;
pub mod leaked_tokens;
pub mod lifetime;
pub mod limits;
mod links;
pub mod login;
pub mod mail;
mod mail_requests;
pub mod me;
pub mod node;
pub mod oauth;
pub mod operator;
pub mod operator_tokens;
pub mod outbound;
pub mod own;
pub mod own_data;
pub mod refresh;
pub mod register;
pub mod registration_hook;
pub mod reset_password;
pub mod revoked;
pub mod rotate_keys;
pub mod runtime;
pub mod scanning_keys;
pub mod server_keys;
pub mod sessions;
pub mod set_up;
pub mod settings;
pub mod sign_in;
pub mod signing_keys;
pub mod status_lists;
pub mod subscriptions;
pub mod token_use;
pub mod tokens;
mod turn;
pub mod verify_email;

pub use cx::{Cx, Parts};
