//! One cluster in one directory: made, started, stopped, found again. All its settings are in its own
//! configuration file, so that whoever knows the directory can go on with it.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::programs::{Programs, run};

/// How a new cluster is set up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Setup<'a> {
    /// Whether a commit survives the loss of the machine; costs a disk flush each.
    pub(super) fsync: bool,
    /// Port and the superuser's password for TCP on 127.0.0.1. Without, the server is reached by its socket only.
    pub(super) tcp: Option<(u16, &'a str)>,
}

/// A cluster's directory: `data/`, `log` and the socket.
#[derive(Debug)]
pub(super) struct Cluster {
    programs: Programs,
    dir: PathBuf,
}

impl Cluster {
    /// A new cluster in a new directory under `/tmp`, not yet started.
    pub(super) fn create(setup: Setup<'_>) -> io::Result<Self> {
        let programs = Programs::find()?;
        // A socket's path may have 107 bytes at most, which a TMPDIR of the user's may leave no room for.
        let dir = tempfile::Builder::new().prefix("portcullis-pg-").tempdir_in("/tmp")?;
        programs.hand_over(dir.path())?;
        let cluster = Self { programs, dir: dir.path().to_owned() };
        cluster.initialise(setup)?;
        // From here on `destroy` removes it.
        let _ = dir.keep();
        Ok(cluster)
    }

    /// The cluster that an earlier process made in `dir`.
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        Ok(Self { programs: Programs::find()?, dir })
    }

    fn initialise(&self, setup: Setup<'_>) -> io::Result<()> {
        let mut initdb = self.programs.command("initdb", &self.dir);
        initdb.args([
            "--no-sync",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--auth-local=trust",
        ]);
        initdb.arg("--pgdata").arg(self.data());
        if let Some((_, password)) = setup.tcp {
            let file = self.dir.join("password");
            fs::write(&file, password)?;
            self.programs.hand_over(&file)?;
            initdb.arg("--auth-host=scram-sha-256").arg("--pwfile").arg(file);
        }
        run(&mut initdb)?;
        let mut file = fs::File::options().append(true).open(self.data().join("postgresql.conf"))?;
        file.write_all(self.settings(setup).as_bytes())
    }

    fn settings(&self, setup: Setup<'_>) -> String {
        let durable = if setup.fsync { "on" } else { "off" };
        let mut text = format!(
            "\nunix_socket_directories = '{}'\nmax_connections = 200\nshared_buffers = '64MB'\ntimezone = 'UTC'\n\
             fsync = {durable}\nfull_page_writes = {durable}\nsynchronous_commit = on\nautovacuum = off\n\
             wal_level = minimal\nmax_wal_senders = 0\n",
            self.dir.display()
        );
        // Kept inside the directory: nothing is left in /dev/shm by a server that was killed.
        text.push_str("dynamic_shared_memory_type = mmap\n");
        match setup.tcp {
            Some((port, _)) => {
                let _ = write!(text, "listen_addresses = '127.0.0.1'\nport = {port}\n");
            }
            None => text.push_str("listen_addresses = ''\nport = 5432\n"),
        }
        text
    }

    /// Returns once the server answers.
    pub(super) fn start(&self) -> io::Result<()> {
        let mut start = self.programs.command("pg_ctl", &self.dir);
        start.args(["start", "--wait", "--timeout=60", "--pgdata"]).arg(self.data());
        run(start.arg("--log").arg(self.dir.join("log"))).map(drop).map_err(|error| {
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            io::Error::other(format!("{error}\nserver log:\n{log}"))
        })
    }

    /// `fast` ends connections and shuts down in order; `immediate` is a crash that needs recovery.
    pub(super) fn stop(&self, mode: &str) -> io::Result<()> {
        let mut stop = self.programs.command("pg_ctl", &self.dir);
        run(stop.args(["stop", "--wait", "--timeout=60", "--mode", mode, "--pgdata"]).arg(self.data()))
            .map(drop)
    }

    pub(super) fn is_running(&self) -> bool {
        if !self.data().join("postmaster.pid").exists() {
            return false;
        }
        let mut status = self.programs.command("pg_ctl", &self.dir);
        run(status.args(["status", "--pgdata"]).arg(self.data())).is_ok()
    }

    /// Removes the directory of a stopped cluster.
    pub(super) fn destroy(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.dir)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
}

/// URL by socket. `localhost` is only there because a URL with a user needs a host; `host=` wins.
pub(super) fn socket_url(dir: &Path, port: u16, database: &str) -> String {
    format!("postgres://postgres@localhost:{port}/{database}?host={}&sslmode=disable", dir.display())
}
