//! What is measured with hashes that cost nothing: memory, refresh, the protected call, many users, start.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, section, target};
use crate::bare::Child;
use crate::driver::runtime;
use crate::options::{Database, Measurement, Options};
use crate::product::footprint::{cold_starts, rested_pss};
use crate::product::tokens::{Beside, Target};
use crate::product::users::crowd;
use crate::product::{self, Server, Session};
use crate::report::{Goal, thousands};
use crate::stats::spread;

/// After its start a server comes to rest within that time.
const REST: Duration = Duration::from_secs(2);

/// A protected call, by one kind of token.
struct Protection {
    call: &'static str,
    ratio: &'static str,
    headers: fn(&Session) -> String,
    goal: f64,
}

const ACCESS_TOKEN: Protection =
    Protection { call: "GET /auth/verify", ratio: "protected", headers: Session::verify_headers, goal: 0.75 };
const API_TOKEN: Protection = Protection {
    call: "GET /auth/verify, API token",
    ratio: "API token",
    headers: Session::api_token_headers,
    goal: 0.7,
};

impl Bench<'_> {
    pub(super) fn light(
        &mut self,
        database: Database,
        child: &Child,
        wanted: &dyn Fn(&[Measurement]) -> bool,
    ) -> Result<()> {
        use Measurement::{ApiToken, Feed, Footprint, Protected, Refresh, Revocation, Users};
        section(&format!("product on {}", database.name()));
        let dir = tempfile::tempdir()?;
        let (url, pid) = self.database_for(database, "light")?;
        let server = Server::start(&self.setting(dir.path(), url.as_deref(), true))?;
        let mut sessions = if wanted(&[Footprint]) {
            self.memory(database, &server)?
        } else {
            sign_up(&server, self.options)?
        };
        let target = target(&server, pid);
        if wanted(&[Refresh]) {
            sessions = self.refresh(database, target, sessions, child)?;
        }
        if wanted(&[Protected]) {
            self.protected((database, target), &sessions, &ACCESS_TOKEN, child)?;
        }
        if wanted(&[ApiToken, Users]) {
            sessions = runtime()?.block_on(product::make_api_tokens(server.address, sessions))?;
        }
        if wanted(&[ApiToken]) {
            self.protected((database, target), &sessions, &API_TOKEN, child)?;
        }
        if wanted(&[Feed]) {
            self.feed(database, target, &server)?;
        }
        if wanted(&[Revocation]) {
            self.revocation(database, &server)?;
        }
        if wanted(&[Users]) {
            self.users(database, target, &server, sessions)?;
        }
        server.stop()?;
        if wanted(&[Footprint]) {
            let starts = cold_starts(&self.setting(dir.path(), url.as_deref(), true), self.options)?;
            let (least, median, most) = spread(&starts);
            let shown = format!("{least:.0} / {median:.0} / {most:.0} of {}", starts.len());
            let name = format!("{}: start to first 200, ms", database.name());
            self.report.judge(&name, median, Goal::AtMost(80.0), shown);
        }
        Ok(())
    }

    /// Memory idle and with all sessions, which come back.
    fn memory(&mut self, database: Database, server: &Server) -> Result<Vec<Session>> {
        let name = database.name();
        let idle = rested_pss(server, REST)?;
        self.report.judge(&format!("{name}: idle PSS, MiB"), idle, Goal::AtMost(30.0), String::new());
        let sessions = sign_up(server, self.options)?;
        let now = server.pss_mib()?;
        let settle = self.options.settle();
        let after = rested_pss(server, settle)?;
        let shown = format!("{after:.1} after {} s (at once {now:.1}) − {idle:.1} idle", settle.as_secs());
        let what = format!("{name}: added by {} sessions, MiB", thousands(sessions.len() as f64));
        self.report.judge(&what, after - idle, Goal::AtMost(10.0), shown);
        Ok(sessions)
    }

    fn refresh(
        &mut self,
        database: Database,
        target: Target,
        sessions: Vec<Session>,
        child: &Child,
    ) -> Result<Vec<Session>> {
        let name = database.name();
        let (Beside { ours, bare }, sessions) =
            product::tokens::refresh(target, sessions, child, self.options)?;
        self.report.runs(&format!("{name}: POST /auth/refresh"), &ours);
        self.report.runs(&format!("bare framework: POST /echo (in turn with refresh on {name})"), &bare);
        let (ours, echo) = (ours.median().rate, bare.median().rate);
        if let (Some(es256), Some(rotations)) = (self.parts.es256, self.parts.rotations(database)) {
            let sum = 1.0 / (1.0 / echo + 1.0 / es256 + 1.0 / rotations);
            let parts = [echo, es256, rotations].map(thousands).join(", ");
            let shown = format!("{} of {} (sum of {parts})", thousands(ours), thousands(sum));
            let what = format!("{name}: refresh / sum of parts");
            self.report.judge(&what, ours / sum, Goal::AtLeast(0.6), shown);
        }
        Ok(sessions)
    }

    /// The protected call beside the same answer of the bare framework; `what` tells the two kinds of token apart.
    fn protected(
        &mut self,
        (database, target): (Database, Target),
        sessions: &[Session],
        what: &Protection,
        child: &Child,
    ) -> Result<()> {
        let (name, Protection { call, ratio, headers, goal }) = (database.name(), what);
        let Beside { ours, bare } =
            product::tokens::protected(target, sessions, *headers, child, self.options)?;
        self.report.runs(&format!("{name}: {call}"), &ours);
        self.report.runs(&format!("bare framework: GET /hello (in turn with {ratio} on {name})"), &bare);
        let (ours, bare) = (ours.median(), bare.median());
        let shown = format!("{} / {}", thousands(ours.rate), thousands(bare.rate));
        let judged = format!("{name}: {ratio} / bare");
        self.report.judge(&judged, ours.rate / bare.rate, Goal::AtLeast(*goal), shown);
        let shown = format!("{:.1} µs / {:.1} µs", bare.server_cpu, ours.server_cpu);
        let judged = format!("{name}: CPU per call, bare / {ratio}");
        self.report.judge(&judged, bare.server_cpu / ours.server_cpu, Goal::None, shown);
        Ok(())
    }

    fn feed(&mut self, database: Database, target: Target, server: &Server) -> Result<()> {
        let waiting = product::feed::wait(target, server, self.options)?;
        let name =
            format!("{}: {} clients wait for revocations", database.name(), thousands(waiting.clients));
        let shown = format!("{:.1} − {:.1}", waiting.after_mib, waiting.before_mib);
        let added = waiting.after_mib - waiting.before_mib;
        self.report.judge(&format!("{name}: added, MiB"), added, Goal::AtMost(20.0), shown);
        let shown = format!("{:.0} ms in {:.0} s", waiting.cpu * waiting.seconds * 1_000.0, waiting.seconds);
        self.report.judge(&format!("{name}: cores used"), waiting.cpu, Goal::AtMost(0.01), shown);
        Ok(())
    }

    fn revocation(&mut self, database: Database, server: &Server) -> Result<()> {
        let mut millis = runtime()?.block_on(product::revocation::propagation(server, self.options))?;
        millis.sort_by(f64::total_cmp);
        let at =
            |part: f64| millis[((millis.len() as f64 * part).ceil() as usize).clamp(1, millis.len()) - 1];
        let name = format!("{}: from sign-out to refusal by the verify crate", database.name());
        let shown = format!("p50 {:.1}, worst {:.1} of {}", at(0.5), at(1.0), millis.len());
        self.report.judge(&format!("{name}, p99 ms"), at(0.99), Goal::AtMost(1_000.0), shown);
        Ok(())
    }

    fn users(
        &mut self,
        database: Database,
        target: Target,
        server: &Server,
        sessions: Vec<Session>,
    ) -> Result<()> {
        let crowd = crowd(target, server, sessions, self.options)?;
        let name = format!("{}, {} users", database.name(), thousands(crowd.users as f64));
        let (latency, failed) = (crowd.run.latency, crowd.run.failed.count());
        self.report.runs(&format!("{name}, one call a second each"), &crate::stats::Runs(vec![crowd.run]));
        let none = String::new;
        self.report.judge(&format!("{name}: mean, ms"), latency.mean, Goal::AtMost(5.0), none());
        self.report.judge(&format!("{name}: p99, ms"), latency.p99, Goal::AtMost(25.0), none());
        self.report.judge(&format!("{name}: errors"), failed as f64, Goal::AtMost(0.0), none());
        self.report.judge(&format!("{name}: PSS, MiB"), crowd.pss_mib, Goal::AtMost(300.0), none());
        Ok(())
    }
}

/// As many sessions as the database shall hold, by registering.
fn sign_up(server: &Server, options: &Options) -> Result<Vec<Session>> {
    let count = options.sessions().max(options.users());
    runtime()?.block_on(product::register(server.address, 0..count))
}
