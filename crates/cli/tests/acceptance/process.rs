//! What the system says of a process: proc(5).

use std::fs;
use std::time::Duration;

/// The processor time that a process has had so far.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let text = read(pid, "stat");
    // After the name, which may hold anything, `state` is the first: utime and stime are the 12th and 13th.
    let fields = &text[text.rfind(')').expect("a name in brackets") + 1..];
    let ticks =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
    // USER_HZ is 100 on every architecture that matters here.
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// The memory of a process that is in use now, in KiB.
pub(crate) fn resident_kib(pid: u32) -> i64 {
    let text = read(pid, "status");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The most memory that a process has ever had in use, in KiB.
pub(crate) fn peak_kib(pid: u32) -> i64 {
    let text = read(pid, "status");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn read(pid: u32, name: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{name}")).expect("the process runs")
}
