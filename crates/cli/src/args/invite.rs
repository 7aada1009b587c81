//! `portcullis invite …`.

use std::time::Duration;

use clap::{Args, Subcommand};
use portcullis_core::ids::{AccountId, InviteId};

/// `portcullis invite …`
#[derive(Debug, Subcommand)]
pub enum InviteCommand {
    /// Make an invite; its code is shown once
    Create(CreateInvite),
    /// List the invites
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take an invite back
    Revoke {
        /// Its id
        id: InviteId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What an invite gives.
#[derive(Args, Debug)]
pub struct CreateInvite {
    /// Only for this address, which gets a mail
    #[arg(long)]
    pub email: Option<String>,
    /// Good for so long, such as 7d; by default 30 days, and to an account 7
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    pub expires_in: Option<Duration>,
    /// How often it may be used; by default once
    #[arg(long, value_name = "N")]
    pub uses: Option<u32>,
    /// Plan of the account that is made
    #[arg(long)]
    pub plan: Option<String>,
    /// Days for which the plan is on trial
    #[arg(long, value_name = "DAYS")]
    pub trial_days: Option<u32>,
    /// The account to join, instead of getting one
    #[arg(long, value_name = "ID")]
    pub account: Option<AccountId>,
    /// Role in that account; by default member
    #[arg(long)]
    pub role: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn lifetime(text: &str) -> Result<Duration, String> {
    crate::config::read_duration(text)
}
