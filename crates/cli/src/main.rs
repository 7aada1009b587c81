//! `portcullis`: reads the command line, runs one command, turns how it ended into an exit code (0 ok, 1 failed,
//! 2 wrong usage). What lives here is only what a process has once: allocator, TLS provider, exit code.

use std::process::ExitCode;

use portcullis::args::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Two crates could each bring a provider of their own: which one TLS uses is said here, once.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match portcullis::commands::run(Cli::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(line) = failure.line() {
                eprintln!("portcullis: {line}");
            }
            ExitCode::from(failure.code())
        }
    }
}
