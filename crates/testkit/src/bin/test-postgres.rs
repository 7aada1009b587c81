//! Starts and stops the PostgreSQL of a test run: `test-postgres start|stop [STATE_DIR]`.
//!
//! `./test` uses a state directory of its own, so that two runs do not stop each other's server; without one it
//! is the cluster that tests run by hand have started.

use std::path::PathBuf;
use std::process::ExitCode;

use portcullis_testkit::postgres::shared;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let state = arguments.next().map_or_else(shared::default_state_dir, PathBuf::from);
    let outcome = match command.as_str() {
        "start" => shared::start(&state).map(|url| println!("{url}")),
        "stop" => shared::stop(&state).map(|was_running| {
            if !was_running {
                eprintln!("test-postgres: none was running");
            }
        }),
        _ => {
            eprintln!("usage: test-postgres start|stop [STATE_DIR]");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("test-postgres: {error}");
            ExitCode::FAILURE
        }
    }
}
