//! `portcullis webhook …`: messages that have not arrived.

use portcullis_app::Cx;
use portcullis_store::webhooks::Delivery;
use serde_json::{Value, json};

use crate::args::WebhookCommand;
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

/// Messages read at once.
const PAGE: i64 = 500;

pub(super) async fn run(loaded: &Loaded, command: WebhookCommand) -> Result<(), Failure> {
    let cx = boot::node(loaded, How::COMMAND).await?.cx;
    match command {
        WebhookCommand::List { dead, json } => list(&cx, dead, json).await,
        WebhookCommand::Retry { endpoint, id, json } => {
            let endpoint = endpoint.map(|name| known(&cx, name)).transpose()?;
            let retried = cx.retry_deliveries(endpoint, id.map(portcullis_core::ids::EventId::uuid)).await?;
            output::either(
                json,
                &json!({ "retried": retried }),
                format_args!("{retried} messages are sent again"),
            )
        }
        WebhookCommand::Drop { endpoint, json } => {
            let dropped = cx.drop_deliveries(endpoint).await?;
            output::either(
                json,
                &json!({ "dropped": dropped }),
                format_args!("{dropped} messages are forgotten"),
            )
        }
    }
}

fn known(cx: &Cx, name: String) -> Result<String, Failure> {
    match cx.webhook(&name) {
        Some(_) => Ok(name),
        None => Err(Failure::mend(
            format_args!("there is no endpoint {name}"),
            "portcullis config show lists webhooks.endpoints",
        )),
    }
}

async fn list(cx: &Cx, dead: bool, as_json: bool) -> Result<(), Failure> {
    let mut all: Vec<Delivery> = Vec::new();
    loop {
        let page = cx.list_deliveries(dead, all.last(), PAGE).await?;
        let last = (page.len() as i64) < PAGE;
        all.extend(page);
        if last {
            break;
        }
    }
    if as_json {
        return output::json(&all.iter().map(shown).collect::<Vec<_>>());
    }
    let row = |one: &Delivery| {
        let next = one.due_at.map_or("never".to_owned(), |at| at.to_string());
        let (made, tries) = (one.created_at.to_string(), one.tries.to_string());
        let error = one.last_error.clone().unwrap_or_default();
        [one.id.to_string(), one.endpoint.clone(), one.kind.clone(), made, tries, next, error]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    output::table(["ID", "ENDPOINT", "KIND", "MADE", "TRIES", "NEXT", "ERROR"], &rows)
}

fn shown(one: &Delivery) -> Value {
    json!({
        "id": one.id,
        "endpoint": one.endpoint,
        "kind": one.kind,
        "created_at": one.created_at,
        "tries": one.tries,
        "next_try_at": one.due_at,
        "error": one.last_error,
    })
}
