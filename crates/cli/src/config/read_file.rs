//! Reading a named file, with a limit, and saying in one line why it could not be read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::error::Problem;

const MIB: u64 = 1 << 20;

/// What a kind of file may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expect {
    /// In bytes; a path that leads to a device ends here.
    limit: u64,
    /// What to do if it is not text.
    text: &'static str,
}

pub(super) const SECRET: Expect = Expect { limit: MIB, text: "write bytes as text: base64:… or hex:…" };
pub(super) const CONFIG: Expect = Expect { limit: MIB, text: "save it as UTF-8" };
pub(super) const TEMPLATE: Expect = Expect { limit: MIB, text: "save it as UTF-8" };
pub(super) const BLOCKLIST: Expect =
    Expect { limit: 256 * MIB, text: "save it as UTF-8, one password a line" };

/// The file's text. What is read may be a secret, so no message holds any of it.
pub(super) fn read(path: &Path, expect: Expect) -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path).and_then(|file| file.take(expect.limit + 1).read_to_end(&mut bytes)).map_err(
        |error| {
            Problem::new(
                format!("cannot be read: {error}"),
                "name an existing file that the user running Portcullis may read",
            )
        },
    )?;
    if bytes.len() as u64 > expect.limit {
        return Err(Problem::new(
            format!("holds more than {} MiB", expect.limit / MIB),
            "name the right file",
        ));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Problem::new("is not UTF-8 text", expect.text)),
    }
}
