//! Words that stand beside the account, which a guesser of this one account tries first.

use zeroize::Zeroizing;

use super::{OWN_PART, fold::fold, shape};

/// Shorter words turn up in any text by chance.
const SHORTEST_WORD: usize = 4;

/// The service's own name counts for everyone.
const SERVICE: &str = "portcullis";

/// Whether little of `folded` remains when the words of `context` (an e-mail address, a name …) are taken out.
pub(super) fn is_mostly_context(folded: &str, context: &[&str]) -> bool {
    let mut rest = Zeroizing::new(folded.to_owned());
    for word in words(context) {
        if rest.contains(&word) {
            rest = Zeroizing::new(rest.replace(&word, ""));
        }
    }
    rest.len() < folded.len() && shape::weight(&rest) < OWN_PART
}

/// Each text whole, without its spaces, the halves around an `@`, and every part between punctuation; longest first,
/// so that a part does not break up the whole before it is found.
fn words(context: &[&str]) -> Vec<String> {
    let mut words = vec![SERVICE.to_owned()];
    for text in context {
        let text = fold(text.trim());
        words.push(text.to_string());
        words.push(text.split_whitespace().collect());
        words.extend(text.split('@').map(str::to_owned));
        words.extend(text.split(|char: char| !char.is_alphanumeric()).map(str::to_owned));
    }
    words.retain(|word| word.chars().count() >= SHORTEST_WORD);
    words.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    words.dedup();
    words
}
