//! One form for comparing: lower case, NFC.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// `text` without regard to case or composition. Normalised again after lowering, which can take NFC apart (`İ`).
pub(super) fn fold(text: &str) -> Zeroizing<String> {
    // Lowering and composing lengthen UTF-8 at most threefold each: room enough that no copy is left by growing.
    let mut folded = Zeroizing::new(String::with_capacity(text.len() * 9));
    folded.extend(text.nfc().flat_map(char::to_lowercase).nfc());
    folded
}
