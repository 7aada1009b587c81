//! Passwords that everyone tries first.

use std::cmp::Ordering;

use super::{OWN_PART, shape};

/// Sorted by byte, one a line: see `SOURCES.md`. Searched where it lies, so it costs neither start time nor memory.
const LIST: &str = include_str!("common.txt");

/// Whether `folded` stands in our list or in `extra` (folded, sorted), alone, over and over, or with so little around
/// it that the list is where an attacker would start (`Password1234567!`).
pub(super) fn is_common(folded: &str, extra: &[String]) -> bool {
    let known =
        |text: &str| stands_in(LIST, text) || extra.binary_search_by(|word| (**word).cmp(text)).is_ok();
    if known(folded) {
        return true;
    }
    let tail = folded.trim_start_matches(|char: char| !char.is_alphabetic());
    let stem = tail.trim_end_matches(|char: char| !char.is_alphabetic());
    let around = shape::weight(&folded[..folded.len() - tail.len()]) + shape::weight(&tail[stem.len()..]);
    around < OWN_PART && (known(stem) || shape::unit(stem).is_some_and(known))
}

fn stands_in(list: &str, word: &str) -> bool {
    let (list, word) = (list.as_bytes(), word.as_bytes());
    let (mut from, mut to) = (0, list.len());
    while from < to {
        let middle = usize::midpoint(from, to);
        let start =
            list[from..middle].iter().rposition(|byte| *byte == b'\n').map_or(from, |at| from + at + 1);
        let end = list[start..to].iter().position(|byte| *byte == b'\n').map_or(to, |at| start + at);
        match word.cmp(&list[start..end]) {
            Ordering::Less => to = start,
            Ordering::Equal => return true,
            Ordering::Greater => from = (end + 1).min(to),
        }
    }
    false
}
