//! A plain loop for comparison: one durable UPDATE after the other, by SQLite's own shell, on the file that the
//! store made.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};

use super::seed::{LATER, NOW, session_id};
use crate::options::Options;

/// The shell's figures.
pub(crate) struct Plain {
    pub(crate) version: String,
    /// Updates a second, one a window.
    pub(crate) rates: Vec<f64>,
}

/// `None`: SQLite's shell is not installed. `file`: filled by [`super::seed::store`], and closed since.
pub(crate) fn measure(file: &Path, options: &Options) -> Result<Option<Plain>> {
    let version = match Command::new("sqlite3").arg("--version").output() {
        Ok(output) => {
            String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let count = options.sessions().min(10_000);
    let script = file.with_extension("sql");
    File::create(&script)?.write_all(statements(count).as_bytes())?;
    let rates = (0..options.repeats()).map(|_| {
        let start = Instant::now();
        let output = Command::new("sqlite3")
            .arg("-bail")
            .arg(file)
            .stdin(File::open(&script)?)
            .stdout(Stdio::null())
            .output()?;
        ensure!(output.status.success(), "sqlite3: {}", String::from_utf8_lossy(&output.stderr));
        Ok(count as f64 / start.elapsed().as_secs_f64())
    });
    Ok(Some(Plain { version, rates: rates.collect::<Result<_>>()? }))
}

fn statements(count: usize) -> String {
    let mut script = String::from("PRAGMA synchronous = FULL;\nPRAGMA busy_timeout = 5000;\n");
    let (now, later) = (NOW.micros(), LATER.micros());
    for number in 0..count {
        let _ = writeln!(
            script,
            "UPDATE sessions SET generation = generation + 1, rotated_at = {now}, idle_ends_at = {later} \
             WHERE id = x'{}' AND ended_at IS NULL AND idle_ends_at >= {now} RETURNING generation;",
            session_id(number).as_simple()
        );
    }
    script
}
