//! The API as its users speak to it. Tests sit at the URL: folder = path, file = endpoint. What holds for many
//! endpoints at once stands in `across`.
#![allow(clippy::unwrap_used)]

mod across;
mod admin;
mod auth;
mod browsers;
mod docs;
mod health;
mod mail;
mod oauth;
mod pages;
mod support;
mod well_known;

/// Runs each test on both databases.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($backend:ident: Backend) $body:block)+) => {$(
        mod $name {
            use super::*;
            async fn run($backend: portcullis_testkit::Backend) $body
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run(portcullis_testkit::Backend::Sqlite).await;
            }
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run(portcullis_testkit::Backend::Postgres).await;
            }
        }
    )+};
}
