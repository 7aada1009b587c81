//! A directory to run the binary in, what a run left, and a server that runs.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Long enough for every rule.
pub(crate) const PASSWORD: &str = "quiet harbour lantern 41";

/// A working directory and an environment of its own.
pub(crate) struct Place {
    dir: TempDir,
    env: Vec<(&'static str, String)>,
}

impl Place {
    /// An empty directory, an empty environment but for cheap hashing.
    pub(crate) fn new() -> Self {
        let cheap = [("PORTCULLIS_PASSWORD__MEMORY_KIB", "8"), ("PORTCULLIS_PASSWORD__ITERATIONS", "1")];
        let env = cheap.map(|(name, value)| (name, value.to_owned())).to_vec();
        Self { dir: tempfile::tempdir().expect("a directory of our own"), env }
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).expect("a file of our own");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The permission bits of a file.
    pub(crate) fn mode(&self, name: &str) -> u32 {
        let metadata = fs::metadata(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        metadata.permissions().mode() & 0o777
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// Runs to the end with this standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        // One that ends before it has read everything is no fault of the test's.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Makes a user, and returns their id.
    pub(crate) fn user(&self, email: &str, more: &[&str]) -> String {
        let args = [&["user", "create", "--email", email, "--password-stdin", "--json"], more].concat();
        let made = self.run_with(&args, PASSWORD).ok().json();
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Starts a server on a port of its own and waits until it is ready.
    pub(crate) fn serve(&self) -> Server {
        self.start().ready()
    }

    /// Starts a server and does not wait.
    pub(crate) fn start(&self) -> Starting {
        let log = File::create(self.path("server.log")).expect("a file of our own");
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the binary runs");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Starting { process: Process(child), stdout }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Failed with this code; the one line on standard error.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        let line = self.stderr.strip_prefix("portcullis: ").unwrap_or_else(|| panic!("{}", self.stderr));
        let line = line.strip_suffix('\n').expect("a line");
        assert!(!line.contains('\n'), "more than one line: {line}");
        line.to_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Killed with the value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that may not be ready yet.
pub(crate) struct Starting {
    process: Process,
    stdout: BufReader<ChildStdout>,
}

impl Starting {
    /// Waits until it says where it listens.
    pub(crate) fn ready(mut self) -> Server {
        let mut told = String::new();
        loop {
            let from = told.len();
            let read = self.stdout.read_line(&mut told).expect("UTF-8");
            assert!(read > 0, "the server has ended: {told}");
            if let Some(address) = told[from..].trim_end().strip_prefix("Listening on ") {
                let address = address.parse().expect("an address");
                return Server { process: self.process, stdout: self.stdout, told, address };
            }
        }
    }
}

/// A server that answers.
pub(crate) struct Server {
    process: Process,
    stdout: BufReader<ChildStdout>,
    /// What it has printed so far.
    pub(crate) told: String,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Waits for one more line on standard output.
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("UTF-8");
        line.trim_end().to_owned()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        exchange(
            self.connect(),
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        )
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let head = post_head(path, body.len());
        exchange(self.connect(), &format!("{head}\r\n{body}"))
    }

    /// Sends a signal, as `kill` does.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.0.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.process.0.wait().expect("it ends")
    }

    /// Stops it as an operator does.
    pub(crate) fn stop(self) {
        self.signal("TERM");
        assert_eq!(self.ended().code(), Some(0));
    }
}

/// A connection on which a hanging answer is a failure and no hanging test.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    stream
}

/// The head of a JSON request, but for the empty line.
pub(crate) fn post_head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n"
    )
}

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// Reads to the end of the connection.
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self { status: status.unwrap_or_else(|| panic!("no status: {text}")), body: body.to_owned() }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let (from, to) = (self.body.find('{').expect("JSON"), self.body.rfind('}').expect("JSON"));
        serde_json::from_str(&self.body[from..=to]).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn exchange(mut stream: TcpStream, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).expect("the server reads");
    Answer::read(stream)
}
