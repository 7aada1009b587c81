//! Placeholder.

pub mod hashing;
