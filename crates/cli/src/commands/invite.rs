//! `portcullis invite …`: invites to the server, or to an account of it.

use std::time::Duration;

use portcullis_app::Cx;
use portcullis_app::clients::By;
use portcullis_app::invites::InviteRequest;
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::ids::InviteId;
use portcullis_core::invite::Invite;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use serde_json::{Value, json};

use crate::args::{CreateInvite, InviteCommand};
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

const DAY: Duration = Duration::from_hours(24);

pub(super) async fn run(loaded: &Loaded, command: InviteCommand) -> Result<(), Failure> {
    let cx = boot::node(loaded, How::COMMAND).await?.cx;
    match command {
        InviteCommand::Create(create) => make(&cx, create).await,
        InviteCommand::List { json } => list(&cx, json).await,
        InviteCommand::Revoke { id, json } => revoke(&cx, id, json).await,
    }
}

/// A lifetime in whole days: a part of one is one.
fn days(span: Duration) -> i64 {
    i64::try_from(span.as_secs().div_ceil(DAY.as_secs())).unwrap_or(i64::MAX)
}

async fn make(cx: &Cx, create: CreateInvite) -> Result<(), Failure> {
    let request = InviteRequest {
        email: create.email,
        account: create.account,
        account_role: create.role,
        plan: create.plan,
        trial_days: create.trial_days.map(i64::from),
        uses: create.uses.map(i64::from),
        expires_in_days: create.expires_in.map(days),
    };
    let made = cx.create_invite(request, By::Operator).await?;
    let (id, code) = (made.invite.id, made.code.expose());
    if !create.json {
        return output::line(format!("id    {id}\ncode  {code}\nThe code is not shown again."));
    }
    let mut shown = shown(&made.invite, cx.clock.now());
    shown["code"] = code.into();
    output::json(&shown)
}

async fn list(cx: &Cx, as_json: bool) -> Result<(), Failure> {
    let mut invites: Vec<Invite> = Vec::new();
    loop {
        let page = cx.list_invites(invites.last().map(|invite| invite.id), MAX_PAGE).await?;
        let last = page.len() < MAX_PAGE as usize;
        invites.extend(page);
        if last {
            break;
        }
    }
    let now = cx.clock.now();
    if as_json {
        return output::json(&invites.iter().map(|invite| shown(invite, now)).collect::<Vec<_>>());
    }
    let row = |invite: &Invite| {
        let email = invite.email.as_ref().map_or("anybody", Email::as_str).to_owned();
        let to = match &invite.account {
            None => "the server".to_owned(),
            Some((account, role)) => format!("{account} as {role}"),
        };
        let used = format!("{} of {}", invite.used, invite.uses);
        let until = invite.expires_at.map_or_else(|| "for good".to_owned(), |at| at.to_string());
        [invite.id.to_string(), invite.state(now).as_str().to_owned(), email, to, used, until]
    };
    let rows: Vec<_> = invites.iter().map(row).collect();
    output::table(["ID", "STATUS", "FOR", "TO", "USED", "EXPIRES"], &rows)
}

/// As the API shows it.
fn shown(invite: &Invite, now: Timestamp) -> Value {
    json!({
        "id": invite.id,
        "status": invite.state(now).as_str(),
        "code_hint": invite.shown,
        "email": invite.email.as_ref().map(Email::as_str),
        "account_id": invite.account.as_ref().map(|(account, _)| account),
        "role": invite.account.as_ref().map(|(_, role)| role),
        "plan": invite.plan.as_ref().map(ToString::to_string),
        "trial_days": invite.trial_days,
        "uses": invite.uses,
        "used": invite.used,
        "created_by": invite.created_by,
        "created_at": invite.created_at,
        "expires_at": invite.expires_at,
    })
}

async fn revoke(cx: &Cx, id: InviteId, as_json: bool) -> Result<(), Failure> {
    cx.revoke_invite(id, By::Operator).await?;
    output::either(as_json, &json!({ "revoked": 1 }), format!("invite {id} lets nobody in any more"))
}
