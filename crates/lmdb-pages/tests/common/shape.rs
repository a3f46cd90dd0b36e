//! Kinds of tables that the tests write: flags, and keys and values made from small numbers.

use lmdb_pages::TableFlags;

/// How bytes are made from a number.
#[derive(Clone, Copy, Debug)]
pub enum Bytes {
    /// A native integer of 8 bytes.
    U64,
    /// A native integer of 4 bytes.
    U32,
    /// Exactly so many bytes.
    Fixed(usize),
    /// From 2 bytes up to so many, some a prefix of others; in scattered order.
    Varied(usize),
}

impl Bytes {
    pub fn make(self, seed: u16) -> Vec<u8> {
        let scattered = seed.wrapping_mul(40503);
        match self {
            Bytes::U64 => (u64::from(scattered) << 7).to_ne_bytes().to_vec(),
            Bytes::U32 => (u32::from(scattered) << 3).to_ne_bytes().to_vec(),
            Bytes::Fixed(size) => {
                let head = scattered.to_be_bytes();
                (0..size).map(|place| *head.get(place).unwrap_or(&(place as u8))).collect()
            }
            Bytes::Varied(most) => {
                let stem = (seed >> 2).wrapping_mul(40503).to_be_bytes();
                let tail = usize::from(seed & 3) * usize::from(stem[0] ^ stem[1]) * (most - 2) / (3 * 255);
                [&stem[..], &vec![b'~'; tail + usize::from(seed & 3)][..]].concat()[..]
                    .iter()
                    .copied()
                    .take(most)
                    .collect()
            }
        }
    }
}

/// A kind of table.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub flags: TableFlags,
    pub key: Bytes,
    pub value: Bytes,
}

const fn flags(bits: u16) -> TableFlags {
    TableFlags::from_bits_truncate(bits)
}

const REVERSE_KEY: u16 = 0x02;
const DUP_SORT: u16 = 0x04;
const INTEGER_KEY: u16 = 0x08;
const DUP_FIXED: u16 = 0x10;
const INTEGER_DUP: u16 = 0x20;
const REVERSE_DUP: u16 = 0x40;

/// Every combination that LMDB sorts or packs differently, and sizes that fill its pages differently.
pub const SHAPES: &[Shape] = &[
    Shape { flags: flags(0), key: Bytes::Varied(30), value: Bytes::Varied(90) },
    Shape { flags: flags(0), key: Bytes::Varied(511), value: Bytes::Varied(8) },
    Shape { flags: flags(0), key: Bytes::Varied(511), value: Bytes::Varied(9000) },
    Shape { flags: flags(0), key: Bytes::Fixed(8), value: Bytes::Fixed(64) },
    Shape { flags: flags(INTEGER_KEY), key: Bytes::U64, value: Bytes::Varied(40) },
    Shape { flags: flags(INTEGER_KEY), key: Bytes::U32, value: Bytes::Varied(3000) },
    Shape { flags: flags(REVERSE_KEY), key: Bytes::Varied(60), value: Bytes::Varied(60) },
    Shape { flags: flags(DUP_SORT), key: Bytes::Varied(20), value: Bytes::Varied(40) },
    Shape { flags: flags(DUP_SORT), key: Bytes::Varied(511), value: Bytes::Varied(511) },
    Shape { flags: flags(DUP_SORT | INTEGER_KEY), key: Bytes::U64, value: Bytes::Varied(25) },
    Shape { flags: flags(DUP_SORT | DUP_FIXED | INTEGER_DUP), key: Bytes::Varied(30), value: Bytes::U64 },
    Shape { flags: flags(DUP_SORT | DUP_FIXED | INTEGER_DUP), key: Bytes::Varied(200), value: Bytes::U32 },
    Shape { flags: flags(DUP_SORT | DUP_FIXED), key: Bytes::Fixed(5), value: Bytes::Fixed(200) },
    Shape { flags: flags(DUP_SORT | DUP_FIXED), key: Bytes::Varied(9), value: Bytes::Fixed(1) },
    Shape { flags: flags(DUP_SORT | INTEGER_DUP), key: Bytes::Varied(30), value: Bytes::U64 },
    Shape { flags: flags(DUP_SORT | REVERSE_DUP), key: Bytes::Varied(30), value: Bytes::Varied(70) },
    Shape {
        flags: flags(DUP_SORT | DUP_FIXED | REVERSE_DUP),
        key: Bytes::Varied(30),
        value: Bytes::Fixed(3),
    },
    Shape {
        flags: flags(DUP_SORT | DUP_FIXED | INTEGER_KEY | INTEGER_DUP),
        key: Bytes::U32,
        value: Bytes::U32,
    },
];

impl Shape {
    pub fn dups(&self) -> bool {
        self.flags.contains(TableFlags::DUP_SORT)
    }
}
