//! What commands print on standard output: lines, tables, JSON.

use std::fmt::Display;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// One line for people.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// One JSON value for programs.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::new)?;
    line(text)
}

/// The JSON if it was asked for, else the line.
pub(crate) fn either(as_json: bool, value: &impl Serialize, text: impl Display) -> Result<(), Failure> {
    if as_json { json(value) } else { line(text) }
}

/// Rows under headings, columns aligned.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
    line(laid_out(headings, rows))
}

fn laid_out<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let all: Vec<[String; N]> = std::iter::once(headings.map(str::to_owned))
        .chain(rows.iter().map(|row| row.each_ref().map(|cell| plain(cell))))
        .collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let lines = all.iter().map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What others sent us must not steer the operator's terminal.
fn plain(cell: &str) -> String {
    let cell: String = cell.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if cell.is_empty() { "-".to_owned() } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_hold_no_control_characters() {
        let rows = [["a\u{1b}[2J".to_owned(), String::new()], ["långt namn".to_owned(), "x".to_owned()]];
        assert_eq!(laid_out(["NAME", "NOTE"], &rows), "NAME        NOTE\na?[2J       -\nlångt namn  x");
    }
}
