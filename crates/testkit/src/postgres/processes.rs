//! Signals to all processes of a server. `pg_ctl` cannot freeze or kill them all, and each backend leads a
//! process group of its own, so they are found by their parent in `/proc`.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Freezes the server whose data directory this is, and returns its processes.
pub(super) fn pause(data: &Path) -> io::Result<Vec<u32>> {
    let Some(postmaster) = postmaster(data)? else { return Ok(Vec::new()) };
    // The parent first: once it is frozen, no child is added.
    signal("STOP", &[postmaster])?;
    wait_until("the server to freeze", || state(postmaster).is_none_or(|state| matches!(state, 'T' | 'Z')))?;
    let mut family = children(postmaster)?;
    signal("STOP", &family)?;
    family.push(postmaster);
    Ok(family)
}

pub(super) fn resume(data: &Path) -> io::Result<()> {
    let Some(postmaster) = postmaster(data)? else { return Ok(()) };
    let mut family = children(postmaster)?;
    family.push(postmaster);
    signal("CONT", &family)
}

/// Kills them all and waits until they are gone. Nothing to do if the server is not running.
pub(super) fn kill(data: &Path) -> io::Result<()> {
    // Frozen first, so that none sees another die and tidies up.
    let family = pause(data)?;
    signal("KILL", &family)?;
    wait_until("the server to die", || {
        family.iter().all(|pid| state(*pid).is_none_or(|state| state == 'Z'))
    })?;
    if family.is_empty() { Ok(()) } else { forget(data) }
}

/// Removes what a killed server left to say that it runs. The next start would see through that, but not while
/// the dead are not reaped, and a container without an init never does.
fn forget(data: &Path) -> io::Result<()> {
    let text = fs::read_to_string(data.join("postmaster.pid"))?;
    // Line 7: key and id of its System V shared memory, 56 bytes that guard against a second server.
    if let Some(id) = text.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
        let _ = Command::new("ipcrm").args(["-m", id]).output();
    }
    for entry in fs::read_dir(data.parent().unwrap_or(data))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".lock") {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(data.join("postmaster.pid"))
}

/// The server's first process. The file of a killed server outlives it and may name someone else's process by
/// now: only one that works in this data directory is meant.
fn postmaster(data: &Path) -> io::Result<Option<u32>> {
    if !Path::new("/proc/self/stat").exists() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "needs Linux' /proc"));
    }
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return Ok(None) };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else {
        return Ok(None);
    };
    let works_here = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data);
    Ok(works_here.then_some(pid))
}

fn children(parent: u32) -> io::Result<Vec<u32>> {
    let pids =
        fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter(|pid| stat(*pid).is_some_and(|(_, found)| found == parent)).collect())
}

/// `T` is frozen, `Z` dead and not yet reaped; none if there is no such process.
pub(super) fn state(pid: u32) -> Option<char> {
    stat(pid).map(|(state, _)| state)
}

/// State and parent, from proc(5): `pid (name) state ppid …`, where the name may hold brackets and blanks.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// By the shell's own `kill`: no unsafe code here, and small systems have no program of that name. A process
/// that ended in the meantime is no error.
fn signal(name: &str, pids: &[u32]) -> io::Result<()> {
    if pids.is_empty() {
        return Ok(());
    }
    let script = "signal=$1; shift; for pid; do kill -s \"$signal\" \"$pid\" 2>/dev/null; done; true";
    let pids = pids.iter().map(u32::to_string);
    Command::new("sh").args(["-c", script, "sh", name]).args(pids).status().map(drop)
}

/// Polls: nobody tells a process that a stranger changed its state.
#[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
fn wait_until(what: &str, mut done: impl FnMut() -> bool) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        if Instant::now() > end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("waited 30 s for {what}")));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::cluster::{Cluster, Setup};
    use super::{kill, pause, postmaster, resume, state};

    #[test]
    fn every_process_of_the_server_is_frozen_released_and_killed() {
        let cluster = Cluster::create(Setup::default()).expect("a cluster");
        cluster.start().expect("starts");
        let data = cluster.data();
        let server = postmaster(&data).expect("readable").expect("running");

        let family = pause(&data).expect("pauses");
        assert!(family.contains(&server) && family.len() > 3, "the server has helpers: {family:?}");
        super::wait_until("all to freeze", || family.iter().all(|pid| state(*pid) == Some('T')))
            .expect("frozen");

        resume(&data).expect("resumes");
        super::wait_until("all to go on", || family.iter().all(|pid| state(*pid) != Some('T')))
            .expect("going on");
        assert!(cluster.is_running());

        kill(&data).expect("kills");
        assert!(family.iter().all(|pid| !matches!(state(*pid), Some(state) if state != 'Z')), "one lives on");
        assert_eq!(postmaster(&data).expect("readable"), None);
        kill(&data).expect("a dead server is nothing to kill");
        cluster.destroy().expect("removed");
    }
}
