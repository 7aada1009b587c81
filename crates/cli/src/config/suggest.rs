//! "Did you mean": the nearest known word by edit distance.

use super::keys::{NAME, PROVIDERS};
use super::table::KEYS;

/// What to do where nothing is near.
pub(super) const SEE_ALL: &str = "portcullis config show lists every key";

/// The known key that a mistyped dotted name most likely meant.
pub(super) fn key(dotted: &str) -> Option<String> {
    let provider = dotted.strip_prefix(PROVIDERS).and_then(|rest| rest.split('.').next());
    // The operator's name is no slip.
    let of_provider = |name: String| match provider {
        Some(provider) if name.starts_with(PROVIDERS) => name.replace(NAME, provider),
        _ => name,
    };
    let rows = || KEYS.iter().flat_map(|spec| [Some(spec.name.to_owned()), spec.file_name()]).flatten();
    let names = || rows().map(of_provider);
    let leaf = dotted.rsplit('.').next().unwrap_or(dotted);
    nearest(dotted, names())
        // The right name in the wrong section, or in none.
        .or_else(|| names().find(|name| name.rsplit('.').next() == Some(leaf)))
}

/// The known section that a mistyped one most likely meant.
pub(super) fn section(name: &str) -> Option<String> {
    nearest(name, KEYS.iter().map(|spec| spec.section().to_owned()))
}

/// The candidate with the smallest distance, if that is small for the word's length.
pub(super) fn nearest(word: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    // Distance is quadratic, and a name of this length is no slip of the finger.
    if word.len() > 100 {
        return None;
    }
    let most = word.chars().count().div_ceil(3).clamp(1, 3);
    let word = word.to_lowercase();
    candidates
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("ß", "s", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn slips_find_their_key() {
        for (slip, meant) in [
            ("server.lisen", "server.listen"),
            ("sever.listen", "server.listen"),
            ("server.secretkey", "server.secret_key"),
            ("server.secret_key_fil", "server.secret_key_file"),
            ("SERVER.LISTEN", "server.listen"),
            ("public_url", "server.public_url"),
            ("auth.max_staleness", "revocations.max_staleness"),
        ] {
            assert_eq!(key(slip).as_deref(), Some(meant));
        }
    }

    #[test]
    fn what_is_far_from_everything_finds_nothing() {
        assert_eq!(key("widgets.colour"), None);
        assert_eq!(section("widgets"), None);
        assert_eq!(key(&"x".repeat(10_000)), None);
    }
}
