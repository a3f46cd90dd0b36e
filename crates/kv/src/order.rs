//! Keys as numbers, to compare most of them without looking at their bytes.

use lmdb_pages::OrderKind;

/// Eight bytes of a key that order as the keys do, as far as they go: of two keys with different numbers, the one with
/// the smaller number is less.
#[inline]
pub(crate) fn prefix(key: &[u8], order: OrderKind) -> u64 {
    match order {
        OrderKind::Lexicographic => match key.first_chunk() {
            Some(first) => u64::from_be_bytes(*first),
            None => padded(key.iter()),
        },
        OrderKind::ReverseBytes => padded(key.iter().rev()),
        OrderKind::NativeInteger => match (key.first_chunk(), key.first_chunk()) {
            (Some(eight), _) => u64::from_ne_bytes(*eight),
            (_, Some(four)) => u64::from(u32::from_ne_bytes(*four)),
            _ => 0,
        },
    }
}

/// The first bytes, with zeros behind those that are missing.
fn padded<'b>(bytes: impl Iterator<Item = &'b u8>) -> u64 {
    let mut word = [0; 8];
    for (place, byte) in word.iter_mut().zip(bytes) {
        *place = *byte;
    }
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prefixes_order_as_keys_do(a in prop::collection::vec(0u8..3, 1..12), b in prop::collection::vec(0u8..3, 1..12)) {
            for order in [OrderKind::Lexicographic, OrderKind::ReverseBytes] {
                let (x, y) = (prefix(&a, order), prefix(&b, order));
                prop_assert!(x == y || x.cmp(&y) == order.compare(&a, &b));
            }
        }

        #[test]
        fn prefixes_of_integers_are_the_integers(a: u64, b: u64, c: u32, d: u32) {
            let of = |key: &[u8]| prefix(key, OrderKind::NativeInteger);
            prop_assert_eq!(of(&a.to_ne_bytes()).cmp(&of(&b.to_ne_bytes())), a.cmp(&b));
            prop_assert_eq!(of(&c.to_ne_bytes()).cmp(&of(&d.to_ne_bytes())), c.cmp(&d));
        }
    }
}
