//! `portcullis doctor`: what is well, what is risky, what is broken, each with a remedy. Changes nothing of the
//! database's schema and makes no database.

mod exposure;
mod machine;

use portcullis_app::doctor::{Check, Health};
use serde_json::json;

use crate::boot::{self, How};
use crate::clock::SystemClock;
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(loaded: &Loaded, json: bool) -> Result<(), Failure> {
    let mut checks = node(loaded).await;
    checks.extend(exposure::checks(&loaded.config));
    checks.extend(machine::checks(&loaded.config));
    let faults = checks.iter().filter(|check| check.health == Health::Fault).count();
    if json {
        output::json(&json!({ "ok": faults == 0, "checks": checks }))?;
    } else {
        checks.iter().try_for_each(|check| output::line(told(check)))?;
    }
    match faults {
        0 => Ok(()),
        1 => Err(Failure::new("doctor found a fault")),
        more => Err(Failure::new(format_args!("doctor found {more} faults"))),
    }
}

/// What the database and the node itself say. A node that cannot even be made is the first thing to mend.
async fn node(loaded: &Loaded) -> Vec<Check> {
    let node = match Box::pin(boot::prepare(loaded, How::COMMAND)).await {
        Ok(node) => node,
        Err(failure) => return vec![not_started(&failure)],
    };
    let started = node.cx.start().await;
    let mut checks = node.cx.doctor().await;
    checks.push(system_clock(&node.clock));
    // A fault that the checks tell in their own words is told once.
    if let Err(error) = started
        && checks.iter().all(|check| check.health != Health::Fault)
    {
        checks.insert(0, not_started(&error.into()));
    }
    checks
}

fn not_started(failure: &Failure) -> Check {
    let line = failure.line().unwrap_or_default();
    let (seen, remedy) = line.split_once("; ").unwrap_or((&line, "Mend what it names."));
    Check::fault("start", seen, remedy)
}

/// The node corrects itself by the database's clock; what else runs on this machine does not.
fn system_clock(clock: &SystemClock) -> Check {
    const TOLERANCE: u64 = 10_000_000;
    let apart = clock.offset_micros().unsigned_abs();
    let seen = format!("{} ms from the database's before correction", apart / 1_000);
    if apart < TOLERANCE {
        Check::ok("system clock", seen)
    } else {
        Check::warning("system clock", seen, "Set the clock of this machine and of the database's by NTP.")
    }
}

/// `warning  proxies: none is trusted. Remedy.`
fn told(check: &Check) -> String {
    let health = match check.health {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Fault => "fault",
    };
    let remedy = check.remedy.as_ref().map(|remedy| format!(" -> {remedy}")).unwrap_or_default();
    format!("{health:<8} {}: {}{remedy}", check.name, check.seen)
}
