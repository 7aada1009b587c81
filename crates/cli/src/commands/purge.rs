//! `portcullis purge`

use serde_json::json;

use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(loaded: &Loaded, json: bool) -> Result<(), Failure> {
    let node = boot::node(loaded, How::COMMAND).await?;
    let deleted = node.cx.purge().await?;
    output::either(json, &json!({ "deleted": deleted }), format_args!("{deleted} rows deleted"))
}
