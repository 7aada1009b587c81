//! The gateway in front of an app, beside nginx in front of the same one.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::session::PASSWORD;
use super::tokens::Beside;
use super::{Server, Setting, Side, in_turn, register};
use crate::bare::{Child, Fixed};
use crate::client::{self, Client};
use crate::driver::runtime;
use crate::options::{CALLERS, Options};
use crate::proc::Watched;

/// Where Debian keeps nginx, and its name elsewhere.
const NGINX: [&str; 2] = ["/usr/sbin/nginx", "nginx"];

/// A gateway beside its issuer, for [`Setting::gateway`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct GatewayAt {
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: SocketAddr,
}

/// `GET /hello` of the bare framework through the gateway, by 64 browsers that are signed in, in turn with the same
/// requests through nginx. `None`: there is no nginx here.
pub(crate) fn beside_nginx(app: &Child, options: &Options) -> Result<Option<Beside>> {
    let dir = tempfile::tempdir()?;
    let Some(nginx) = Nginx::start(dir.path(), app.address)? else { return Ok(None) };
    let listen = free_address()?;
    let server = Server::start(&Setting {
        binary: &options.server,
        dir: dir.path(),
        database_url: None,
        cheap_passwords: true,
        verified_only: false,
        gateway: Some(GatewayAt { listen, upstream: app.address }),
    })?;
    let requests = runtime()?.block_on(sign_in(&server, listen))?;
    let callers = |target: SocketAddr| {
        requests.iter().map(|request| Fixed::new(Client::new(target), request.clone())).collect()
    };
    // The app works for both alike; nginx's workers are its children.
    let ours = Watched { server: Some(server.pid()), database: None };
    let theirs = Watched { server: None, database: Some(nginx.process.id()) };
    let (mut ours, mut theirs) =
        (Side::new(callers(listen), ours), Side::new(callers(nginx.address), theirs));
    in_turn(&mut ours, &mut theirs, options)?;
    server.stop()?;
    Ok(Some(Beside { ours: ours.runs, bare: theirs.runs }))
}

/// Requests of browsers that have signed in at the gateway, each with its own cookies.
async fn sign_in(server: &Server, gateway: SocketAddr) -> Result<Vec<Vec<u8>>> {
    let mut requests = Vec::new();
    for session in register(server.address, 0..CALLERS).await? {
        let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, session.email);
        let origin = format!("Origin: http://localhost:{}\r\n", gateway.port());
        let mut client = Client::new(gateway);
        let reply = client.send(&client::post_as("/auth/login", &origin, body.as_bytes())).await?;
        let head = std::str::from_utf8(reply.head)?.to_owned();
        ensure!(reply.status == 200, "POST /auth/login at the gateway: {head}{}", text(reply.body));
        let request = client::get("/hello", &cookies(&head)?);
        let reply = client.send(&request).await?;
        ensure!(reply.status == 200, "GET /hello through the gateway: {}", text(reply.head));
        requests.push(request);
    }
    Ok(requests)
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The cookies that an answer sets, as the header line that sends them back.
fn cookies(head: &str) -> Result<String> {
    let mut line = String::new();
    let set = head.lines().filter_map(|line| line.split_once(": "));
    let set = set.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    for (_, cookie) in set {
        let pair = cookie.split(';').next().unwrap_or_default();
        let glue = if line.is_empty() { "Cookie: " } else { "; " };
        let _ = write!(line, "{glue}{pair}");
    }
    ensure!(!line.is_empty(), "the gateway has set no cookie: {head}");
    Ok(line + "\r\n")
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A running nginx with as many workers as there are cores; killed with the value.
struct Nginx {
    process: Process,
    address: SocketAddr,
    /// Where it leaves the id of its first process.
    pid_file: PathBuf,
}

impl Nginx {
    fn start(dir: &Path, upstream: SocketAddr) -> Result<Option<Self>> {
        let asked = |program: &&str| Command::new(program).arg("-v").stderr(Stdio::null()).status().is_ok();
        let Some(program) = NGINX.into_iter().find(asked) else { return Ok(None) };
        let address = free_address()?;
        let (file, pid_file) = (dir.join("nginx.conf"), dir.join("nginx.pid"));
        fs::write(&file, configuration(&pid_file, address, upstream))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(dir).arg("-c").arg(&file).args(["-e", "stderr"]).stdin(Stdio::null());
        let process = command.spawn().context("starting nginx")?;
        let nginx = Self { process, address, pid_file };
        runtime()?.block_on(async {
            let request = client::get("/hello", "");
            for _ in 0..1_000 {
                if Client::new(address).send(&request).await.is_ok_and(|reply| reply.status == 200) {
                    return Ok(Some(nginx));
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            anyhow::bail!("nginx does not answer")
        })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The first process ends its workers; killed hard, it would leave them behind.
        if let Ok(pid) = fs::read_to_string(&self.pid_file) {
            let _ = Command::new("sh").args(["-c", "kill -s TERM \"$1\"", "sh", pid.trim()]).status();
        }
        let _ = self.process.wait();
    }
}

/// What nginx needs to do the same hop at its best: workers for all cores, connections kept on both sides, no log.
fn configuration(pid_file: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "daemon off;\nworker_processes auto;\npid {};\nevents {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 100000000;\n\
           upstream app {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}\n\
           server {{\n    listen {address};\n    location / {{\n      proxy_pass http://app;\n\
               proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n\
               proxy_set_header Host $host;\n      proxy_set_header X-Forwarded-For $remote_addr;\n    }}\n  }}\n}}\n",
        pid_file.display()
    )
}

#[cfg(test)]
mod tests {
    use super::cookies;

    #[test]
    fn cookies_that_were_set_are_sent_back() {
        let head = "HTTP/1.1 200 OK\r\nset-cookie: a=1; Path=/\r\nSet-Cookie: b=2; HttpOnly\r\nx: y\r\n\r\n";
        assert_eq!(cookies(head).expect("there are some"), "Cookie: a=1; b=2\r\n");
        assert!(cookies("HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
