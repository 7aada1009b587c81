//! The one-time link that makes the first administrator: shown on a terminal, else in a file for the owner's eyes
//! alone. Never in the log, which more people read.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use portcullis_app::Cx;
use secrecy::zeroize::Zeroizing;

use crate::config::Config;
use crate::{files, output, server_keys};

const FILE: &str = "setup-link";
const REMEDY: &str = "make the first administrator with: portcullis user create --admin";

/// Shows the link while there has never been an administrator, and tidies up once there was. A server without the
/// link serves all the same: there is another way to make the first administrator.
pub(crate) async fn offer(cx: &Cx, config: &Config) {
    let file = file(config);
    match cx.set_up_token().await {
        Ok(Some(token)) => show(config, &file, &token),
        Ok(None) => {
            if let Err(error) = files::remove(&file) {
                tracing::warn!(%error, file = %file.display(), "the spent set-up link cannot be removed");
            }
        }
        Err(error) => tracing::warn!(%error, remedy = REMEDY, "the set-up link cannot be made"),
    }
}

fn show(config: &Config, file: &Path, token: &str) {
    // In the fragment, which browsers send to nobody.
    let link = Zeroizing::new(format!("{}/setup#token={token}", config.server.public_url));
    // Output that nobody reads is no reason to stop serving.
    if io::stdout().is_terminal() {
        let _ = output::line(format_args!(
            "There is no administrator yet. This link makes one; it is good for 24 hours and for one:\n{}",
            *link
        ));
        return;
    }
    match write(file, &link) {
        Ok(()) => {
            let place = file.display();
            let _ = output::line(format_args!(
                "There is no administrator yet. The link that makes one is in {place}"
            ));
        }
        Err(error) => {
            tracing::warn!(%error, file = %file.display(), remedy = REMEDY, "the set-up link cannot be written");
        }
    }
}

fn file(config: &Config) -> PathBuf {
    server_keys::data_directory(config).join(FILE)
}

fn write(file: &Path, link: &str) -> io::Result<()> {
    files::private_directory(files::directory_of(file))?;
    let text = Zeroizing::new(format!("{link}\n"));
    files::replace(file, text.as_bytes())
}
