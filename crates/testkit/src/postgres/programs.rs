//! Where PostgreSQL's programs are, and as whom they run: the server refuses to be root.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MISSING: &str = "PostgreSQL's server programs (initdb, pg_ctl, psql) were not found.\n\
    These tests run on the real server. Install it:\n  \
    Debian, Ubuntu: apt-get install postgresql\n  \
    Fedora: dnf install postgresql-server\n  \
    macOS: brew install postgresql@17, and put its bin directory on PATH\n\
    or name a cluster you have, with a superuser, in PORTCULLIS_TEST_POSTGRES=postgres://…";

/// An installed server.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    bin: PathBuf,
    owner: Option<Owner>,
}

/// The unprivileged user that the server runs as when the tests are run by root.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Programs {
    pub(super) fn find() -> io::Result<Self> {
        let bin = bin_dir().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, MISSING))?;
        let owner = if id(&["-u"])? == 0 { Some(Owner::find()?) } else { None };
        Ok(Self { bin, owner })
    }

    /// A server program, as the server's user, started in `dir`.
    pub(super) fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = clean(Command::new(self.bin.join(program)), dir);
        if let Some(owner) = self.owner {
            // The standard library drops the supplementary groups too.
            command.uid(owner.uid).gid(owner.gid);
        }
        command
    }

    /// Gives a file or directory to the server's user.
    pub(super) fn hand_over(&self, path: &Path) -> io::Result<()> {
        match self.owner {
            Some(owner) => std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid)),
            None => Ok(()),
        }
    }
}

impl Owner {
    fn find() -> io::Result<Self> {
        let missing = |_| {
            io::Error::other(
                "the tests run as root, and PostgreSQL refuses that: add the user `postgres` (Debian's package \
                 postgresql makes it), or run the tests as another user",
            )
        };
        Ok(Self {
            uid: id(&["-u", "postgres"]).map_err(missing)?,
            gid: id(&["-g", "postgres"]).map_err(missing)?,
        })
    }
}

/// A client program, as whoever runs the tests. From the server's own directory if there is one: Debian's
/// `/usr/bin/psql` is a Perl script around it that takes several times as long to start.
pub(super) fn client(program: &str, dir: &Path) -> Command {
    let program = bin_dir().map_or_else(|| PathBuf::from(program), |bin| bin.join(program));
    clean(Command::new(program), dir)
}

/// Runs to the end and returns standard output; a failure carries everything that was printed.
pub(super) fn run(command: &mut Command) -> io::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::NotFound, MISSING),
        kind => io::Error::new(kind, format!("{name}: {error}")),
    })?;
    let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(io::Error::other(format!("{name} failed ({}): {printed}\n{complaint}", output.status)))
}

/// Nothing of the caller's own PostgreSQL settings (`PGHOST`, `PGSERVICE`, …) may reach a test.
fn clean(mut command: Command, dir: &Path) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").current_dir(dir).stdin(Stdio::null());
    command
}

/// The newest of Debian's parallel installations, else where `initdb` on the PATH really is.
fn bin_dir() -> Option<PathBuf> {
    let complete = |dir: &PathBuf| ["initdb", "pg_ctl", "psql"].iter().all(|name| dir.join(name).is_file());
    let version = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| version(entry.ok()?))
        .map(|version| (version, PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))))
        .filter(|(_, dir)| complete(dir))
        .max();
    newest.map(|(_, dir)| dir).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .filter_map(|dir| Some(dir.join("initdb").canonicalize().ok()?.parent()?.to_owned()))
            .find(complete)
    })
}

fn id(arguments: &[&str]) -> io::Result<u32> {
    let printed = run(Command::new("id").args(arguments))?;
    printed.parse().map_err(|_| io::Error::other(format!("id printed {printed:?}")))
}
