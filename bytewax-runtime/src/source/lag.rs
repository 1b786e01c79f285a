//! The lag of a source.

/// The remaining input of a partition.
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
    /// A number of items.
    Items(u64),
    /// A number of bytes.
    Bytes(u64),
    /// A number of messages of a topic; the partition is named `topic/number`.
    Messages(u64),
}

impl Lag {
    /// Whether any input remains.
    pub(crate) fn is_behind(self) -> bool {
        let (Self::Items(left) | Self::Bytes(left) | Self::Messages(left)) = self;
        left > 0
    }
}
