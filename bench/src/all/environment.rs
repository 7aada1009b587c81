//! Where the figures come from: machine, versions, parameters.

use std::fs;
use std::process::Command;

use anyhow::Result;
use portcullis_testkit::postgres;

use crate::options::{CALLERS, Options};
use crate::report::Report;

pub(super) fn describe(report: &mut Report, options: &Options) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        line.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = after(&read("/proc/cpuinfo"), "model name");
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    report.machine("date", printed("date", &["-u", "+%Y-%m-%d %H:%M UTC"]));
    report.machine("machine", format!("{cores} × {processor}, {memory} memory"));
    report.machine("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned());
    report.machine("load before the run", read("/proc/loadavg").split(' ').next().unwrap_or("?").to_owned());
    report.machine("revision", printed("git", &["describe", "--always", "--dirty"]));
    report.machine("compiler", printed("rustc", &["--version"]));
    let quick = match (options.quick, cfg!(debug_assertions)) {
        (_, true) => "**debug build, says nothing**; ",
        (true, false) => "**quick run, not to be judged by**; ",
        (false, false) => "",
    };
    report.machine(
        "run",
        format!(
            "{quick}{CALLERS} callers in closed loop, {} sessions, warm-up {:.1} s, windows of {:.1} s, median of {}",
            options.sessions(),
            options.warm_up().as_secs_f64(),
            options.window().as_secs_f64(),
            options.repeats(),
        ),
    );
}

/// First line that a program prints; `unknown` where there is no such program.
fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

pub(super) fn postgres_version(url: &str) -> Result<String> {
    let settings = "SELECT concat_ws(', ', current_setting('server_version'), \
        'fsync ' || current_setting('fsync'), 'synchronous_commit ' || current_setting('synchronous_commit'), \
        'shared_buffers ' || current_setting('shared_buffers'))";
    Ok(postgres::query(url, settings)?)
}

/// The first process of the cluster, where its directory can be read.
pub(super) fn postmaster(url: &str) -> Result<Option<u32>> {
    let data = postgres::query(url, "SHOW data_directory")?;
    let file = fs::read_to_string(format!("{data}/postmaster.pid")).unwrap_or_default();
    Ok(file.lines().next().and_then(|line| line.trim().parse().ok()))
}
