//! Measures Portcullis beside its parts, on one machine and in one run: the load generator, the bare framework,
//! the crypto, the database alone, and the product.
//!
//! What may not live here: anything that the product needs. Figures of two days are never compared, only ratios
//! within one run; `docs/performance.md` says how and why. `bench/run` is the way in.

mod all;
mod bare;
mod client;
mod driver;
mod json;
mod options;
mod parts;
mod proc;
mod product;
mod report;
mod stats;

use anyhow::Result;
use clap::Parser;

use options::{Cli, Command};

/// The product's allocator, so that the bare framework has no other one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let Cli { command, options } = Cli::parse();
    match command {
        Command::BareServer { response } => bare::server::serve(response.as_deref()),
        Command::Parts => all::parts(&options),
        Command::Bare => all::bare(&options),
        Command::Crypto => all::crypto(&options),
        Command::Database => all::database(&options),
        Command::Product { only } => all::product(&options, &only),
        Command::All => all::all(&options),
    }
}
