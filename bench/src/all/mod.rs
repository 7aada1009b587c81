//! One run: what is measured in which order, and what is compared with what.

mod dear;
mod enumeration;
mod environment;
mod light;

use anyhow::Result;
use portcullis_testkit::postgres::OwnCluster;

use crate::bare::{self, Child};
use crate::driver::runtime;
use crate::options::{Database, Measurement, Options};
use crate::parts::{crypto, pgbench, plain_sqlite, rotations};
use crate::product::tokens::Beside;
use crate::product::{self, Server, Setting};
use crate::report::{Goal, Report, thousands};
use crate::stats::{Runs, spread};

/// Medians that ratios are made of, as far as they were measured.
#[derive(Debug, Default)]
struct Parts {
    es256: Option<f64>,
    sqlite: Option<f64>,
    postgres: Option<f64>,
}

impl Parts {
    const fn rotations(&self, database: Database) -> Option<f64> {
        match database {
            Database::Sqlite => self.sqlite,
            Database::Postgres => self.postgres,
        }
    }
}

/// What every measurement needs.
struct Bench<'a> {
    options: &'a Options,
    report: Report,
    parts: Parts,
    /// Started when it is first needed.
    cluster: Option<OwnCluster>,
}

/// Everything.
pub(crate) fn all(options: &Options) -> Result<()> {
    let mut bench = Bench::start(options)?;
    bench.crypto()?;
    bench.databases()?;
    bench.product(&[])?;
    bench.end()
}

/// The parts without the product.
pub(crate) fn parts(options: &Options) -> Result<()> {
    let mut bench = Bench::start(options)?;
    bench.bare()?;
    bench.crypto()?;
    bench.databases()?;
    bench.end()
}

/// The bare framework.
pub(crate) fn bare(options: &Options) -> Result<()> {
    let mut bench = Bench::start(options)?;
    bench.bare()?;
    bench.end()
}

/// The crypto.
pub(crate) fn crypto(options: &Options) -> Result<()> {
    let mut bench = Bench::start(options)?;
    bench.crypto()?;
    bench.end()
}

/// The database alone.
pub(crate) fn database(options: &Options) -> Result<()> {
    let mut bench = Bench::start(options)?;
    bench.databases()?;
    bench.end()
}

/// The product, or parts of it, with what its ratios need.
pub(crate) fn product(options: &Options, only: &[Measurement]) -> Result<()> {
    let mut bench = Bench::start(options)?;
    let wanted = |one| only.is_empty() || only.contains(&one);
    if wanted(Measurement::Refresh) {
        bench.crypto()?;
    }
    if wanted(Measurement::Refresh) {
        bench.databases()?;
    }
    bench.product(only)?;
    bench.end()
}

impl<'a> Bench<'a> {
    fn start(options: &'a Options) -> Result<Self> {
        // 10,000 connections need more than the usual soft limit.
        rlimit::increase_nofile_limit(u64::MAX)?;
        let mut report = Report::default();
        environment::describe(&mut report, options);
        Ok(Self { options, report, parts: Parts::default(), cluster: None })
    }

    fn end(self) -> Result<()> {
        let text = self.report.to_markdown();
        println!("{text}");
        if let Some(out) = &self.options.out {
            std::fs::write(out, text)?;
        }
        Ok(())
    }

    fn bare(&mut self) -> Result<()> {
        section("bare framework");
        let child = Child::start(None)?;
        let runs = |callers: Vec<bare::Fixed>| -> Result<Runs> {
            let mut side = product::Side::new(callers, child.watched());
            runtime()?.block_on(side.repeat(self.options));
            Ok(side.runs)
        };
        let (hello, echo) = (runs(bare::hello(child.address, ""))?, runs(bare::echo(child.address))?);
        self.report.runs("bare framework: GET /hello", &hello);
        self.report.runs("bare framework: POST /echo", &echo);
        Ok(())
    }

    fn crypto(&mut self) -> Result<()> {
        section("crypto");
        let es256 = crypto::es256(self.options)?;
        self.report.rates("ES256 signatures, one core", &es256);
        self.report.rates("access tokens, one core", &crypto::access_tokens(self.options)?);
        self.report.rates("argon2id m=19456 t=2 p=1, all cores", &crypto::argon2id(self.options)?);
        self.parts.es256 = Some(spread(&es256).1);
        Ok(())
    }

    fn databases(&mut self) -> Result<()> {
        for database in self.options.databases.clone() {
            section(&format!("{} alone", database.name()));
            match database {
                Database::Sqlite => self.sqlite_alone()?,
                Database::Postgres => self.postgres_alone()?,
            }
        }
        Ok(())
    }

