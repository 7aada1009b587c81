//! A throwaway PostgreSQL for tests: the real server, no mock.
//!
//! - [`fresh_database`] hands out an empty database of **one cluster shared by the whole test run**. `./test`
//!   starts that cluster and names it in [`URL_VARIABLE`]; run by hand, the first test that needs it starts one,
//!   all later processes find it again (see [`shared`]), and `./test --stop-postgres` ends it.
//! - [`OwnCluster`] is for tests that stop, kill or freeze the server.
//!
//! A missing PostgreSQL makes these tests fail, with a message that says what to install: a skipped test would
//! look like a passed one. All functions block for some ten milliseconds; that is fine in a `#[tokio::test]`.

mod cluster;
mod own;
mod processes;
mod programs;
pub mod shared;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

pub use own::OwnCluster;
pub use own::free_port;

/// Environment variable with a `postgres://` URL of a superuser of the cluster to test on, e.g.
/// `postgres://postgres@localhost/postgres?host=/tmp/dir`. Absent or empty: a shared cluster is started.
pub const URL_VARIABLE: &str = "PORTCULLIS_TEST_POSTGRES";

/// An empty database of its own for one test; dropped with the value.
#[derive(Debug)]
pub struct TestDatabase {
    /// `postgres://…` URL of a superuser, for the product's `database.url`.
    pub url: String,
    /// Name within the cluster, e.g. `t_9f2c04d1a77be350`.
    pub name: String,
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Best effort: the whole cluster is thrown away anyway. FORCE ends a pool that still lingers.
        let sql = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        let _ = query(cluster_url(), &sql);
    }
}

/// A new, empty database (UTF-8, C locale) in the cluster of this test run.
///
/// # Panics
/// If there is no PostgreSQL to test on, with what to do about it.
pub fn fresh_database() -> TestDatabase {
    let name = format!("t_{:016x}", random());
    let url = with_database(cluster_url(), &name);
    query(cluster_url(), &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"))
        .expect("the test cluster makes databases");
    TestDatabase { url, name }
}

/// Runs SQL through `psql` and returns what it printed: rows as lines, columns separated by `|`.
///
/// # Errors
/// With the server's message, or if `psql` cannot be run.
pub fn query(url: &str, sql: &str) -> io::Result<String> {
    let mut command = programs::client("psql", Path::new("/"));
    command.args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"]);
    programs::run(command.args(["--dbname", url, "--command", sql]))
}

/// The cluster of this test run, found or started once a process.
fn cluster_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| match std::env::var(URL_VARIABLE) {
        Ok(url) if !url.is_empty() => url,
        _ => shared::start(&shared::default_state_dir()).unwrap_or_else(|error| panic!("{error}")),
    })
}

/// The same server and user, another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    let host_at = address.find("://").map_or(0, |at| at + 3);
    let address = address[host_at..].find('/').map_or(address, |at| &address[..host_at + at]);
    let separator = if options.is_empty() { "" } else { "?" };
    format!("{address}/{name}{separator}{options}")
}

/// Unpredictable enough for a name no other test has. The standard library keys its hashers at random.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn only_the_database_of_a_url_is_replaced() {
        let cases = [
            ("postgres://p@localhost/postgres?host=/tmp/x", "postgres://p@localhost/t?host=/tmp/x"),
            ("postgres://p:s@127.0.0.1:5432/old", "postgres://p:s@127.0.0.1:5432/t"),
            ("postgres://127.0.0.1", "postgres://127.0.0.1/t"),
        ];
        for (given, wanted) in cases {
            assert_eq!(with_database(given, "t"), wanted);
        }
    }
}
