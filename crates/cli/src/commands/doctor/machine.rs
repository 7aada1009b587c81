//! What the machine gives us: open files, and who may read what we keep.

use std::path::{Path, PathBuf};

use portcullis_app::doctor::Check;

use crate::config::Config;
use crate::{open_files, server_keys};

pub(super) fn checks(config: &Config) -> Vec<Check> {
    let mut checks = vec![open_file_limit(config.server.max_connections, open_files::raise())];
    checks.extend(permissions(config));
    checks
}

fn open_file_limit(configured: Option<u32>, limit: u64) -> Check {
    const NAME: &str = "open files";
    /// Below this a busy site runs into the limit.
    const FEW: u64 = 4_096;
    let connections = open_files::max_connections(configured, limit);
    let seen = format!("{connections} connections at most, {limit} open files");
    if u64::from(connections) > limit * 9 / 10 {
        return Check::warning(
            NAME,
            seen,
            "Lower server.max_connections, or raise the limit of open files (ulimit -Hn, LimitNOFILE).",
        );
    }
    if limit < FEW {
        return Check::warning(NAME, seen, "Raise the limit of open files (ulimit -Hn, LimitNOFILE).");
    }
    Check::ok(NAME, seen)
}

/// The directory counts: nobody gets at a file in one that is closed.
#[cfg(unix)]
fn permissions(config: &Config) -> Option<Check> {
    use std::os::unix::fs::PermissionsExt as _;

    const NAME: &str = "data directory";
    let database = config.database.url.sqlite_path()?;
    let directory = server_keys::data_directory(config);
    let open = |path: &Path| std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    let files: Vec<PathBuf> = server_keys::key_file(config).into_iter().chain([database]).collect();
    let exposed: Vec<String> =
        files.iter().filter(|file| open(file)).map(|file| file.display().to_string()).collect();
    Some(if !open(&directory) {
        Check::ok(NAME, format!("{} is closed to others", directory.display()))
    } else if exposed.is_empty() {
        Check::ok(NAME, format!("{} is open to others, its files are not", directory.display()))
    } else {
        Check::warning(
            NAME,
            format!("others may reach {}", exposed.join(" and ")),
            format!("Run: chmod 700 {} && chmod 600 {}", directory.display(), exposed.join(" ")),
        )
    })
}

#[cfg(not(unix))]
fn permissions(_: &Config) -> Option<Check> {
    None
}

#[cfg(test)]
mod tests {
    use portcullis_app::doctor::Health;

    use super::*;

    #[test]
    fn more_connections_than_files_are_told() {
        assert_eq!(open_file_limit(None, 20_000).health, Health::Ok);
        assert_eq!(open_file_limit(Some(20_000), 20_000).health, Health::Warning);
        assert_eq!(open_file_limit(None, 1_024).health, Health::Warning);
    }
}
