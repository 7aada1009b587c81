//! Reading a named file, with a limit, and saying in one line why it could not be read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::error::Problem;

const MIB: u64 = 1 << 20;
/// More than any list of keys; a path that leads to a device ends here.
pub(super) const SECRET_LIMIT: u64 = MIB;
pub(super) const CONFIG_LIMIT: u64 = MIB;
pub(super) const BLOCKLIST_LIMIT: u64 = 256 * MIB;

/// The file's text. What is read may be a secret, so no message holds any of it.
pub(super) fn read(path: &Path, limit: u64) -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(|error| {
        Problem::new(
            format!("cannot be read: {error}"),
            "name an existing file that the user running Portcullis may read",
        )
    })?;
    if bytes.len() as u64 > limit {
        return Err(Problem::new(format!("holds more than {} MiB", limit / MIB), "name the right file"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Problem::new("is not UTF-8 text", "write bytes as text: base64:… or hex:…")),
    }
}
