//! How many files, and so connections, the system lets the process have open.

/// As many connections as `server.max_connections` may say.
const MOST: u64 = 1_000_000;

/// Raises the soft limit to the hard one; the limit then.
pub(crate) fn raise() -> u64 {
    // Where it cannot be asked, what POSIX calls the least usual value is safe.
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(256)
}

/// Connections at a time: what is configured, else 80 % of the limit. The rest is for the database, for listening
/// and for outgoing connections.
pub(crate) fn max_connections(configured: Option<u32>, limit: u64) -> u32 {
    configured.unwrap_or_else(|| (limit.min(MOST * 2) * 8 / 10).clamp(1, MOST) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_fifths_of_the_limit() {
        assert_eq!(max_connections(None, 20_000), 16_000);
        assert_eq!(max_connections(None, u64::MAX), 1_000_000);
        assert_eq!(max_connections(None, 0), 1);
        assert_eq!(max_connections(Some(7), 20_000), 7);
    }
}
