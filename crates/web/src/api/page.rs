//! Which page of a list: `?limit=&cursor=`, answered with `{items, next_cursor}`.

use std::str::FromStr;

use serde::Deserialize;
use utoipa::IntoParams;

use crate::failure::Failure;

/// Which page.
#[derive(Deserialize, IntoParams)]
pub(crate) struct PageQuery {
    /// 1 to 100; 50 if absent.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The cursor, if there is one, and the limit.
pub(crate) fn page<Id: FromStr>(query: &PageQuery, most: i64) -> Result<(Option<Id>, i64), Failure> {
    let limit = match query.limit.as_deref() {
        None => 50,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| Failure::field("limit", "invalid", "Use a whole number from 1 to 100."))?,
    };
    let cursor = query.cursor.as_deref().map(str::parse::<Id>).transpose();
    let cursor =
        cursor.map_err(|_| Failure::field("cursor", "invalid", "Use `next_cursor` of the page before."))?;
    Ok((cursor, limit))
}

/// Where the page after `found` begins, if `found` was full: at the id of its last.
pub(crate) fn next_cursor<T, Id: ToString>(found: &[T], limit: i64, id: impl Fn(&T) -> Id) -> Option<String> {
    let full = i64::try_from(found.len()).is_ok_and(|length| length == limit);
    found.last().filter(|_| full).map(|last| id(last).to_string())
}
