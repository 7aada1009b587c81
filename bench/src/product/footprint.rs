//! Memory, start and size.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Server, Setting};
use crate::driver::runtime;
use crate::options::Options;

/// Lets the server come to rest and reads its memory in MiB.
pub(crate) fn rested_pss(server: &Server, rest: Duration) -> Result<f64> {
    runtime()?.block_on(async { tokio::time::sleep(rest).await });
    server.pss_mib()
}

/// Milliseconds from the start of the process to its first 200, on a database that exists.
pub(crate) fn cold_starts(setting: &Setting<'_>, options: &Options) -> Result<Vec<f64>> {
    (0..options.starts())
        .map(|_| {
            let server = Server::start(setting)?;
            let millis = server.start_up.as_secs_f64() * 1_000.0;
            server.stop()?;
            Ok(millis)
        })
        .collect()
}

/// Size of the binary in MiB.
pub(crate) fn binary_mib(binary: &Path) -> Result<f64> {
    Ok(std::fs::metadata(binary)?.len() as f64 / 1_048_576.0)
}
