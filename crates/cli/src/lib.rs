//! The binary's own library: what turns files, environment and flags into a running process.
//!
//! Here live the configuration and the commands. No rule of the domain, no SQL and no HTTP handler
//! may live here; clocks, randomness and the environment are made here and handed down.

pub mod config;
