//! The one-time link that makes the first administrator: shown on a terminal, else in a file for the owner's eyes
//! alone. Never in the log, which more people read.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use portcullis_app::Cx;
use secrecy::zeroize::Zeroizing;

use crate::config::Config;
use crate::failure::Failure;
use crate::{files, output, server_keys};

const FILE: &str = "setup-link";

/// Shows the link while there has never been an administrator, and tidies up once there was.
pub(crate) async fn offer(cx: &Cx, config: &Config) -> Result<(), Failure> {
    let file = file(config);
    let Some(token) = cx.set_up_token().await? else {
        if let Err(error) = files::remove(&file) {
            tracing::warn!(%error, file = %file.display(), "the spent set-up link cannot be removed");
        }
        return Ok(());
    };
    // In the fragment, which browsers send to nobody.
    let link = Zeroizing::new(format!("{}/setup#token={}", config.server.public_url, *token));
    if io::stdout().is_terminal() {
        return output::line(format_args!(
            "There is no administrator yet. This link makes one; it is good for 24 hours and for one:\n{}",
            *link
        ));
    }
    match write(&file, &link) {
        Ok(()) => output::line(format_args!(
            "There is no administrator yet. The link that makes one is in {}",
            file.display()
        )),
        Err(error) => {
            let remedy = "make the first administrator with: portcullis user create --admin";
            tracing::warn!(%error, file = %file.display(), remedy, "the set-up link cannot be written");
            Ok(())
        }
    }
}

pub(crate) fn file(config: &Config) -> PathBuf {
    server_keys::data_directory(config).join(FILE)
}

fn write(file: &Path, link: &str) -> io::Result<()> {
    files::private_directory(files::directory_of(file))?;
    let text = Zeroizing::new(format!("{link}\n"));
    files::replace(file, text.as_bytes())
}
