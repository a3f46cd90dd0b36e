//! Taking databases out of a file and putting them back: dump, load, rebuild.

mod dump;
mod load;
mod rebuild;

pub use dump::DumpFormat;
pub use load::LoadReport;
pub use rebuild::{RebuildOptions, rebuild};

/// The flags of tables by their names in dumps, in the order in which they are written.
const FLAGS: [(crate::flags::DbiFlags, &str); 6] = {
    use crate::flags::DbiFlags as Flags;
    [
        (Flags::REVERSEKEY, "reversekey"),
        (Flags::DUPSORT, "dupsort"),
        (Flags::INTEGERKEY, "integerkey"),
        (Flags::DUPFIXED, "dupfixed"),
        (Flags::INTEGERDUP, "integerdup"),
        (Flags::REVERSEDUP, "reversedup"),
    ]
};
