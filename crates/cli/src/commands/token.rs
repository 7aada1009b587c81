//! `portcullis token …`: API tokens of users.

use portcullis_app::Cx;
use portcullis_app::api_tokens::{ApiTokenView, Page, TokenRequest};
use portcullis_app::sessions::MAX_PAGE;
use portcullis_core::ids::ApiTokenId;
use serde_json::{Value, json};

use crate::args::TokenCommand;
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(loaded: &Loaded, command: TokenCommand) -> Result<(), Failure> {
    let cx = boot::node(loaded, How::COMMAND).await?.cx;
    match command {
        TokenCommand::Create { user, name, expires_in_days, scopes, json } => {
            let scopes = (!scopes.is_empty()).then_some(scopes);
            let request = TokenRequest { name, description: None, expires_in_days, scopes };
            create(&cx, &user, request, json).await
        }
        TokenCommand::List { user, json } => list(&cx, &user, json).await,
        TokenCommand::Revoke { id, json } => revoke(&cx, id, json).await,
    }
}

async fn create(cx: &Cx, user: &str, request: TokenRequest, as_json: bool) -> Result<(), Failure> {
    let user = cx.find_user(user).await?;
    let made = cx.operator_create_token(&user, request).await?;
    let token = made.secret.expose();
    if !as_json {
        let (id, until) = (made.view.id, made.view.expires_at);
        return output::line(format_args!("{token}\n{id}, until {until}. The token is not shown again."));
    }
    let mut shown = shown(&made.view);
    shown["token"] = token.into();
    output::json(&shown)
}

async fn list(cx: &Cx, user: &str, as_json: bool) -> Result<(), Failure> {
    let user = cx.find_user(user).await?;
    let mut tokens: Vec<ApiTokenView> = Vec::new();
    loop {
        let before = tokens.last().map(|token| token.id);
        let page = cx.list_tokens(user.id, Page { before, limit: MAX_PAGE }).await?;
        let last = page.len() < MAX_PAGE as usize;
        tokens.extend(page);
        if last {
            break;
        }
    }
    if as_json {
        return output::json(&tokens.iter().map(shown).collect::<Vec<_>>());
    }
    let row = |token: &ApiTokenView| {
        let scopes = token.scopes.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
        let last_use = token.last_used_at.map_or_else(String::new, |at| at.to_string());
        let until = token.expires_at.to_string();
        [token.id.to_string(), token.key_prefix.clone(), token.name.clone(), scopes, last_use, until]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    output::table(["ID", "PREFIX", "NAME", "SCOPES", "LAST USED", "EXPIRES"], &rows)
}

/// As the API shows it.
fn shown(token: &ApiTokenView) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "description": token.description,
        "key_prefix": token.key_prefix,
        "scopes": token.scopes.as_ref().map(|scopes| scopes.iter().collect::<Vec<_>>()),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
    })
}

async fn revoke(cx: &Cx, id: ApiTokenId, as_json: bool) -> Result<(), Failure> {
    if !cx.operator_revoke_token(id).await? {
        return Err(Failure::mend(
            format_args!("there is no live token {id}"),
            "portcullis token list --user U shows those of a user",
        ));
    }
    let text = format!("token {id} is revoked, and what was exchanged for it");
    output::either(as_json, &json!({ "revoked": 1 }), text)
}
