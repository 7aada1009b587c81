//! `[password]`, with the block list read.

use std::path::{Path, PathBuf};

use crate::config::entries::Entries;
use crate::config::error::{ConfigError, Problem};
use crate::config::read_file;
use crate::config::sections::{PasswordBlocklist, PasswordConfig};

pub(super) fn password(entries: &Entries, cwd: &Path) -> Result<PasswordConfig, ConfigError> {
    let (min_length, max_length) =
        (entries.integer("password.min_length"), entries.integer("password.max_length"));
    let (memory_kib, parallelism) =
        (entries.integer("password.memory_kib"), entries.integer("password.parallelism"));
    // RFC 9106 section 3.1: m is at least 8p.
    if memory_kib < 8 * parallelism {
        let problem = format!("is less than 8 KiB for each of {parallelism} lanes");
        return Err(entries.fault(
            "password.memory_kib",
            Problem::new(problem, format!("set at least {}", 8 * parallelism)),
        ));
    }
    Ok(PasswordConfig {
        min_length,
        max_length,
        blocklist: entries.parse_optional("password.blocklist_file", |path| blocklist(&cwd.join(path)))?,
        memory_kib,
        iterations: entries.integer("password.iterations"),
        parallelism,
        max_queue_wait: entries.duration("password.max_queue_wait"),
    })
}

fn blocklist(path: &Path) -> Result<PasswordBlocklist, Problem> {
    let text = read_file::read(path, read_file::BLOCKLIST)?;
    Ok(PasswordBlocklist { path: PathBuf::from(path), text: text.as_str().to_owned() })
}
