//! Proxies as processes of their own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use portcullis_testkit::eventually;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::page::{self, Places};

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Nginx,
    Caddy,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        }
    }

    /// What clients get where we say 400.
    pub(super) fn malformed(self) -> &'static [u16] {
        match self {
            Self::Nginx => &[500],
            Self::Caddy => &[400],
        }
    }
}

/// A port that nothing listens on.
pub(super) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Killed with the value.
pub(super) struct Proxy(Child);

impl Proxy {
    /// Starts it in `dir`, and waits until it listens.
    pub(super) async fn start(kind: Kind, places: &Places, dir: PathBuf) -> Self {
        std::fs::create_dir_all(&dir).expect("a directory");
        let block = page::proxy(kind, places);
        let command = match kind {
            Kind::Nginx => nginx(&dir, &block),
            Kind::Caddy => caddy(&dir, &block),
        };
        let mut proxy = Self(spawn(command, &dir));
        eventually(Duration::from_secs(20), "the proxy listens", async || {
            let ended = proxy.0.try_wait().expect("a process can be asked");
            assert!(ended.is_none(), "{}", std::fs::read_to_string(dir.join("log")).unwrap_or_default());
            TcpStream::connect(("127.0.0.1", places.proxy)).await.ok()
        })
        .await;
        proxy
    }
}

fn spawn(mut command: Command, dir: &Path) -> Child {
    let log = std::fs::File::create(dir.join("log")).expect("a log");
    command.current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    command.env("HOME", dir).env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir);
    command.kill_on_drop(true).spawn().expect("nginx and caddy are there (./test says how to install them)")
}

fn nginx(dir: &Path, block: &str) -> Command {
    let dir_text = dir.display();
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {dir_text}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
         access_log off;\nclient_body_temp_path {dir_text}/body;\nproxy_temp_path {dir_text}/proxy;\n\
         fastcgi_temp_path {dir_text}/fastcgi;\nuwsgi_temp_path {dir_text}/uwsgi;\nscgi_temp_path {dir_text}/scgi;\n\
         {block}\n}}\n"
    );
    std::fs::write(dir.join("nginx.conf"), whole).expect("a file");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("nginx");
    // Debian keeps it where only administrators look.
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.args(["-p", &dir_text.to_string(), "-e", "stderr", "-c", "nginx.conf"]);
    command
}

fn caddy(dir: &Path, block: &str) -> Command {
    let whole = format!("{{\n\tadmin off\n\tauto_https off\n}}\n{block}");
    std::fs::write(dir.join("Caddyfile"), whole).expect("a file");
    let mut command = Command::new("caddy");
    command.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]);
    command
}
