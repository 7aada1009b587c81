//! The cluster that all processes of a test run share.
//!
//! A state directory under the target directory holds `cluster`, the path of the running one, and `lock`, which
//! whoever starts or stops it holds meanwhile: a test runner starts many processes at the same moment.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::cluster::{Cluster, Setup, socket_url};

/// `test-postgres/` in the target directory of this workspace.
pub fn default_state_dir() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    workspace.join(target).join("test-postgres")
}

/// Finds the running cluster of this state directory, or makes one, and returns the URL of its superuser.
///
/// # Errors
/// If PostgreSQL is missing or does not start, with what to do about it.
pub fn start(state: &Path) -> io::Result<String> {
    let _lock = lock(state)?;
    if let Some(cluster) = recorded(state)?
        && cluster.is_running()
    {
        return Ok(url(&cluster));
    }
    let cluster = Cluster::create(Setup::default())?;
    // Recorded before it runs: an interrupted start is found and cleared away by `stop`.
    fs::write(state.join("cluster"), cluster.dir().as_os_str().as_encoded_bytes())?;
    cluster.start()?;
    Ok(url(&cluster))
}

/// Stops the cluster of this state directory and removes it. False if there was none.
///
/// # Errors
/// If it does not stop.
pub fn stop(state: &Path) -> io::Result<bool> {
    let _lock = lock(state)?;
    let Some(cluster) = recorded(state)? else { return Ok(false) };
    let running = cluster.is_running();
    if running {
        // Its data is thrown away: no need to write it out in order.
        cluster.stop("immediate")?;
    }
    cluster.destroy()?;
    fs::remove_file(state.join("cluster"))?;
    Ok(running)
}

fn lock(state: &Path) -> io::Result<File> {
    fs::create_dir_all(state)?;
    let file = File::options().create(true).truncate(false).write(true).open(state.join("lock"))?;
    file.lock()?;
    Ok(file)
}

/// The cluster on record, if its directory is still there (the system may have emptied `/tmp`).
fn recorded(state: &Path) -> io::Result<Option<Cluster>> {
    match fs::read_to_string(state.join("cluster")) {
        Ok(dir) if Path::new(&dir).is_dir() => Cluster::open(PathBuf::from(dir)).map(Some),
        _ => Ok(None),
    }
}

fn url(cluster: &Cluster) -> String {
    socket_url(cluster.dir(), 5432, "postgres")
}
