//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures Portcullis beside its parts.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything, with all ratios.
    All,
    /// Everything but the product: bare framework, crypto, database alone.
    Parts,
    /// The bare framework: `GET /hello` and `POST /echo`.
    Bare,
    /// ES256 signatures of one core, argon2id of all cores.
    Crypto,
    /// Rotations by the database alone: folded, one by one, plain loop, pgbench.
    Database,
    /// The product, or some of its measurements, with what their ratios need.
    Product {
        /// Which measurements (all, if none is named).
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<Measurement>,
    },
    /// The bare server itself; prints its address. Started by the other commands.
    #[command(hide = true)]
    BareServer {
        /// A captured response for `/hello` to repeat.
        #[arg(long)]
        response: Option<PathBuf>,
    },
}

/// What can be measured of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measurement {
    /// Memory, start, size.
    Footprint,
    /// `POST /auth/refresh`.
    Refresh,
    /// `GET /auth/verify`.
    Protected,
    /// The same with API tokens.
    ApiToken,
    /// Many clients that wait for revocations.
    Feed,
    /// From the end of a session to its refusal by another service.
    Revocation,
    /// Many users, one call a second each.
    Users,
    /// `POST /auth/login`.
    Login,
    /// Refresh beside a flood of logins.
    Flood,
    /// Whether answers tell who has an account.
    Enumeration,
    /// The gateway beside nginx.
    Gateway,
}

/// A database to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Database {
    /// A file in a temporary directory.
    Sqlite,
    /// A cluster of our own, `fsync` on.
    Postgres,
}

impl Database {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Short windows and few sessions: to see that everything runs, not to judge by.
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    /// The product's binary.
    #[arg(long, global = true, default_value = "target/release/portcullis")]
    pub(crate) server: PathBuf,
    /// Where to write the tables, besides standard output.
    #[arg(long, global = true)]
    pub(crate) out: Option<PathBuf>,
    /// Databases to measure on.
    #[arg(long, global = true, value_enum, value_delimiter = ',', default_value = "sqlite,postgres")]
    pub(crate) databases: Vec<Database>,
    /// Seconds measured at a time [default: 5, quick: 1].
    #[arg(long, global = true)]
    window: Option<f64>,
    /// Windows, of which the median counts [default: 3, quick: 1].
    #[arg(long, global = true)]
    repeats: Option<u32>,
    /// Live sessions in the database [default: 10000, quick: 1000].
    #[arg(long, global = true)]
    sessions: Option<usize>,
    /// Users with an open connection each [default: 10000, quick: 1000].
    #[arg(long, global = true)]
    users: Option<usize>,
    /// Seconds from the last sign-in to the reading of memory [default: 60, quick: 2].
    #[arg(long, global = true)]
    settle: Option<f64>,
}

/// Closed-loop sessions of every run that is not told otherwise.
pub(crate) const CALLERS: usize = 64;

impl Options {
    pub(crate) fn window(&self) -> Duration {
        Duration::from_secs_f64(self.window.unwrap_or(if self.quick { 1.0 } else { 5.0 }))
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 1_000 })
    }

    pub(crate) fn repeats(&self) -> usize {
        self.repeats.unwrap_or(if self.quick { 1 } else { 3 }).max(1) as usize
    }

    pub(crate) fn sessions(&self) -> usize {
        self.sessions.unwrap_or(if self.quick { 1_000 } else { 10_000 }).max(CALLERS)
    }

    pub(crate) fn users(&self) -> usize {
        self.users.unwrap_or(if self.quick { 1_000 } else { 10_000 }).max(1)
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_secs_f64(self.settle.unwrap_or(if self.quick { 2.0 } else { 60.0 }))
    }

    /// Pairs of a known and an unknown address.
    pub(crate) fn pairs(&self) -> usize {
        if self.quick { 100 } else { 2_000 }
    }

    pub(crate) fn starts(&self) -> usize {
        if self.quick { 3 } else { 11 }
    }
}
