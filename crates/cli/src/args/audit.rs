//! `portcullis audit …` and `portcullis webhook …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use portcullis_core::audit::KindFilter;
use portcullis_core::ids::EventId;
use portcullis_core::time::Timestamp;

/// Which audit events.
#[derive(Args, Clone, Debug)]
pub struct EventArgs {
    /// Only these: session.started, or session.* for all that begin so
    #[arg(long, value_name = "KIND", value_parser = kind_filter)]
    pub kind: Option<KindFilter>,
    /// Only those on this user: e-mail address, user name or id
    #[arg(long)]
    pub user: Option<String>,
    /// Only those that this user has caused: e-mail address, user name or id
    #[arg(long)]
    pub actor: Option<String>,
    /// Only from this time on, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
}

fn kind_filter(text: &str) -> Result<KindFilter, &'static str> {
    KindFilter::parse(text).ok_or("use the name of a kind, such as session.started, or session.*")
}

/// `portcullis audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List events, the newest first
    List {
        /// Which.
        #[command(flatten)]
        which: EventArgs,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write events as JSON Lines, the newest first
    Export {
        /// Which.
        #[command(flatten)]
        which: EventArgs,
        /// At most so many; by default all
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        /// To this file, which must not exist, instead of standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Tell whether an event or the chain over them was changed, removed, reordered or cut
    Verify {
        /// Compare with the checkpoints in this file too: a log, or what a webhook got; - is standard input
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `portcullis webhook …`
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// List messages that have not arrived
    List {
        /// Only those that are not tried again by themselves
        #[arg(long)]
        dead: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send messages again that are not tried again by themselves
    Retry {
        /// Those to this endpoint; by default all
        endpoint: Option<String>,
        /// Only this one
        #[arg(long, value_name = "WEBHOOK-ID")]
        id: Option<EventId>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget all messages to an endpoint that have not arrived
    Drop {
        /// Which endpoint
        endpoint: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
