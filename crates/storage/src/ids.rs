//! Numbers with a meaning: entity and attribute ids, and the bytes that attribute ids take in index keys.

use std::fmt;

/// The first number of the range that belongs to transactions: transaction `n` is entity `TX_BASE + n`.
///
/// Facts about a transaction (`:db/current-tx`) land on that entity and so can never meet a user's entity.
pub const TX_BASE: u64 = 1 << 62;

/// An entity: a non-negative 63-bit number. New entities count up from 1 and numbers are never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct EntityId(pub u64);

impl EntityId {
    /// The largest entity id.
    pub const MAX: EntityId = EntityId(i64::MAX as u64);

    /// The entity with this number, if the number can be one.
    pub fn from_int(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }

    /// The entity that stands for transaction `n`.
    pub fn of_tx(n: u64) -> Self {
        Self(TX_BASE + n)
    }

    /// The number as EDN sees it.
    pub fn as_int(self) -> i64 {
        self.0 as i64
    }

    /// Whether the entity stands for a transaction.
    pub fn is_tx(self) -> bool {
        self.0 >= TX_BASE
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<EntityId> for edn::Value {
    fn from(entity: EntityId) -> Self {
        match i64::try_from(entity.0) {
            Ok(number) => edn::Value::Int(number),
            // No entity can have it; as a negative number it would be taken for a tempid.
            Err(_) => edn::Value::BigInt(entity.0.into()),
        }
    }
}

/// An attribute: a small number, given in the order in which attributes are declared.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct AttrId(pub u32);

/// Ids below this take one byte in index keys.
const ONE_BYTE: u32 = 240;
/// Ids below this take two bytes.
const TWO_BYTES: u32 = ONE_BYTE + 15 * 256;
/// The most bytes that an attribute id takes.
pub(crate) const ATTR_LEN_MAX: usize = 5;

impl AttrId {
    /// Writes the id's key bytes into `out` and says how many there are.
    ///
    /// | id | bytes |
    /// |---|---|
    /// | below 240 | `id` |
    /// | below 4080 | `F0 + (id - 240) / 256`, `(id - 240) % 256` |
    /// | others | `FF`, four bytes big-endian |
    #[inline]
    pub fn write(self, out: &mut [u8; ATTR_LEN_MAX]) -> usize {
        let id = self.0;
        if id < ONE_BYTE {
            out[0] = id as u8;
            1
        } else if id < TWO_BYTES {
            let rest = id - ONE_BYTE;
            out[0] = 0xF0 + (rest >> 8) as u8;
            out[1] = rest as u8;
            2
        } else {
            out[0] = 0xFF;
            out[1..].copy_from_slice(&id.to_be_bytes());
            5
        }
    }

    /// Reads an id from the start of `bytes`; the second part is how many bytes it took.
    #[inline]
    pub fn read(bytes: &[u8]) -> Option<(AttrId, usize)> {
        match *bytes {
            [first, ..] if u32::from(first) < ONE_BYTE => Some((AttrId(first.into()), 1)),
            [first, second, ..] if first < 0xFF => {
                Some((AttrId(ONE_BYTE + (u32::from(first - 0xF0) << 8) + u32::from(second)), 2))
            }
            [0xFF, a, b, c, d, ..] => Some((AttrId(u32::from_be_bytes([a, b, c, d])), 5)),
            _ => None,
        }
    }
}

impl fmt::Debug for AttrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_bytes_keep_order_and_read_back() {
        let mut ids: Vec<u32> = (0..5000).collect();
        ids.extend([65_535, 65_536, 1 << 24, u32::MAX - 1, u32::MAX]);
        let mut last: Option<Vec<u8>> = None;
        for id in ids {
            let mut bytes = [0; ATTR_LEN_MAX];
            let len = AttrId(id).write(&mut bytes);
            assert_eq!(AttrId::read(&bytes[..len]), Some((AttrId(id), len)));
            let bytes = bytes[..len].to_vec();
            if let Some(last) = last {
                assert!(last < bytes && !bytes.starts_with(&last), "{id}: {last:?} {bytes:?}");
            }
            last = Some(bytes);
        }
    }

    #[test]
    fn attribute_bytes_are_frozen() {
        for (id, expected) in [
            (1, &[1][..]),
            (239, &[239]),
            (240, &[0xF0, 0]),
            (4079, &[0xFE, 0xFF]),
            (4080, &[0xFF, 0, 0, 0x0F, 0xF0]),
        ] {
            let mut bytes = [0; ATTR_LEN_MAX];
            let len = AttrId(id).write(&mut bytes);
            assert_eq!(&bytes[..len], expected, "{id}");
        }
        assert_eq!(AttrId::read(&[]), None);
        assert_eq!(AttrId::read(&[0xF3]), None);
        assert_eq!(AttrId::read(&[0xFF, 1, 2, 3]), None);
    }
}