    fn sqlite_alone(&mut self) -> Result<()> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("alone.db");
        let url = format!("sqlite://{}", file.display());
        let alone = rotations::measure_alone(&url, None, self.options)?;
        self.parts.sqlite = Some(self.report_alone(Database::Sqlite, &alone));
        match plain_sqlite::measure(&file, self.options)? {
            Some(plain) => {
                self.report
                    .rates(&format!("SQLite {}: plain loop of its shell", plain.version), &plain.rates);
            }
            None => self.report.fact("SQLite: plain loop", "not measured: sqlite3 is not installed"),
        }
        Ok(())
    }

    fn postgres_alone(&mut self) -> Result<()> {
        let (url, pid) = self.postgres("alone")?;
        let alone = rotations::measure_alone(&url, pid, self.options)?;
        self.parts.postgres = Some(self.report_alone(Database::Postgres, &alone));
        for clients in [16, 64] {
            let name = format!("PostgreSQL: pgbench, {clients} clients");
            match pgbench::measure(&url, clients, self.options)? {
                Some(rates) => self.report.rates(&name, &rates),
                None => self.report.fact(name, "not measured: pgbench is not installed"),
            }
        }
        Ok(())
    }

    /// The median rate of folded rotations.
    fn report_alone(&mut self, database: Database, alone: &rotations::Alone) -> f64 {
        let name = database.name();
        self.report.runs(&format!("{name} alone: rotations, 64 callers, folded"), &alone.folded);
        self.report.runs(&format!("{name} alone: rotations, one by one"), &alone.one_by_one);
        alone.folded.median().rate
    }

    /// A new database in a cluster of our own: URL and the server's first process.
    fn postgres(&mut self, name: &str) -> Result<(String, Option<u32>)> {
        let new = self.cluster.is_none();
        let cluster = self.cluster.get_or_insert_with(|| OwnCluster::start(true));
        let url = cluster.create_database(name);
        if new {
            self.report.machine("PostgreSQL", environment::postgres_version(&url)?);
        }
        let pid = environment::postmaster(&url)?;
        Ok((url, pid))
    }

    fn product(&mut self, only: &[Measurement]) -> Result<()> {
        let wanted = |which: &[Measurement]| only.is_empty() || which.iter().any(|one| only.contains(one));
        section("bare framework, with the headers of the product");
        let captured = product::capture(self.options)?;
        self.report.fact("headers of a protected answer", captured.header_count().to_string());
        let child = Child::start(Some(&captured))?;
        for database in self.options.databases.clone() {
            use Measurement::{
                ApiToken, Feed, Flood, Footprint, Login, Protected, Refresh, Revocation, Users,
            };
            if wanted(&[Footprint, Refresh, Protected, ApiToken, Feed, Revocation, Users]) {
                self.light(database, &child, &wanted)?;
            }
            if wanted(&[Login, Flood]) {
                self.dear(database, &wanted)?;
            }
            if wanted(&[Measurement::Enumeration]) {
                self.enumeration(database)?;
            }
        }
        if wanted(&[Measurement::Gateway]) {
            self.gateway(&child)?;
        }
        let size = product::footprint::binary_mib(&self.options.server)?;
        self.report.judge("release binary, MiB", size, Goal::AtMost(30.0), String::new());
        Ok(())
    }

    /// The gateway beside nginx, both in front of the bare framework.
    fn gateway(&mut self, app: &Child) -> Result<()> {
        section("gateway");
        let Some(Beside { ours, bare: nginx }) = product::gateway::beside_nginx(app, self.options)? else {
            self.report.fact("gateway / nginx", "not measured: nginx is not installed");
            return Ok(());
        };
        self.report.runs("gateway: GET /hello, signed in", &ours);
        self.report.runs("nginx: GET /hello (in turn with the gateway)", &nginx);
        let (ours, nginx) = (ours.median(), nginx.median());
        let shown = format!("{} / {}", thousands(ours.rate), thousands(nginx.rate));
        self.report.judge("gateway / nginx", ours.rate / nginx.rate, Goal::AtLeast(0.75), shown);
        let (p99, theirs) = (ours.latency.p99, nginx.latency.p99);
        let shown = format!("{p99:.2} ms / {theirs:.2} ms");
        self.report.judge("gateway / nginx, p99", p99 / theirs, Goal::AtMost(2.0), shown);
        Ok(())
    }

    /// Starts the product on a new database.
    fn setting<'s>(&'s self, dir: &'s std::path::Path, url: Option<&'s str>, cheap: bool) -> Setting<'s> {
        Setting {
            binary: &self.options.server,
            dir,
            database_url: url,
            cheap_passwords: cheap,
            verified_only: false,
            gateway: None,
        }
    }

    /// URL and first process of a new database for the product; neither with SQLite.
    fn database_for(&mut self, database: Database, name: &str) -> Result<(Option<String>, Option<u32>)> {
        match database {
            Database::Sqlite => Ok((None, None)),
            Database::Postgres => self.postgres(name).map(|(url, pid)| (Some(url), pid)),
        }
    }
}

/// Where the product's callers call.
fn target(server: &Server, database: Option<u32>) -> product::tokens::Target {
    product::tokens::Target { address: server.address, watched: product::watched(server, database) }
}

/// Tells whoever waits what is being measured.
fn section(name: &str) {
    eprintln!("{name}");
}
