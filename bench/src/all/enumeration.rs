//! Whether answers tell who has an account.

use anyhow::Result;

use super::{Bench, section};
use crate::driver::runtime;
use crate::options::Database;
use crate::product::enumeration::{ASKED, tell};
use crate::product::{self, Server, Setting};
use crate::report::Goal;

/// How far the area under the curve may be from that of a guess.
const FAR: f64 = 0.03;

impl Bench<'_> {
    /// With the product's own hashes: as somebody finds it who wants to know.
    pub(super) fn enumeration(&mut self, database: Database) -> Result<()> {
        section(&format!("who has an account, on {}", database.name()));
        let dir = tempfile::tempdir()?;
        let (url, _) = self.database_for(database, "enumeration")?;
        let (setting, pairs) = (self.setting(dir.path(), url.as_deref(), false), self.options.pairs());
        let server = Server::start(&setting)?;
        runtime()?.block_on(product::register(server.address, 0..pairs))?;
        server.stop()?;
        let server = Server::start(&Setting { verified_only: true, ..setting })?;
        let mut areas = Vec::new();
        for asked in &ASKED {
            let area = runtime()?.block_on(tell(server.address, asked, pairs))?;
            areas.push((asked.path, area));
        }
        server.stop()?;
        for (path, area) in areas {
            let what =
                format!("{}: {path}, known or unknown by time, area under the curve − 0.5", database.name());
            let shown = format!("{area:.3} of {pairs} pairs, bodies equal");
            self.report.judge(&what, (area - 0.5).abs(), Goal::AtMost(FAR), shown);
        }
        Ok(())
    }
}
