//! [`nearest`]: the "did you mean" of every crate above.

/// The candidate closest to `word` by edit distance (insert, delete, replace, swap of neighbours), if any is
/// close enough to be a slip of the pen: about one edit in three characters. The first of equals wins.
///
/// ```
/// let known = [":person/name", ":person/age"];
/// assert_eq!(factum_edn::nearest(":person/nmae", known), Some(":person/name"));
/// assert_eq!(factum_edn::nearest(":tree/height", known), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(MAX_LEN).collect();
    let mut limit = if word.len() < 2 { 0 } else { (word.len() / 3).max(1) };
    let mut best = None;
    let mut rows = Rows::default();
    for candidate in candidates {
        let Some(distance) = rows.distance(&word, candidate, limit) else { continue };
        if distance == 0 {
            return Some(candidate);
        }
        best = Some(candidate);
        limit = distance - 1;
    }
    best
}

/// Words beyond this many characters are compared by their beginning.
const MAX_LEN: usize = 128;

/// Three rows of the distance table, kept between candidates.
#[derive(Default)]
struct Rows {
    candidate: Vec<char>,
    before: Vec<usize>,
    previous: Vec<usize>,
    current: Vec<usize>,
}

impl Rows {
    /// The distance, if it is at most `limit`.
    fn distance(&mut self, word: &[char], candidate: &str, limit: usize) -> Option<usize> {
        self.candidate.clear();
        self.candidate.extend(candidate.chars().take(MAX_LEN));
        let (a, b) = (word, &self.candidate);
        if a.len().abs_diff(b.len()) > limit {
            return None;
        }
        self.previous.clear();
        self.previous.extend(0..=b.len());
        self.before.clear();
        self.before.resize(b.len() + 1, 0);
        for i in 1..=a.len() {
            self.current.clear();
            self.current.push(i);
            for j in 1..=b.len() {
                let replaced = self.previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut cost = replaced.min(self.previous[j] + 1).min(self.current[j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    cost = cost.min(self.before[j - 2] + 1);
                }
                self.current.push(cost);
            }
            std::mem::swap(&mut self.before, &mut self.previous);
            std::mem::swap(&mut self.previous, &mut self.current);
        }
        let distance = self.previous[b.len()];
        (distance <= limit).then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let words = ["count", "count-distinct", "sum", "ground", "get-else"];
        assert_eq!(nearest("cuont", words), Some("count"));
        assert_eq!(nearest("grond", words), Some("ground"));
        assert_eq!(nearest("get-esle", words), Some("get-else"));
        assert_eq!(nearest("sun", words), Some("sum"));
        assert_eq!(nearest("sum", words), Some("sum"));
        assert_eq!(nearest("median", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn the_closest_wins_and_then_the_first() {
        assert_eq!(nearest("abcdef", ["abcxyf", "abcdeX", "abcdXf"]), Some("abcdeX"));
    }
}
