//! What things cost, in rows touched: reading the next row of a scan is 1.
//!
//! The figures are ratios measured on the Debian package graph; only their proportions matter.

/// The next row of an AVE scan.
pub(super) const SCAN_ROW: f64 = 1.0;
/// Moving a cursor to a key that is not the next one.
pub(super) const SEEK: f64 = 25.0;
/// One value read where the cursor stands.
pub(super) const VALUE: f64 = 2.0;
/// One row put into a hash table.
pub(super) const HASH_ROW: f64 = 8.0;
/// One look into a hash table.
pub(super) const PROBE: f64 = 6.0;
/// One fact copied into a memo.
pub(super) const MEMO_ROW: f64 = 3.0;
/// One look into a memo.
pub(super) const MEMO_PROBE: f64 = 2.0;
/// One entity put into a bitmap.
pub(super) const SET_ROW: f64 = 1.5;
/// One look into a bitmap.
pub(super) const SET_PROBE: f64 = 1.0;
/// One row handed from operator to operator.
pub(super) const ROW: f64 = 0.5;
/// One call of a function, with decoding.
pub(super) const CALL: f64 = 20.0;
/// Opening a nested pipeline.
pub(super) const OPEN: f64 = 50.0;

/// Share of rows that a predicate lets pass, for want of better knowledge.
pub(super) const PREDICATE: f64 = 0.33;
/// Share of rows that an equality of two variables lets pass.
pub(super) const EQUALITY: f64 = 0.1;
/// Share of rows that a negation lets pass.
pub(super) const NEGATION: f64 = 0.5;
/// Elements of a collection that a function returns.
pub(super) const ELEMENTS: f64 = 8.0;
