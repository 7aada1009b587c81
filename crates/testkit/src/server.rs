//! Real processes of the binary: an installation (a directory, an environment, a database) and the servers that
//! run on it. For what only shows there: several nodes, crashes, signals, limits of the system.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::app::Reply;
use crate::database::{Backend, Database};
use crate::http_client::HttpClient;
use crate::postgres::free_port;

/// The server key of installations on PostgreSQL.
pub const SERVER_KEY: &str = "a server key for tests that is long enough";

/// How long a server may take to become ready.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks at something that nobody tells us of.
const LOOK: Duration = Duration::from_millis(10);

/// Looks every 10 ms until there is something to see, and returns it.
///
/// # Panics
/// After `limit`, with `what` was waited for.
pub async fn eventually<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(since.elapsed() < limit, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// A directory to run in, with an environment of its own. Nothing else of the machine's environment counts.
#[derive(Debug)]
pub struct Installation {
    binary: PathBuf,
    dir: TempDir,
    env: Vec<(String, String)>,
    servers: AtomicU32,
    /// Kept while the installation is, and dropped after it.
    database: Option<Database>,
}

impl Installation {
    /// An empty installation: SQLite in its directory, cheap hashing, no rate limits. `binary` is
    /// `env!("CARGO_BIN_EXE_portcullis")`.
    ///
    /// # Panics
    /// If no temporary directory can be made.
    pub fn new(binary: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let new =
            Self { binary: binary.into(), dir, env: Vec::new(), servers: AtomicU32::new(0), database: None };
        new.env("PORTCULLIS_PASSWORD__MEMORY_KIB", "8")
            .env("PORTCULLIS_PASSWORD__ITERATIONS", "1")
            .env("PORTCULLIS_RATE_LIMIT__ENABLED", "false")
    }

    /// The same on either engine, the PostgreSQL database being one of the test's own.
    ///
    /// # Panics
    /// If there is no database to test on.
    pub fn fresh(binary: &str, backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::new(binary),
            Backend::Postgres => {
                let database = Database::fresh(backend);
                let mut new = Self::new(binary).postgres(&database.url);
                new.database = Some(database);
                new
            }
        }
    }

    /// On this PostgreSQL database, with [`SERVER_KEY`].
    #[must_use]
    pub fn postgres(self, url: &str) -> Self {
        self.env("PORTCULLIS_DATABASE__URL", url).env("PORTCULLIS_SERVER__SECRET_KEY", SERVER_KEY)
    }

    /// Sets a variable for servers and commands from here on.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command to its end with `input`; what it printed.
    ///
    /// # Panics
    /// If it fails, with what it said.
    pub async fn run(&self, args: &[&str], input: &str) -> String {
        let mut command = Command::new(&self.binary);
        command.args(args).current_dir(self.dir.path()).env_clear().envs(self.env.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the binary runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).await.expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().await.expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {told}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Starts a server and does not wait.
    pub fn start(&self) -> RunningServer {
        RunningServer::start(self.recipe(None))
    }

    /// Starts a server that may have so many files open, and does not wait.
    pub fn start_with_descriptors(&self, descriptors: u32) -> RunningServer {
        RunningServer::start(self.recipe(Some(descriptors)))
    }

    /// Starts a server and waits until it is ready.
    pub async fn serve(&self) -> RunningServer {
        let mut server = self.start();
        server.ready().await;
        server
    }

    /// Starts a gateway alone, with these flags and variables beside those of the installation, and waits until it
    /// is ready. Its health is under `/auth/gateway/`.
    pub async fn gateway(&self, flags: &[&str], env: &[(&str, &str)]) -> RunningServer {
        let mut recipe = self.recipe(None);
        recipe.command = std::iter::once("gateway").chain(flags.iter().copied()).map(str::to_owned).collect();
        recipe.ready = "/auth/gateway/ready";
        recipe.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut gateway = RunningServer::start(recipe);
        gateway.ready().await;
        gateway
    }

    fn recipe(&self, descriptors: Option<u32>) -> Recipe {
        let log = format!("server-{}.log", self.servers.fetch_add(1, Ordering::Relaxed));
        Recipe {
            command: vec!["serve".to_owned()],
            ready: "/health/ready",
            binary: self.binary.clone(),
            dir: self.dir.path().to_owned(),
            env: self.env.clone(),
            address: SocketAddr::from(([127, 0, 0, 1], free_port())),
            log: self.path(&log),
            descriptors,
        }
    }
}

/// How a server is started, and started again.
#[derive(Debug)]
struct Recipe {
    binary: PathBuf,
    command: Vec<String>,
    ready: &'static str,
    dir: PathBuf,
    env: Vec<(String, String)>,
    address: SocketAddr,
    log: PathBuf,
    descriptors: Option<u32>,
}

impl Recipe {
    fn spawn(&self) -> io::Result<Child> {
        let mut command = match self.descriptors {
            None => Command::new(&self.binary),
            Some(descriptors) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!(r#"ulimit -n {descriptors} && exec "$0" "$@""#)]);
                shell.arg(&self.binary);
                shell
            }
        };
        let log = File::options().create(true).append(true).open(&self.log)?;
        command.args(&self.command).args(["--listen", &self.address.to_string()]).current_dir(&self.dir);
        command.env_clear().envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true).spawn()
    }
}

/// A process that serves, killed with the value. Its output, over all its starts, is in one file.
#[derive(Debug)]
pub struct RunningServer {
    child: Child,
    recipe: Recipe,
}

impl RunningServer {
    fn start(recipe: Recipe) -> Self {
        Self { child: recipe.spawn().expect("the binary runs"), recipe }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.recipe.address
    }

    /// A new client of it.
    pub const fn client(&self) -> HttpClient {
        HttpClient::new(self.recipe.address)
    }

    /// Its process, while it runs.
    ///
    /// # Panics
    /// If it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Everything it has said so far.
    pub fn log(&self) -> String {
        read(&self.recipe.log)
    }

    /// Waits until it says that it is ready.
    ///
    /// # Panics
    /// If it ends before, or takes 30 s.
    pub async fn ready(&mut self) {
        let since = Instant::now();
        loop {
            if let Ok(Reply { status: 200, .. }) = self.client().get(self.recipe.ready).await {
                return;
            }
            let ended = self.child.try_wait().expect("a process can be asked");
            assert!(ended.is_none(), "the server has ended, {ended:?}: {}", self.log());
            assert!(since.elapsed() < START_LIMIT, "not ready in time: {}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether it has not ended by itself.
    ///
    /// # Panics
    /// If the system does not tell.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a process can be asked").is_none()
    }

    /// `kill -9`; returns when the process is gone.
    ///
    /// # Panics
    /// If it has ended before.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Sends a signal, such as `TERM`; returns at once.
    ///
    /// # Panics
    /// If it cannot be sent.
    pub async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let script = ["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid];
        let sent = Command::new("/bin/sh").args(script).status().await.expect("a shell runs");
        assert!(sent.success(), "no process {pid}");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it takes 30 s.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.expect("it ends in time").expect("a process can be waited for")
    }

    /// Sets a variable for the next start, or removes it.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        self.recipe.env.retain(|(known, _)| known != name);
        self.recipe.env.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Starts one that has ended again, on the same address, and waits until it is ready.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_again(&mut self) {
        self.child = self.recipe.spawn().expect("the binary runs");
        self.ready().await;
    }
}

fn read(path: &Path) -> String {
    fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}
