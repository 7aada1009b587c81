//! `portcullis audit …`: what has happened, and whether somebody has changed the record of it. It works beside a
//! server that runs.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use portcullis_app::Cx;
use portcullis_app::audit::{EventFilter, EventView};
use portcullis_app::audit_verify::Inspected;
use portcullis_core::audit_chain::Checkpoint;
use portcullis_core::ids::UserId;
use serde_json::json;
use uuid::Uuid;

use crate::args::{AuditCommand, EventArgs};
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::{files, output};

/// Events read at once.
const PAGE: i64 = 500;

pub(super) async fn run(loaded: &Loaded, command: AuditCommand) -> Result<(), Failure> {
    // Read before anything is opened: a wrong name should cost nothing.
    let kept = match &command {
        AuditCommand::Verify { checkpoint, .. } => checkpoints(checkpoint)?,
        AuditCommand::List { .. } | AuditCommand::Export { .. } => Vec::new(),
    };
    let cx = boot::node(loaded, How::COMMAND).await?.cx;
    match command {
        AuditCommand::List { which, limit, json } => list(&cx, which, limit, json).await,
        AuditCommand::Export { which, limit, output } => export(&cx, which, limit, output.as_deref()).await,
        AuditCommand::Verify { json, .. } => verify(&cx, kept, json).await,
    }
}

async fn list(cx: &Cx, which: EventArgs, limit: u32, as_json: bool) -> Result<(), Failure> {
    let filter = filter(cx, which).await?;
    let mut all = Vec::new();
    let mut pages = Pages::new(filter, Some(limit));
    while let Some(page) = pages.next(cx).await? {
        all.extend(page);
    }
    if as_json {
        return output::json(&all);
    }
    let rows: Vec<_> = all.iter().map(row).collect();
    output::table(["AT", "KIND", "USER", "ACTOR", "ADDRESS", "DETAIL", "CHAINED"], &rows)
}

fn row(event: &EventView) -> [String; 7] {
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    [
        event.at.to_string(),
        event.kind.clone(),
        id(event.user),
        id(event.actor),
        event.address.clone().unwrap_or_default(),
        event.detail.to_string(),
        event.seq.map_or("not yet".to_owned(), |seq| seq.to_string()),
    ]
}

async fn export(cx: &Cx, which: EventArgs, limit: Option<u32>, to: Option<&Path>) -> Result<(), Failure> {
    let mut pages = Pages::new(filter(cx, which).await?, limit);
    let Some(path) = to else {
        let mut out = BufWriter::new(io::stdout().lock());
        while let Some(page) = pages.next(cx).await? {
            lines(&mut out, &page).map_err(|error| Failure::output(&error))?;
        }
        return out.flush().map_err(|error| Failure::output(&error));
    };
    let cannot = |error: io::Error| {
        let what = format!("{} cannot be written: {error}", path.display());
        Failure::mend(what, "name a file that does not exist, in a directory where you may write")
    };
    let mut out = BufWriter::new(files::create_private(path).map_err(cannot)?);
    let mut count = 0;
    while let Some(page) = pages.next(cx).await? {
        count += page.len();
        lines(&mut out, &page).map_err(cannot)?;
    }
    out.into_inner().map_err(|error| cannot(error.into_error()))?.sync_all().map_err(cannot)?;
    output::line(format_args!("{count} events are in {}", path.display()))
}

fn lines(out: &mut impl io::Write, page: &[EventView]) -> io::Result<()> {
    page.iter().try_for_each(|event| {
        serde_json::to_writer(&mut *out, event)?;
        out.write_all(b"\n")
    })
}

/// The wanted events, a page at a time.
struct Pages {
    filter: EventFilter,
    /// So many are still wanted; `None`: all.
    wanted: Option<i64>,
    before: Option<Uuid>,
    over: bool,
}

impl Pages {
    fn new(filter: EventFilter, limit: Option<u32>) -> Self {
        Self { filter, wanted: limit.map(i64::from), before: None, over: false }
    }

    async fn next(&mut self, cx: &Cx) -> Result<Option<Vec<EventView>>, Failure> {
        let limit = self.wanted.map_or(PAGE, |wanted| wanted.min(PAGE));
        if self.over || limit == 0 {
            return Ok(None);
        }
        let (page, next) = cx.audit_page(&self.filter, self.before, limit).await?;
        self.wanted = self.wanted.map(|wanted| wanted - page.len() as i64);
        (self.before, self.over) = (next, next.is_none());
        Ok(Some(page))
    }
}

async fn filter(cx: &Cx, which: EventArgs) -> Result<EventFilter, Failure> {
    let EventArgs { kind, user, actor, since, until } = which;
    Ok(EventFilter { kind, user: user_id(cx, user).await?, actor: user_id(cx, actor).await?, since, until })
}

/// Users who are gone can be named by their id still.
async fn user_id(cx: &Cx, named: Option<String>) -> Result<Option<UserId>, Failure> {
    let Some(named) = named else { return Ok(None) };
    match named.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) => Ok(Some(cx.find_user(&named).await?.id)),
    }
}

fn checkpoints(files: &[PathBuf]) -> Result<Vec<Checkpoint>, Failure> {
    let mut all = Vec::new();
    for file in files {
        let mut bytes = Vec::new();
        let read = if file == Path::new("-") {
            io::stdin().lock().read_to_end(&mut bytes)
        } else {
            File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
        };
        let name = file.display();
        read.map_err(|error| {
            Failure::mend(
                format_args!("{name} cannot be read: {error}"),
                "name a file with a checkpoint in it",
            )
        })?;
        let found = Checkpoint::find_all(&String::from_utf8_lossy(&bytes));
        if found.is_empty() {
            let what = format!("{name} holds no checkpoint");
            return Err(Failure::mend(what, "give it what was logged, or sent to a webhook: pcc1.…"));
        }
        all.extend(found);
    }
    Ok(all)
}

async fn verify(cx: &Cx, kept: Vec<Checkpoint>, as_json: bool) -> Result<(), Failure> {
    let compared = kept.len();
    let Inspected { behind, end, unchained, findings } = cx.inspect_audit(kept).await?;
    if as_json {
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        output::json(&json!({
            "ok": told.is_empty(), "from": behind + 1, "to": end, "unchained": unchained,
            "checkpoints": compared, "findings": told,
        }))?;
    } else {
        findings.iter().try_for_each(output::line)?;
        if findings.is_empty() {
            let entries =
                if end > behind { format!("entries {} to {end}", behind + 1) } else { "no entries".into() };
            output::line(format_args!(
                "{entries}: whole; {unchained} events are not chained yet, and nothing vouches for them"
            ))?;
            if compared == 0 {
                output::line(
                    "a cut end shows against a checkpoint that was kept elsewhere: --checkpoint FILE",
                )?;
            }
        }
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err(Failure::new("the audit log is not what was written: 1 finding")),
        more => Err(Failure::new(format_args!("the audit log is not what was written: {more} findings"))),
    }
}
