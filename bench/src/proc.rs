//! What the kernel says of a process: CPU time and memory, from proc(5).

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// `USER_HZ`, which is 100 on every Linux that matters. The kernel scales these ticks to the scheduler's exact
/// sum, so only the last 10 ms are rounded.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process since its start, all its threads together; nothing for one that has ended.
pub(crate) fn cpu(pid: u32) -> Duration {
    ticks(pid, 11..13).map_or(Duration::ZERO, |ticks| TICK * ticks)
}

/// CPU time of a process, its living children and those that it has buried.
pub(crate) fn family_cpu(pid: u32) -> Duration {
    let own = ticks(pid, 11..15).map_or(Duration::ZERO, |ticks| TICK * ticks);
    own + children(pid).into_iter().map(cpu).sum::<Duration>()
}

/// Proportional set size in MiB: shared pages count by their share.
pub(crate) fn pss_mib(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no line Pss:")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// CPU time that all cores have spent on anything: user, nice, system, irq, softirq and steal of `/proc/stat`.
fn busy() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = |index| text.split_whitespace().nth(index).and_then(|field| field.parse::<u32>().ok());
    // The first field is the word `cpu`; idle (4) and waiting for the disk (5) are left out.
    [1, 2, 3, 6, 7, 8].into_iter().filter_map(ticks).map(|ticks| TICK * ticks).sum()
}

/// Fields after `pid (name) `, counted from the state, which is 0.
fn fields(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text[text.rfind(')')? + 1..].split_whitespace().map(str::to_owned).collect())
}

fn ticks(pid: u32, which: std::ops::Range<usize>) -> Option<u32> {
    fields(pid)?.get(which)?.iter().map(|field| field.parse::<u32>().ok()).sum()
}

fn children(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").into_iter().flatten();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let parent = parent.to_string();
    pids.filter(|pid| fields(*pid).is_some_and(|fields| fields.get(1) == Some(&parent))).collect()
}

/// Whose CPU time is read around a window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watched {
    /// The server. If it is this process itself, the generator's share is in it.
    pub(crate) server: Option<u32>,
    /// PostgreSQL's first process.
    pub(crate) database: Option<u32>,
}

/// CPU times at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) server: Duration,
    pub(crate) database: Duration,
    pub(crate) driver: Duration,
    /// Of the whole machine.
    pub(crate) busy: Duration,
}

impl Reading {
    /// CPU time of everything that was not measured, from `before` to this reading.
    pub(crate) fn foreign_since(&self, before: &Self) -> Duration {
        let own = |reading: &Self| reading.server + reading.database + reading.driver;
        self.busy.saturating_sub(before.busy).saturating_sub(own(self).saturating_sub(own(before)))
    }
}

impl Watched {
    pub(crate) fn read(&self) -> Reading {
        let own = std::process::id();
        Reading {
            server: self.server.map_or(Duration::ZERO, cpu),
            database: self.database.map_or(Duration::ZERO, family_cpu),
            driver: if self.server == Some(own) { Duration::ZERO } else { cpu(own) },
            busy: busy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Reading, busy, children, fields, pss_mib};

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        assert!(fields(pid).expect("a living process").len() > 20);
        assert!(pss_mib(pid).expect("a living process") > 0.1);
        assert!(super::cpu(u32::MAX).is_zero() && children(u32::MAX).is_empty());
        assert!(busy() >= super::cpu(pid));
    }

    #[test]
    fn what_others_used_is_what_is_left() {
        let reading = |server, driver, busy| Reading {
            server: Duration::from_secs(server),
            database: Duration::ZERO,
            driver: Duration::from_secs(driver),
            busy: Duration::from_secs(busy),
        };
        let foreign = reading(7, 3, 30).foreign_since(&reading(5, 2, 20));
        assert_eq!(foreign, Duration::from_secs(7));
    }
}
