//! The bare server in a process of its own, as the product is.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::server::Captured;
use crate::proc::Watched;

/// A running bare server; killed with the value.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) address: SocketAddr,
    /// Holds the captured response.
    _dir: tempfile::TempDir,
}

impl Child {
    /// `response`: what `/hello` answers; a likeness of the product's answer by default.
    pub(crate) fn start(response: Option<&Captured>) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare-server").stdout(Stdio::piped());
        if let Some(response) = response {
            let file = dir.path().join("response");
            std::fs::write(&file, response.to_text())?;
            command.arg("--response").arg(file);
        }
        let mut process = command.spawn().context("starting the bare server")?;
        let output = process.stdout.take().context("no output of the bare server")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().context("the bare server did not tell its address")?;
        Ok(Self { process, address, _dir: dir })
    }

    pub(crate) fn watched(&self) -> Watched {
        Watched { server: Some(self.process.id()), database: None }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
