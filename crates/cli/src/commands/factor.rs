//! `portcullis factor …`

use portcullis_app::Cx;
use portcullis_app::factors::FactorView;
use serde_json::{Value, json};

use crate::args::{FactorCommand, OneUser};
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(loaded: &Loaded, command: FactorCommand) -> Result<(), Failure> {
    let cx = boot::node(loaded, How::COMMAND).await?.cx;
    match command {
        FactorCommand::List(OneUser { user, json }) => list(&cx, &user, json).await,
        FactorCommand::Reset(OneUser { user, json }) => reset(&cx, &user, json).await,
    }
}

async fn list(cx: &Cx, user: &str, json: bool) -> Result<(), Failure> {
    let user = cx.find_user(user).await?;
    let own = cx.own_factors(user.id).await?;
    if json {
        return output::json(&own.factors.iter().map(shown).collect::<Vec<_>>());
    }
    let row = |factor: &FactorView| {
        let last_used = factor.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        [factor.id.to_string(), factor.kind.to_string(), factor.created_at.to_string(), last_used]
    };
    let rows: Vec<_> = own.factors.iter().map(row).collect();
    output::table(["ID", "KIND", "CREATED", "LAST USED"], &rows)
}

fn shown(factor: &FactorView) -> Value {
    json!({
        "id": factor.id,
        "kind": factor.kind.as_str(),
        "created_at": factor.created_at,
        "last_used_at": factor.last_used_at,
    })
}

async fn reset(cx: &Cx, user: &str, json: bool) -> Result<(), Failure> {
    let user = cx.find_user(user).await?;
    let done = cx.reset_factors(&user, None).await?;
    let text = if done { "has no second factor any more" } else { "had no second factor" };
    output::either(json, &json!({ "reset": done }), format!("{} {text}", user.email.as_str()))
}
