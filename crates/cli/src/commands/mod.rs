//! One file per command. Each reads its arguments, calls a use case, and prints what came of it.

mod audit;
mod backup;
mod client;
mod completions;
mod config;
mod doctor;
mod email;
mod factor;
mod gateway;
mod invite;
mod key;
mod migrate;
mod purge;
mod serve;
mod session;
mod settings;
mod token;
mod user;
mod webhook;

use std::thread::available_parallelism;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::args::{Cli, Command};
use crate::config::{Config, LoadInput, Loaded};
use crate::failure::Failure;
use crate::logging;

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    if let Command::Completions { shell } = command {
        // Asked for by shells, in any directory: whatever configuration lies there is none of its business.
        return completions::run(shell);
    }
    let flags = match &command {
        Command::Serve(serve) => {
            serve.listen.map(|at| ("server.listen".to_owned(), at.to_string())).into_iter().collect()
        }
        Command::Gateway(gateway) => gateway.flags(),
        _ => Vec::new(),
    };
    let loaded = load(cli.config, flags)?;
    let runtime = if matches!(command, Command::Serve(_) | Command::Gateway(_)) {
        logging::start(&loaded.config.telemetry);
        server_runtime()?
    } else {
        logging::start_quietly(&loaded.config.telemetry);
        command_runtime()?
    };
    let outcome = runtime.block_on(dispatch(&loaded, command));
    // Nothing that still runs has anything to tell anybody.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

async fn dispatch(loaded: &Loaded, command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => serve::run(loaded, &serve).await,
        Command::Gateway(_) => gateway::run(loaded).await,
        Command::Migrate { dry_run, json } => migrate::run(loaded, dry_run, json).await,
        Command::User(command) => user::run(loaded, command).await,
        Command::Factor(command) => factor::run(loaded, command).await,
        Command::Session(command) => session::run(loaded, command).await,
        Command::Token(command) => token::run(loaded, command).await,
        Command::Client(command) => client::run(loaded, command).await,
        Command::Settings(command) => settings::run(loaded, command).await,
        Command::Invite(command) => invite::run(loaded, command).await,
        Command::Key(command) => key::run(loaded, command).await,
        Command::Email(command) => email::run(loaded, command).await,
        Command::Audit(command) => audit::run(loaded, command).await,
        Command::Webhook(command) => webhook::run(loaded, command).await,
        Command::Purge { json } => purge::run(loaded, json).await,
        Command::Backup { file, json } => backup::run(&loaded.config, &file, json).await,
        Command::Doctor { json } => doctor::run(loaded, json).await,
        Command::Config(command) => config::run(loaded, &command),
        Command::Completions { shell } => completions::run(shell),
    }
}

fn load(file: Option<std::path::PathBuf>, flags: Vec<(String, String)>) -> Result<Loaded, Failure> {
    let cwd = std::env::current_dir().map_err(|error| {
        Failure::mend(format_args!("the working directory cannot be read: {error}"), "go to another one")
    })?;
    Ok(Config::load(LoadInput { file, env: std::env::vars_os(), flags, cwd: &cwd })?)
}

fn server_runtime() -> Result<Runtime, Failure> {
    let workers = available_parallelism().map_or(1, std::num::NonZero::get);
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().map_err(no_threads)
}

fn command_runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(no_threads)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_threads(error: std::io::Error) -> Failure {
    Failure::mend(
        format_args!("no threads can be started: {error}"),
        "raise the limit of threads (ulimit -u)",
    )
}
