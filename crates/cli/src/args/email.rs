//! `portcullis email …`.

use clap::{Subcommand, ValueEnum};
use portcullis_core::ids::MailId;

/// `portcullis email …`
#[derive(Debug, Subcommand)]
pub enum EmailCommand {
    /// Send a mail at once, and say what the mail server says
    Test {
        /// To whom
        address: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a mail says
    Preview {
        /// Its name, for example invite
        template: String,
        /// Language tag; by default `email.default_locale`
        #[arg(long)]
        locale: Option<String>,
        /// Which form of it
        #[arg(long, value_enum, default_value_t = PreviewFormat::Text)]
        format: PreviewFormat,
    },
    /// List the mails in the outbox, newest first
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<ListedState>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Try a mail again at once, also one that was given up
    Retry {
        /// The mail's id
        id: MailId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The forms of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PreviewFormat {
    /// Subject and text
    Text,
    /// HTML
    Html,
}

/// The states of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListedState {
    /// To be sent, or to be tried again
    Waiting,
    /// Taken by the mail server
    Sent,
    /// Given up
    Failed,
}
