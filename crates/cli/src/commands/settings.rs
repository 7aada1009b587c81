//! `portcullis settings …`: what is changed without a restart.

use portcullis_app::clients::By;
use portcullis_app::runtime::SettingView;
use portcullis_core::runtime::setting;
use serde_json::{Value, json};

use crate::args::SettingsCommand;
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(loaded: &Loaded, command: SettingsCommand) -> Result<(), Failure> {
    let cx = boot::node(loaded, How::COMMAND).await?.cx;
    match command {
        SettingsCommand::List { json } => list(&cx.list_settings().await?, json),
        SettingsCommand::Set { name, value, json } => {
            let value = setting(&name).map_or_else(|| value.as_str().into(), |one| one.from_text(&value));
            told(&cx.change_setting(&name, Some(value), By::Operator).await?, json)
        }
        SettingsCommand::Unset { name, json } => {
            told(&cx.change_setting(&name, None, By::Operator).await?, json)
        }
    }
}

fn list(views: &[SettingView], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&views.iter().map(shown).collect::<Vec<_>>());
    }
    let row = |view: &SettingView| {
        let set = view.set.as_ref().map_or_else(String::new, |set| set.updated_at.to_string());
        [view.setting.name.to_owned(), plain(&view.value), plain(&view.default), set]
    };
    output::table(["NAME", "VALUE", "CONFIGURED", "SET AT"], &views.iter().map(row).collect::<Vec<_>>())
}

fn told(view: &SettingView, as_json: bool) -> Result<(), Failure> {
    let how = if view.set.is_some() { "" } else { ", as configured" };
    let text = format!("{} is {}{how}", view.setting.name, plain(&view.value));
    output::either(as_json, &shown(view), text)
}

/// Text without its quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The names are those of the API.
fn shown(view: &SettingView) -> Value {
    json!({
        "name": view.setting.name,
        "type": view.setting.kind.as_str(),
        "value": view.value,
        "default": view.default,
        "overridden": view.set.is_some(),
        "key": view.setting.key,
        "meaning": view.setting.meaning,
        "updated_at": view.set.as_ref().map(|set| set.updated_at),
        "updated_by": view.set.as_ref().and_then(|set| set.updated_by),
    })
}
