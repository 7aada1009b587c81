//! The binary's own library: what turns files, environment and flags into a running process.
//!
//! Here live the configuration, the one real clock and source of randomness, the way from a configuration to a
//! node ([`boot`]) and one file per command. No rule of the domain, no SQL and no HTTP handler may live here.

pub mod args;
pub mod boot;
pub mod clock;
pub mod commands;
pub mod config;
pub mod failure;
mod files;
mod gateway_settings;
mod logging;
mod open_files;
pub mod outbound;
mod output;
mod password_input;
pub mod random;
mod server_keys;
mod set_up_link;
mod settings;
pub mod smtp;
