//! Whether the audit log is what was written, told by its chain.

use portcullis_core::audit_chain::{Checkpoint, Finding, Inspection};

use crate::audit_chain::COUNTED;
use crate::cx::Cx;
use crate::fault::Fault;

/// Entries read at once.
const PAGE: i64 = 500;
/// Our own checkpoints that are looked at, beside those that somebody kept elsewhere.
const CHECKPOINTS: i64 = 10_000;
/// Where so much is wrong more need not be told.
const MOST: usize = 1_000;

/// What an inspection of the chain has found.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The chain begins behind this entry: retention has taken it.
    pub behind: u64,
    /// It ends with this one.
    pub end: u64,
    /// Events that have no place yet, which nothing vouches for; up to a thousand are counted.
    pub unchained: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Cx {
    /// Walks over the whole chain, also while others add to it; `kept`: checkpoints that were kept elsewhere.
    pub async fn inspect_audit(&self, kept: Vec<Checkpoint>) -> Result<Inspected, Fault> {
        let own = self.store.checkpoints(CHECKPOINTS).await?.into_iter().map(|stored| stored.checkpoint);
        let start = self.store.chain_start().await?;
        let checkpoints = own.chain(kept).collect();
        let mut walk = Inspection::new(&start, checkpoints, &self.ring);
        while walk.findings().len() <= MOST {
            let at = walk.at().seq;
            let page = self.store.links(at, PAGE).await?;
            if page.first().is_none_or(|(link, _)| link.seq != at + 1) {
                // Retention may have come by.
                let moved = self.store.chain_start().await?;
                walk.move_to(&moved, &self.ring);
                if walk.at().seq > at {
                    continue;
                }
            }
            for (link, event) in &page {
                walk.step(link, event.as_ref(), &self.ring);
            }
            if (page.len() as i64) < PAGE {
                break;
            }
        }
        let unchained = self.store.unchained(self.chained_from().await?, COUNTED).await?.len();
        Ok(Inspected { behind: start.head.seq, end: walk.at().seq, unchained, findings: walk.end() })
    }
}
