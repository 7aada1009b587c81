//! Where the server keys come from.
//!
//! 1. `server.secret_key`, if it is set.
//! 2. Else, with the embedded database, the file `secret_key` beside it.
//! 3. Else, if there is no database yet, a key is made and written to that file, on disk before the database is:
//!    whoever finds a database finds its key. Of several processes that start at once, one makes it.
//! 4. Else the start is refused: a new key would end every session and open none of what is sealed.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis_core::random::{self, Random};
use portcullis_core::server_key::{KeyRing, ServerKey};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;

use crate::config::{Config, SecretKey, parse_secret_key};
use crate::failure::Failure;
use crate::files;

const FILE: &str = "secret_key";
const GENERATE: &str = "make one with: openssl rand -base64 32";

/// The directory of what is generated: the embedded database's, else `data`.
pub(crate) fn data_directory(config: &Config) -> PathBuf {
    match config.database.url.sqlite_path() {
        Some(path) => files::directory_of(&path).to_owned(),
        None => PathBuf::from("data"),
    }
}

/// The file of a generated key; none with PostgreSQL.
pub(crate) fn key_file(config: &Config) -> Option<PathBuf> {
    config.database.url.sqlite_path().map(|path| files::directory_of(&path).join(FILE))
}

/// The keys of this node. Makes one where that is right, if `create`.
pub(crate) fn ring(config: &Config, create: bool, random: &dyn Random) -> Result<KeyRing, Failure> {
    let current = match &config.server.secret_key {
        Some(key) => server_key("server.secret_key", key)?,
        None => server_key("the generated key", &generated(config, create, random)?)?,
    };
    let accepted = config.server.secret_keys_accepted.iter();
    let accepted = accepted.map(|key| server_key("server.secret_keys_accepted", key));
    Ok(KeyRing::new(current, accepted.collect::<Result<_, _>>()?))
}

pub(crate) fn server_key(name: &str, key: &SecretKey) -> Result<ServerKey, Failure> {
    ServerKey::new(key.expose_secret())
        .map_err(|error| Failure::mend(format_args!("{name}: {error}"), GENERATE))
}

fn generated(config: &Config, create: bool, random: &dyn Random) -> Result<SecretKey, Failure> {
    let Some(database) = config.database.url.sqlite_path() else {
        return Err(Failure::mend(
            "server.secret_key is missing: with PostgreSQL every node needs the same one",
            format_args!("{GENERATE} and give it to each node, as server.secret_key_file for example"),
        ));
    };
    let file = files::directory_of(&database).join(FILE);
    // This order: the key is on disk before the database, so a database seen now has its key by now.
    let has_content = fs::metadata(&database).is_ok_and(|database| database.len() > 0);
    if let Some(key) = read(&file)? {
        return Ok(key);
    }
    if has_content {
        return Err(Failure::mend(
            format_args!("{} is missing, and {} was made with it", file.display(), database.display()),
            "put the file back, or give its content as server.secret_key",
        ));
    }
    if !create {
        return Err(no_database(&database));
    }
    make(&file, random)
}

/// What to say where a command needs a database that is there.
pub(crate) fn no_database(database: &Path) -> Failure {
    Failure::mend(
        format_args!("there is no database {}", database.display()),
        "start portcullis once, go to its directory, or correct database.url",
    )
}

/// The key in `file`, which is made if there is none.
pub(crate) fn read_or_make(file: &Path, random: &dyn Random) -> Result<SecretKey, Failure> {
    match read(file)? {
        Some(key) => Ok(key),
        None => make(file, random),
    }
}

fn read(file: &Path) -> Result<Option<SecretKey>, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::mend(
                format_args!("{} cannot be read: {error}", file.display()),
                "let the user who runs portcullis read it",
            ));
        }
    };
    let wrong = |problem: &str| {
        Failure::mend(format_args!("{} {problem}", file.display()), "put the right file back")
    };
    parse_secret_key(text.trim_end()).map(Some).map_err(|problem| wrong(&problem.problem))
}

fn make(file: &Path, random: &dyn Random) -> Result<SecretKey, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::mend(
            format_args!("{} cannot be written: {error}", file.display()),
            "let the user who runs portcullis write there, or set server.secret_key",
        )
    };
    let secret = Zeroizing::new(random::bytes::<32>(random));
    let mut text = Zeroizing::new(String::with_capacity(80));
    text.push_str("hex:");
    for byte in *secret {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text.push('\n');
    files::private_directory(files::directory_of(file)).map_err(cannot)?;
    files::publish_new(file, text.as_bytes()).map_err(cannot)?;
    // Ours or that of whoever was faster: what the file holds, counts.
    read(file)?.ok_or_else(|| Failure::mend(format_args!("{} has vanished", file.display()), "start again"))
}
