//! A directory, an environment and flags to load from.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use portcullis::config::{Config, ConfigError, LoadInput, Loaded};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// What a load is given; the directory is removed at the end.
pub(crate) struct Given {
    pub(crate) dir: PathBuf,
    file: Option<PathBuf>,
    env: Vec<(OsString, OsString)>,
    flags: Vec<(String, String)>,
}

impl Given {
    /// An empty directory, an empty environment, no flags.
    pub(crate) fn nothing() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("config-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory of our own");
        Self { dir, file: None, env: Vec::new(), flags: Vec::new() }
    }

    /// `portcullis.toml` in the working directory.
    pub(crate) fn toml(text: &str) -> Self {
        Self::nothing().with("portcullis.toml", text)
    }

    /// A file in the working directory.
    pub(crate) fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.dir.join(name), content).expect("a file of our own");
        self
    }

    pub(crate) fn config(mut self, path: &str) -> Self {
        self.file = Some(path.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub(crate) fn flag(mut self, key: &str, value: &str) -> Self {
        self.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        let (file, env, flags) = (self.file.clone(), self.env.clone(), self.flags.clone());
        Config::load(LoadInput { file, env, flags, cwd: &self.dir })
    }

    /// The configuration of what must load.
    pub(crate) fn good(&self) -> Config {
        self.loaded().config
    }

    pub(crate) fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The line of what must not load.
    pub(crate) fn error(&self) -> String {
        self.load().expect_err("this must be refused").to_string()
    }
}

/// What `config show` would print, which is also a file that loads.
pub(crate) fn printed(loaded: &Loaded) -> String {
    loaded.show().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Drop for Given {
    fn drop(&mut self) {
        // A directory that stays behind is found by no later test.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
