//! Files that only their owner may read, and that appear whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use portcullis_core::random;

use crate::random::SystemRandom;

/// Whether a file is there that was not there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// It holds what we wrote.
    Ours,
    /// Somebody was faster; it holds what they wrote.
    Theirs,
}

/// Makes a directory, and those above it, for the owner alone. One that is there stays as it is.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file that must not exist yet, for the owner alone.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a new file for the owner alone, on disk when this returns. Of several processes one wins, and nobody
/// ever sees it half written.
pub(crate) fn publish_new(path: &Path, content: &[u8]) -> io::Result<Published> {
    let draft = draft_of(path);
    let written = write_draft(&draft, content).and_then(|()| link(&draft, path, content));
    remove(&draft)?;
    let published = written?;
    sync_directory(path)?;
    Ok(published)
}

/// Gives a finished file its name, unless the name is taken.
pub(crate) fn publish_file(draft: &Path, path: &Path) -> io::Result<Published> {
    File::open(draft)?.sync_all()?;
    let published = match fs::hard_link(draft, path) {
        Ok(()) => Published::Ours,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Published::Theirs,
        // No hard links here: the name is taken first, and then filled.
        Err(_) => match create_private(path) {
            Ok(_) => fs::rename(draft, path).map(|()| Published::Ours)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Published::Theirs,
            Err(error) => return Err(error),
        },
    };
    sync_directory(path)?;
    Ok(published)
}

/// Writes a file for the owner alone, in the place of one that may be there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft_of(path);
    let written = write_draft(&draft, content).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        remove(&draft)?;
    }
    written
}

/// Removes a file that need not be there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A name beside `path` that no other process uses.
pub(crate) fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Not the process id: in two containers with one volume that may be the same.
    let number = u64::from_le_bytes(random::bytes(&SystemRandom));
    name.push(format!(".{number:016x}.partial"));
    path.with_file_name(name)
}

/// The directory that holds `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_draft(draft: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = create_private(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

fn link(draft: &Path, path: &Path, content: &[u8]) -> io::Result<Published> {
    match fs::hard_link(draft, path) {
        Ok(()) => Ok(Published::Ours),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Published::Theirs),
        // A file system without hard links: exclusive creation decides the race as well, but a reader may come
        // between it and the writing, and is then told that the file is too short.
        Err(_) => match create_private(path) {
            Ok(mut file) => {
                file.write_all(content)?;
                file.sync_all()?;
                Ok(Published::Ours)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Published::Theirs),
            Err(error) => Err(error),
        },
    }
}

/// A new name is on disk only once its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory_of(path))?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_two_wins_and_leaves_no_draft() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        assert_eq!(publish_new(&path, b"first").expect("writes"), Published::Ours);
        assert_eq!(publish_new(&path, b"second").expect("writes"), Published::Theirs);
        assert_eq!(fs::read(&path).expect("reads"), b"first");
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
        replace(&path, b"third").expect("writes");
        assert_eq!(fs::read(&path).expect("reads"), b"third");
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let (inner, key) = (dir.path().join("a/b"), dir.path().join("a/b/key"));
        private_directory(&inner).expect("makes");
        publish_new(&key, b"x").expect("writes");
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&key)), (0o700, 0o600));
    }

    #[test]
    fn a_bare_name_lies_in_the_working_directory() {
        assert_eq!(directory_of(Path::new("portcullis.db")), Path::new("."));
        assert_eq!(directory_of(Path::new("data/portcullis.db")), Path::new("data"));
    }
}
