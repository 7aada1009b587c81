//! A cluster that belongs to one test, which may stop, kill or freeze it.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::net::TcpListener;

use super::cluster::{Cluster, Setup, socket_url};
use super::{processes, query, random, with_database};

/// A PostgreSQL server of the test's own, on TCP (127.0.0.1) and on a socket. Stopped and removed with the value.
/// Takes a second or two to make: share [`super::fresh_database`] wherever the server only has to be there.
#[derive(Debug)]
pub struct OwnCluster {
    cluster: Cluster,
    port: u16,
    /// A superuser reachable over TCP by every local user of the machine is worth a password, even here.
    password: String,
}

impl OwnCluster {
    /// Makes and starts a cluster. `fsync: true` for tests that kill it and count what survived.
    ///
    /// # Panics
    /// If PostgreSQL is missing or does not start, with what to do about it.
    pub fn start(fsync: bool) -> Self {
        let port = free_port();
        let password = password().expect("the system has randomness");
        let setup = Setup { fsync, tcp: Some((port, &password)) };
        let cluster = Cluster::create(setup).unwrap_or_else(|error| panic!("{error}"));
        let own = Self { cluster, port, password };
        own.start_again();
        own
    }

    /// URL over TCP, of a superuser. The database need not exist yet.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}?sslmode=disable", self.password, self.port)
    }

    /// URL over the socket, of a superuser.
    pub fn socket_url(&self, database: &str) -> String {
        socket_url(self.cluster.dir(), self.port, database)
    }

    /// Makes a database and returns its URL over TCP.
    ///
    /// # Panics
    /// If the server refuses or is not running.
    pub fn create_database(&self, name: &str) -> String {
        let sql = format!("CREATE DATABASE \"{name}\" TEMPLATE template0");
        query(&self.socket_url("postgres"), &sql).expect("the cluster makes databases");
        with_database(&self.url("postgres"), name)
    }

    /// Shuts down in order: open connections are ended, transactions in progress roll back.
    ///
    /// # Panics
    /// If it is not running.
    pub fn stop(&self) {
        self.cluster.stop("fast").expect("the cluster stops");
    }

    /// Starts it again on the same address, after [`OwnCluster::stop`] or [`OwnCluster::kill_hard`].
    ///
    /// # Panics
    /// If it does not start, with the server's log.
    pub fn start_again(&self) {
        self.cluster.start().unwrap_or_else(|error| panic!("{error}"));
    }

    /// SIGKILL to every process of the server at once, as a power cut would; returns when all are gone.
    ///
    /// # Panics
    /// Where there is no `/proc` (not Linux).
    pub fn kill_hard(&self) {
        processes::kill(&self.cluster.data()).expect("the cluster's processes can be killed");
    }

    /// Freezes every process of the server (SIGSTOP): connections stay open and nothing answers.
    ///
    /// # Panics
    /// Where there is no `/proc` (not Linux).
    pub fn pause(&self) {
        processes::pause(&self.cluster.data()).expect("the cluster's processes can be stopped");
    }

    /// Lets a paused server go on.
    ///
    /// # Panics
    /// Where there is no `/proc` (not Linux).
    pub fn resume(&self) {
        processes::resume(&self.cluster.data()).expect("the cluster's processes can go on");
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        // A test may leave it running, frozen or dead. A server that stops by itself frees its shared memory,
        // so killing is the last resort.
        let _ = processes::resume(&self.cluster.data());
        if self.cluster.is_running() && self.cluster.stop("immediate").is_err() {
            let _ = processes::kill(&self.cluster.data());
        }
        let _ = self.cluster.destroy();
    }
}

/// A port that nothing listens on, below the range of outgoing connections: while the server is down, a client
/// that keeps trying must not be given the very port it tries to reach.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    (0..1000)
        .map(|_| 20_000 + (random() % 12_000) as u16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of a thousand ports is free")
}

fn password() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
