//! How much of a password is not just the next step of a pattern.

/// Orders that fingers or minds run along, each a circle. Keyboards: US, German, French, and the US one's columns.
const ROWS: [&str; 7] = [
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// A set of steps: bit 0 is "the same again", then two bits a row, forwards and backwards.
type Steps = u32;

/// The number of runs in `text`: a run goes on while each character repeats the last one or is its neighbour in the
/// same row and direction. `123456` weighs 1, `aaaaqwerty` 2, unpatterned text about its length.
pub(super) fn weight(text: &str) -> usize {
    let mut runs = 0;
    let mut last = None;
    let mut steps: Steps = 0;
    for char in text.chars() {
        steps &= last.map_or(0, |last| steps_between(last, char));
        if steps == 0 {
            runs += 1;
            steps = Steps::MAX;
        }
        last = Some(char);
    }
    runs
}

/// Whether `text` consists of runs of three and more on average, or of one short unit over and over.
pub(super) fn is_repetitive(text: &str) -> bool {
    let length = text.chars().count();
    length >= 3 * weight(text) || unit(text).is_some_and(|unit| unit.chars().count() < super::OWN_PART)
}

/// The shortest beginning that, repeated (the last time perhaps cut short), makes up `text`: at least twice.
pub(super) fn unit(text: &str) -> Option<&str> {
    let starts = text.char_indices().map(|(at, _)| at).skip(1);
    starts.take_while(|at| at * 2 <= text.len()).find_map(|at| {
        let repeats = text.as_bytes()[at..] == text.as_bytes()[..text.len() - at];
        repeats.then(|| &text[..at])
    })
}

fn steps_between(from: char, to: char) -> Steps {
    let mut steps = Steps::from(from == to);
    for (row, bit) in ROWS.iter().zip((1..).step_by(2)) {
        if let (Some(from), Some(to)) = (row.find(from), row.find(to)) {
            // Rows are ASCII: a byte is a character.
            steps |= Steps::from((from + 1) % row.len() == to) << bit;
            steps |= Steps::from((to + 1) % row.len() == from) << (bit + 1);
        }
    }
    steps
}
