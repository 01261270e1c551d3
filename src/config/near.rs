//! Which known key a misspelt one may stand for.

/// The candidate that the fewest slips turn `word` into; `None` when even that is too many to be a
/// slip. Upper and lower case differ by nothing, for keys are told apart by their letters.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let allowed = (word.chars().count() / 4).clamp(1, 3);
    candidates
        .filter(|candidate| *candidate != word)
        .map(|candidate| (slips(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(slips, _)| *slips <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters added, left out, changed, or exchanged with their neighbour (optimal string alignment).
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Three rows of the table: the present one and the two before it.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (a, b, count) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "ab", 1),
            ("abc", "abcd", 1),
            ("abc", "xbc", 1),
            ("snapcont", "snapcount", 1),
            ("tiktime", "ticktime", 1),
            ("abc", "", 3),
        ] {
            assert_eq!((slips(a, b), slips(b, a)), (count, count), "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_is_found_and_strangers_are_left_alone() {
        let known = ["tickTime", "snapCount", "syncLimit", "initLimit", "jute.maxbuffer"];
        let near = |word| nearest(word, known.into_iter());
        assert_eq!(near("ticktime"), Some("tickTime"));
        assert_eq!(near("tiktTime"), Some("tickTime"));
        assert_eq!(near("snapcuont"), Some("snapCount"));
        assert_eq!(near("jute.maxbufer"), Some("jute.maxbuffer"));
        assert_eq!(near("syncLimt"), Some("syncLimit"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(""), None);
    }
}
