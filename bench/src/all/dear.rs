//! What is measured with the product's own hashes: sign-in, and the flood.

use anyhow::Result;

use super::{Bench, section, target};
use crate::driver::runtime;
use crate::options::{CALLERS, Database, Measurement};
use crate::product::login::{self, OPEN_SESSIONS};
use crate::product::tokens::Target;
use crate::product::{self, Server, Session};
use crate::report::{Goal, thousands};
use crate::stats::{Runs, spread};

/// What the flood may do to the p99 of a refresh: that many times its idle one, or so many milliseconds.
const FLOOD: (f64, f64) = (5.0, 10.0);

impl Bench<'_> {
    pub(super) fn dear(&mut self, database: Database, wanted: &dyn Fn(&[Measurement]) -> bool) -> Result<()> {
        section(&format!("sign-in on {}", database.name()));
        let dir = tempfile::tempdir()?;
        let (url, pid) = self.database_for(database, "dear")?;
        let server = Server::start(&self.setting(dir.path(), url.as_deref(), false))?;
        let target = target(&server, pid);
        let count = CALLERS + if wanted(&[Measurement::Flood]) { OPEN_SESSIONS } else { 0 };
        let sessions = runtime()?.block_on(product::register(server.address, 0..count))?;
        if wanted(&[Measurement::Login]) {
            self.login(database, target, &sessions)?;
        }
        if wanted(&[Measurement::Flood]) {
            self.flood(database, target, sessions)?;
        }
        server.stop()
    }

    fn login(&mut self, database: Database, target: Target, sessions: &[Session]) -> Result<()> {
        let logins = login::login(target, sessions, self.options)?;
        let name = database.name();
        self.report.rates(&format!("{name}: argon2id in turn with sign-ins, all cores"), &logins.hashes);
        self.report.runs(&format!("{name}: POST /auth/login"), &logins.runs);
        let (rate, hashes) = (logins.runs.median().rate, spread(&logins.hashes).1);
        let shown = format!("{} / {}", thousands(rate), thousands(hashes));
        self.report.judge(&format!("{name}: login / argon2id"), logins.ratio(), Goal::AtLeast(0.9), shown);
        Ok(())
    }

    fn flood(&mut self, database: Database, target: Target, sessions: Vec<Session>) -> Result<()> {
        let name = database.name();
        let flood = login::flood(target, sessions, self.options)?;
        let (idle, flooded) = (flood.idle.latency.p99, flood.flooded.latency.p99);
        self.report.runs(&format!("{name}: refresh, open loop, idle"), &Runs(vec![flood.idle]));
        self.report
            .runs(&format!("{name}: refresh, open loop, beside the flood"), &Runs(vec![flood.flooded]));
        let rate = thousands(flood.logins.done() as f64 / flood.seconds);
        let (busy, failed) = (flood.logins.busy, &flood.logins.failed);
        self.report.fact(
            format!("{name}: the flood"),
            format!("{rate} logins a second, {busy} turned away, {failed} failed"),
        );
        let allowed = (idle * FLOOD.0).max(FLOOD.1);
        let shown = format!("idle {idle:.2}; allowed {allowed:.1}");
        let what = format!("{name}: p99 of refresh beside the flood, ms");
        self.report.judge(&what, flooded, Goal::AtMost(allowed), shown);
        Ok(())
    }
}
