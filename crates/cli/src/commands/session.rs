//! `portcullis session …`

use portcullis_app::Cx;
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::ids::SessionId;
use portcullis_store::sessions::{Page, SessionView};
use serde_json::{Value, json};

use crate::args::SessionCommand;
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(loaded: &Loaded, command: SessionCommand) -> Result<(), Failure> {
    let cx = boot::node(loaded, How::COMMAND).await?.cx;
    match command {
        SessionCommand::List { user, json } => list(&cx, &user, json).await,
        SessionCommand::Revoke { id: Some(id), json, .. } => revoke_one(&cx, id, json).await,
        SessionCommand::Revoke { user: Some(user), json, .. } => revoke_all(&cx, &user, json).await,
        SessionCommand::Revoke { id: None, user: None, .. } => {
            Err(Failure::usage("name a session, or a user with --user and --all"))
        }
    }
}

async fn list(cx: &Cx, user: &str, json: bool) -> Result<(), Failure> {
    let user = cx.find_user(user).await?;
    let mut sessions: Vec<SessionView> = Vec::new();
    loop {
        let before = sessions.last().map(|session| session.id);
        let page = cx.list_sessions(user.id, Page { before, limit: MAX_PAGE }).await?;
        let last = page.len() < MAX_PAGE as usize;
        sessions.extend(page);
        if last {
            break;
        }
    }
    if json {
        return output::json(&sessions.iter().map(shown).collect::<Vec<_>>());
    }
    let row = |session: &SessionView| {
        let last_used = session.last_used_at.to_string();
        let (address, device) = (session.address.clone(), session.device.clone());
        [session.id.to_string(), address, last_used, session.created_at.to_string(), device]
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    output::table(["ID", "ADDRESS", "LAST USED", "CREATED", "DEVICE"], &rows)
}

fn shown(session: &SessionView) -> Value {
    json!({
        "id": session.id,
        "device": session.device,
        "address": session.address,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
    })
}

async fn revoke_one(cx: &Cx, id: SessionId, json: bool) -> Result<(), Failure> {
    if !cx.operator_revoke_session(id).await? {
        return Err(Failure::mend(
            format_args!("there is no live session {id}"),
            "portcullis session list --user U shows those of a user",
        ));
    }
    output::either(json, &json!({ "revoked": 1 }), format_args!("session {id} has ended"))
}

async fn revoke_all(cx: &Cx, user: &str, json: bool) -> Result<(), Failure> {
    let user = cx.find_user(user).await?;
    let revoked = cx.operator_revoke_sessions(user.id).await?;
    let text = format!("{revoked} sessions of {} have ended", user.email.as_str());
    output::either(json, &json!({ "revoked": revoked }), text)
}
