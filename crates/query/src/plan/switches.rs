//! One switch per optimisation: all on for users, each off in tests that compare the answers.

/// Which optimisations the planner may use. None of them changes an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "these are independent switches, named one by one")]
pub struct Switches {
    /// Order joins by cost; off: in the order of the text, as far as bindings allow.
    pub reorder: bool,
    /// Turn ranges and constants into cursor ranges; off: scan the attribute and filter.
    pub push_ranges: bool,
    /// Put the bodies of rules that do not recur in place of their calls.
    pub inline_rules: bool,
    /// Evaluate recursive rules only for what the call asks (magic sets).
    pub demand: bool,
    /// Answer the first caller of rules whose recursive calls come last, instead of every caller in between.
    pub contexts: bool,
    /// Walk transitive closures breadth-first instead of joining round by round.
    pub closure: bool,
    /// Bind a variable by intersecting several adjacency lists at once.
    pub intersect: bool,
    /// Copy an attribute into memory where many lookups are expected.
    pub memo: bool,
    /// Test entities against a bitmap instead of looking each one up.
    pub semi_join: bool,
    /// Join by hashing the rows of another pipeline.
    pub hash_join: bool,
    /// Read several attributes of an entity in one pass.
    pub merge_scan: bool,
    /// Leave out the final search for repeated rows where there can be none, and remove repetitions early.
    pub distinct: bool,
    /// Count and aggregate on columns or from the index.
    pub aggregate: bool,
    /// Use several threads.
    pub parallel: bool,
    /// Choose plans at random, by this seed, instead of by cost. For tests: small data would never lead to most plans.
    pub dice: Option<u64>,
}

impl Default for Switches {
    fn default() -> Self {
        Self::all()
    }
}

impl Switches {
    /// Everything on.
    pub fn all() -> Self {
        Self::from_fn(|_| true)
    }

    /// Everything off.
    pub fn none() -> Self {
        Self::from_fn(|_| false)
    }

    /// The names of all switches, in order.
    pub const NAMES: [&'static str; 14] = [
        "reorder",
        "push-ranges",
        "inline-rules",
        "demand",
        "closure",
        "intersect",
        "memo",
        "semi-join",
        "hash-join",
        "merge-scan",
        "distinct",
        "aggregate",
        "parallel",
        "contexts",
    ];

    /// Each switch as `on` says for its place in [`Switches::NAMES`].
    pub fn from_fn(on: impl Fn(usize) -> bool) -> Self {
        Self {
            reorder: on(0),
            push_ranges: on(1),
            inline_rules: on(2),
            demand: on(3),
            closure: on(4),
            intersect: on(5),
            memo: on(6),
            semi_join: on(7),
            hash_join: on(8),
            merge_scan: on(9),
            distinct: on(10),
            aggregate: on(11),
            parallel: on(12),
            contexts: on(13),
            dice: None,
        }
    }

    /// Everything on but one.
    pub fn without(index: usize) -> Self {
        Self::from_fn(|other| other != index)
    }

    /// Everything off but one.
    pub fn only(index: usize) -> Self {
        Self::from_fn(|other| other == index)
    }
}
