//! Whatever is written, loading ends in a configuration or in one line, never in a panic.
//!
//! The cases come from a fixed seed, so a failure comes back.

use portcullis::config::KEYS;

use crate::support::{Given, printed};

/// xorshift64* (Vigna 2016): no more than a source of variety.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len())]
    }

    /// Pieces of TOML, of known names and of noise, in any order.
    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        let count = self.roll(most);
        (0..count).map(|_| self.pick(pieces)).collect()
    }

    /// A small change to text that was sound.
    fn damage(&mut self, text: &str, pieces: &[&str]) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=self.roll(3) {
            let at = self.roll(chars.len() + 1);
            let piece: Vec<char> = self.pick(pieces).chars().collect();
            let end = (at + self.roll(4)).min(chars.len());
            chars.splice(at..end, piece);
        }
        chars.into_iter().collect()
    }
}

const PIECES: &[&str] = &[
    "\n",
    " ",
    "=",
    " = ",
    ".",
    ",",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "#",
    "-",
    "+",
    "_",
    "0",
    "1",
    "9",
    "18446744073709551616",
    "0x",
    "1e9",
    "inf",
    "true",
    "false",
    "1979-05-27",
    "off",
    "s",
    "ms",
    "/min",
    "\\u00e9",
    "é",
    "\u{0}",
    "\u{feff}",
    "\r",
    "\t",
    "💥",
    "server",
    "tokens",
    "claims",
    "listen",
    "secret_key",
    "_file",
    "url",
    "database",
    "hosts",
    "access_ttl",
    "login",
    "rate_limit",
    "postgres://u:p@h/d",
    "https://a",
    "base64:",
    "hex:",
    "@",
    "://",
    "%",
    "::",
    "10.0.0.0/8",
    "user.",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "\u{2028}",
];

fn check(given: &Given) {
    match given.load() {
        Ok(loaded) => {
            let named = KEYS.iter().filter(|spec| !spec.name.contains("<name>"));
            assert!(loaded.show().len() >= named.count());
        }
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains(|c: char| c.is_control()) && line.contains("; "), "{line:?}");
        }
    }
}

#[test]
fn any_file() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let sound = printed(&Given::nothing().loaded());
    for _ in 0..1_000 {
        check(&Given::toml(&dice.text(PIECES, 40)));
        check(&Given::toml(&dice.damage(&sound, PIECES)));
    }
}

#[test]
fn any_value_of_any_key() {
    let mut dice = Dice(0xD1B5_4A32_D192_ED03);
    for round in 0..20 {
        for spec in KEYS {
            let value = match spec.default {
                Some(default) if round % 2 == 0 => dice.damage(default, PIECES),
                _ => dice.text(PIECES, 6),
            };
            let name = spec.name.replace("<name>", "x");
            check(&Given::nothing().env(&spec.env_name().replace("<NAME>", "X"), value.clone()));
            check(&Given::toml(&format!("{name} = {}", serde_json::json!(value))));
            check(&Given::toml(&format!("{name} = {value}")));
        }
    }
}

#[test]
fn any_name_of_a_variable_or_flag() {
    let mut dice = Dice(0xA076_1D64_78BD_642F);
    for _ in 0..1_000 {
        let name = dice.text(PIECES, 5);
        check(&Given::nothing().env(&format!("PORTCULLIS_{}", name.replace('\0', "")), "x"));
        check(&Given::nothing().flag(&name, "x"));
        let known = KEYS[dice.roll(KEYS.len())].name;
        check(&Given::nothing().flag(&dice.damage(known, PIECES), "1s"));
    }
}
