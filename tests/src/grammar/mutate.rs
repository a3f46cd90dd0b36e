//! Small damage to texts, so that a parser and a grammar can disagree about them.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Changes a text in one to three places: characters go, come, change places; pieces double or move.
pub fn mutate(text: &str, alphabet: &[&str], rng: &mut StdRng) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..rng.random_range(1..=3) {
        let place = |rng: &mut StdRng, len: usize| if len == 0 { 0 } else { rng.random_range(0..len) };
        let at = place(rng, chars.len());
        match rng.random_range(0..7) {
            0 if !chars.is_empty() => {
                chars.remove(at);
            }
            1 if !chars.is_empty() => {
                let other = place(rng, chars.len());
                chars.swap(at, other);
            }
            2 if !chars.is_empty() => {
                let piece = alphabet.choose(rng).copied().unwrap_or(" ");
                chars.splice(at..=at, piece.chars());
            }
            3 if !chars.is_empty() => {
                let end = (at + rng.random_range(1..8)).min(chars.len());
                let piece: Vec<char> = chars[at..end].to_vec();
                let to = place(rng, chars.len());
                chars.splice(to..to, piece);
            }
            4 if chars.len() > 1 => chars.truncate(at.max(1)),
            5 if !chars.is_empty() => {
                let end = (at + rng.random_range(1..8)).min(chars.len());
                chars.drain(at..end);
            }
            _ => {
                let piece = alphabet.choose(rng).copied().unwrap_or(" ");
                chars.splice(at..at, piece.chars());
            }
        }
    }
    chars.into_iter().collect()
}
