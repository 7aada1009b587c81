//! The rules of Portcullis, pure.
//!
//! Here live ids, time, secrets and the `decide` functions: given what is stored and what was presented, what
//! is to be done. What may not live here: anything async, I/O, HTTP, SQL, a clock or a source of randomness
//! (both are arguments). Every function can be tested by a table.

pub mod access;
pub mod account;
pub mod address;
pub mod audit;
pub mod audit_chain;
pub mod base62;
pub mod client;
pub mod csrf_token;
pub mod device_token;
pub mod external;
pub mod factor;
pub mod ids;
pub mod invite;
pub mod link;
pub mod mail;
pub mod outbound;
pub mod password;
pub mod random;
pub mod rate;
pub mod recovery_code;
pub mod refresh_token;
pub mod registration;
pub mod revocation;
pub mod revocation_log;
pub mod runtime;
pub mod scope;
pub mod secret_token;
pub mod server_key;
pub mod session;
pub mod set_up;
pub mod sign_in;
pub mod signing_key;
pub mod slow_down;
pub mod standard_webhook;
pub mod status_list;
pub mod subscription;
pub mod time;
pub mod totp;
pub mod user;
pub mod validation;
pub mod webhook;
