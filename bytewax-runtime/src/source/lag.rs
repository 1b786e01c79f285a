//! How far a source is behind.

/// How much a partition of a source has still to give.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::source::Lag;
///
/// /// The lag of a file of so many bytes, read up to an offset.
/// fn lag_of(length: u64, offset: u64) -> Lag {
///     Lag::Bytes(length.saturating_sub(offset))
/// }
/// assert_eq!(lag_of(42, 40), Lag::Bytes(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lag {
    /// So many items.
    Items(u64),
    /// So many bytes.
    Bytes(u64),
    /// So many messages of a topic; the partition is named `topic/number`.
    Messages(u64),
}
