//! A running product.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::gateway::GatewayAt;
use crate::proc;

/// The secret of `X-Portcullis-Forward`.
pub(crate) const FORWARD_SECRET: &str = "bench-forward-secret-0123456789abcdef";
/// PostgreSQL is refused without one.
const SECRET_KEY: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// How often a server that starts is asked.
const ASK_EVERY: Duration = Duration::from_micros(500);
/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to start it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) binary: &'a Path,
    /// Working directory: the embedded database and the log.
    pub(crate) dir: &'a Path,
    /// PostgreSQL's URL; none: the embedded database.
    pub(crate) database_url: Option<&'a str>,
    /// Hashes that cost nothing, for what does not measure them.
    pub(crate) cheap_passwords: bool,
    /// Nobody signs in before their address is verified.
    pub(crate) verified_only: bool,
    /// A gateway beside it.
    pub(crate) gateway: Option<GatewayAt>,
}

/// A running server; killed with the value.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first 200.
    pub(crate) start_up: Duration,
}

impl Server {
    /// Returns once it answers `/health/ready` with 200.
    pub(crate) fn start(setting: &Setting<'_>) -> Result<Self> {
        let binary = setting.binary.canonicalize().with_context(|| setting.binary.display().to_string())?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = setting.dir.join("server.log");
        let output = File::create(&log)?;
        let mut command = Command::new(binary);
        command.arg("serve").current_dir(setting.dir).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output);
        configure(&mut command, setting, address);
        let begin = Instant::now();
        let mut process = command.spawn()?;
        while !is_ready(address) {
            if process.try_wait()?.is_some() || begin.elapsed() > PATIENCE {
                let _ = process.kill();
                let _ = process.wait();
                bail!("the server does not start:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            wait();
        }
        Ok(Self { process, address, start_up: begin.elapsed() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn pss_mib(&self) -> Result<f64> {
        proc::pss_mib(self.pid())
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(mut self) -> Result<()> {
        // By the shell's own `kill`: the standard library can only kill hard.
        Command::new("sh").args(["-c", "kill -s TERM \"$1\"", "sh", &self.pid().to_string()]).status()?;
        let begin = Instant::now();
        while self.process.try_wait()?.is_none() {
            if begin.elapsed() > PATIENCE {
                bail!("the server does not stop");
            }
            wait();
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configure(command: &mut Command, setting: &Setting<'_>, address: SocketAddr) {
    // Nothing of the caller's own configuration may reach it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
    command
        .env("PORTCULLIS_SERVER__LISTEN", address.to_string())
        .env("PORTCULLIS_RATE_LIMIT__ENABLED", "false")
        .env("PORTCULLIS_FORWARD_AUTH__SECRET", FORWARD_SECRET)
        .env("PORTCULLIS_TELEMETRY__LOG", "json")
        .env("PORTCULLIS_TELEMETRY__LEVEL", "info");
    if setting.cheap_passwords {
        command.env("PORTCULLIS_PASSWORD__MEMORY_KIB", "8").env("PORTCULLIS_PASSWORD__ITERATIONS", "1");
    }
    if setting.verified_only {
        command.env("PORTCULLIS_REGISTRATION__REQUIRE_EMAIL_VERIFICATION", "true");
    }
    if let Some(gateway) = setting.gateway {
        command
            .env("PORTCULLIS_GATEWAY__UPSTREAM", format!("http://{}", gateway.upstream))
            .env("PORTCULLIS_GATEWAY__LISTEN", gateway.listen.to_string())
            .env("PORTCULLIS_GATEWAY__PUBLIC_URL", format!("http://localhost:{}", gateway.listen.port()));
    }
    if let Some(url) = setting.database_url {
        command.env("PORTCULLIS_DATABASE__URL", url).env("PORTCULLIS_SERVER__SECRET_KEY", SECRET_KEY);
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

#[expect(clippy::disallowed_methods, reason = "another process tells nobody that its state changed")]
fn wait() {
    std::thread::sleep(ASK_EVERY);
}
