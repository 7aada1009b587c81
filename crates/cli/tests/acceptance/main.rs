//! What the product promises beyond one healthy process: several nodes, crashes, outages, limits of the system.
//! Real processes of the binary on real databases; `.config/nextest.toml` lets these tests run alone.
#![cfg(target_os = "linux")]

/// Runs a test on both engines.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            use portcullis_testkit::Backend;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$test(Backend::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$test(Backend::Postgres).await;
            }
        })+
    };
}
pub(crate) use on_both;

mod api_tokens;
mod crash;
mod cut_off;
mod descriptors;
mod endings;
mod forward_auth;
mod gateway;
mod invites;
mod load;
mod many_starts;
mod outage;
mod process;
mod rotation;
mod server_keys;
mod shutdown;
mod sign_in;
mod slow_clients;
mod support;
