//! PostgreSQL one by one for comparison: the rotation's UPDATE as a prepared statement, sent by `pgbench`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::seed::{LATER, NOW, SECRET_HASH, session_id};
use crate::options::Options;

/// Transactions a second of `clients` clients: one figure a window. `None`: `pgbench` is not installed.
/// `url`: of a database filled by [`super::seed::store`].
pub(crate) fn measure(url: &str, clients: usize, options: &Options) -> Result<Option<Vec<f64>>> {
    let dir = tempfile::tempdir()?;
    let script = dir.path().join("rotate.sql");
    std::fs::write(&script, statement(options.sessions()))?;
    let mut rates = Vec::new();
    for _ in 0..options.repeats() {
        match run(url, clients, &script, options) {
            Ok(rate) => rates.push(rate),
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(rates))
}

fn run(url: &str, clients: usize, script: &Path, options: &Options) -> Result<f64> {
    let seconds = options.window().as_secs().max(1).to_string();
    let clients = clients.to_string();
    let output = Command::new(program())
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--client", &clients, "--time", &seconds])
        .arg("--file")
        .arg(script)
        .arg(url)
        .env("LC_ALL", "C")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench: {text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench told no tps")?;
    Ok(line.split(' ').next().unwrap_or_default().parse()?)
}

/// The product's UPDATE for one row, but for the generation, which `pgbench` cannot remember.
fn statement(sessions: usize) -> String {
    let id = session_id(0).to_string();
    let (prefix, _) = id.split_at(id.len() - 12);
    let hash = SECRET_HASH.map(|byte| format!("{byte:02x}")).concat();
    let (now, later) = (NOW.micros(), LATER.micros() - 1);
    format!(
        "\\set n random(0, {})\n\
         UPDATE sessions SET generation = generation + 1, key_id = 1, rotated_at = {now}, \
         idle_ends_at = {later}, address = '127.0.0.1', window_at = CASE WHEN window_at + 60000000 <= {now} \
         THEN {now} ELSE window_at END, window_count = CASE WHEN window_at + 60000000 <= {now} THEN 1 \
         ELSE window_count + 1 END \
         WHERE id = ('{prefix}' || lpad(to_hex(:n::bigint), 12, '0'))::uuid AND generation > 0 \
         AND secret_hash = '\\x{hash}' AND ended_at IS NULL AND idle_ends_at > {now} AND ends_at > {now} \
         RETURNING id, user_id, generation, role, account_id, account_role, must_change_password, \
         methods, authenticated_at, delivery, ends_at;\n",
        sessions - 1
    )
}

/// The newest of Debian's parallel installations, else the one on the PATH.
fn program() -> PathBuf {
    let version =
        |dir: &std::fs::DirEntry| dir.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
    let dirs = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = dirs.max_by_key(version).map(|dir| dir.path().join("bin/pgbench"));
    newest.filter(|program| program.is_file()).unwrap_or_else(|| "pgbench".into())
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}
