//! `portcullis client …`: service clients.

use portcullis_app::Cx;
use portcullis_app::clients::{By, ClientRequest};
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::client::ServiceClient;
use portcullis_core::ids::ClientId;
use serde_json::{Value, json};

use crate::args::ClientCommand;
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(loaded: &Loaded, command: ClientCommand) -> Result<(), Failure> {
    let cx = boot::node(loaded, How::COMMAND).await?.cx;
    match command {
        ClientCommand::Create { name, grant_types, scopes, audiences, json } => {
            let audience = (!audiences.is_empty()).then_some(audiences);
            create(&cx, ClientRequest { name, grant_types, scopes, audience }, json).await
        }
        ClientCommand::List { json } => list(&cx, json).await,
        ClientCommand::Revoke { id, json } => revoke(&cx, id, json).await,
    }
}

async fn create(cx: &Cx, request: ClientRequest, as_json: bool) -> Result<(), Failure> {
    let made = cx.create_client(request, By::Operator).await?;
    let (id, secret) = (made.client.id, made.secret.expose());
    if !as_json {
        let text = format!("client_id      {id}\nclient_secret  {secret}\nThe secret is not shown again.");
        return output::line(text);
    }
    let mut shown = shown(&made.client);
    shown["client_secret"] = secret.into();
    output::json(&shown)
}

async fn list(cx: &Cx, as_json: bool) -> Result<(), Failure> {
    let mut clients: Vec<ServiceClient> = Vec::new();
    loop {
        let before = clients.last().map(|client| client.id);
        let page = cx.list_clients(before, MAX_PAGE).await?;
        let last = page.len() < MAX_PAGE as usize;
        clients.extend(page);
        if last {
            break;
        }
    }
    if as_json {
        return output::json(&clients.iter().map(shown).collect::<Vec<_>>());
    }
    let row = |client: &ServiceClient| {
        let audiences = client.audiences.as_ref().map_or_else(|| "all".to_owned(), |all| all.join(" "));
        let (grants, scopes) = (client.grant_types.to_string(), client.scopes.to_string());
        [client.id.to_string(), client.name.clone(), grants, scopes, audiences, client.created_at.to_string()]
    };
    let rows: Vec<_> = clients.iter().map(row).collect();
    output::table(["CLIENT ID", "NAME", "GRANT TYPES", "SCOPES", "AUDIENCE", "CREATED"], &rows)
}

/// As the API shows it.
fn shown(client: &ServiceClient) -> Value {
    json!({
        "client_id": client.id,
        "name": client.name,
        "grant_types": client.grant_types.iter().collect::<Vec<_>>(),
        "scopes": client.scopes.iter().collect::<Vec<_>>(),
        "audience": client.audiences,
        "created_at": client.created_at,
    })
}

async fn revoke(cx: &Cx, id: ClientId, as_json: bool) -> Result<(), Failure> {
    if !cx.revoke_client(id, By::Operator).await? {
        return Err(Failure::mend(
            format_args!("there is no client {id}"),
            "portcullis client list shows all",
        ));
    }
    let text = format!("client {id} is revoked, and its tokens with it");
    output::either(as_json, &json!({ "revoked": 1 }), text)
}
