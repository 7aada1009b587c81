//! Test support for Portcullis, never part of a release: real databases that are thrown away afterwards.
//!
//! Here lives what a test needs and a server does not. No rule of the product may live here, and no crate
//! may depend on this one but as a dev-dependency (`tests/architecture.rs` holds that).

pub mod postgres;
