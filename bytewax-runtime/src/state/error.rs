//! Why a value could not be saved or read.

use super::Schema;
use crate::codec::CodecError;

/// Why a value could not be saved or read.
///
/// The message contains the fix, but not the step and key of the value, which the caller knows.
///
/// ```
/// use bytewax_runtime::state;
///
/// let mut bytes = Vec::new();
/// state::seal(&7_u64, &mut bytes)?;
///
/// let error = state::open::<i64>(&bytes).unwrap_err();
/// assert!(error.is_other_shape());
///
/// bytes[12] ^= 1;
/// let error = state::open::<u64>(&bytes).unwrap_err();
/// assert!(error.is_damaged());
/// # Ok::<(), bytewax_runtime::state::StateError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StateError(Box<Kind>);

impl From<Kind> for StateError {
    fn from(kind: Kind) -> Self {
        Self(Box::new(kind))
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Kind {
    #[error("state of `{name}` cannot be saved")]
    Encode {
        name: &'static str,
        source: CodecError,
    },

    #[error(
        "state of `{name}` can be saved but not read again\n\
         help: saved state has no names in it: serde's `flatten`, `untagged`, `tag` and \
         `skip_serializing_if`, and types that take any value, cannot be used"
    )]
    OneWay {
        name: &'static str,
        source: CodecError,
    },

    #[error("these {len} bytes are not saved state")]
    Foreign { len: usize },

    #[error("saved state is damaged: its checksum does not fit its bytes")]
    Damaged,

    #[error(
        "saved state is written with codec {found}, this program knows up to {known}; \
         it was written by a newer release\n\
         help: run that release, or start a fresh recovery store"
    )]
    NewerCodec { found: u8, known: u8 },

    #[error(
        "saved state is version {found}, this program knows `{}` up to {}; \
         it was written by a newer release\n\
         help: run that release, or start a fresh recovery store",
        .own.name, .own.version
    )]
    Newer { found: u32, own: Schema },

    #[error(
        "saved state is version {found}, which this program's `{}` version {} does not read\n\
         help: keep the type that was version {found}, and lead from it by `from(..)`, \
         one version at a time",
        .own.name, .own.version
    )]
    Older { found: u32, own: Schema },

    #[error(
        "saved state is version {} of another shape; this program has {own}\n\
         help: {}", .own.version, mend(.own)
    )]
    OtherShape { own: Schema },

    #[error(
        "saved state is version {found} of a shape that cannot be read by default; \
         this program has {own}\n\
         help: only fields with `#[serde(default)]` at the end, or variants at the end, can be \
         added; for all else keep the old type and use `from(..)` in place of `reads({found})`"
    )]
    NotAPrefix { found: u32, own: Schema },

    #[error("saved state of `{}` version {} cannot be read{}", .own.name, .own.version, at(.place.as_ref()))]
    Decode {
        own: Schema,
        /// The fields on the way to the fault, as far as they are known.
        place: Option<String>,
        source: CodecError,
    },
}

fn at(place: Option<&String>) -> String {
    place.map_or(String::new(), |place| format!(" at `{place}`"))
}

/// The fix for a changed shape.
fn mend(own: &Schema) -> String {
    let next = next_versions(own);
    if own.is_of_program() {
        return next.unwrap_or_default();
    }
    let keep = match own.is_of_library() {
        true => {
            "keep the types of the values and of what the step keeps as they were, or give it another name by \
             `.named(\"..\")`"
        }
        false => "keep the type as it was",
    };
    match next {
        Some(next) => format!("{keep}; or {next}"),
        None if own.is_of_library() => keep.to_owned(),
        None => format!(
            "{keep}, or put `#[stateful(version = {}, from(..))]` on a struct of your own, with the old type in \
             `from(..)`",
            own.version + 1
        ),
    }
}

/// The fix for changed types of the program, alone or inside a type; empty if there are none.
pub(crate) fn next_versions(own: &Schema) -> Option<String> {
    let mut types = Vec::new();
    own.collect_types(&mut types);
    let set = |Schema { name, version, .. }: &Schema| {
        let next = version + 1;
        format!(
            "set `#[stateful(version = {next}, from({name}V{version}))]` and keep the old type as \
             `{name}V{version}`"
        )
    };
    match types.as_slice() {
        [] => None,
        [one] => Some(set(one)),
        several => {
            let each = several.iter();
            let each = each.map(|ty| format!("if `{}` has changed, {}", ty.name, set(ty)));
            Some(each.collect::<Vec<_>>().join("; "))
        }
    }
}

impl StateError {
    /// Whether the bytes were written by a newer release of the program, or of this crate.
    ///
    /// ```
    /// use bytewax_runtime::state;
    ///
    /// let error = state::open::<u64>(b"?").unwrap_err();
    /// assert!(!error.is_newer());
    /// ```
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(*self.0, Kind::Newer { .. } | Kind::NewerCodec { .. })
    }

    /// Whether the bytes are of a version or a shape for which the program has no migration.
    ///
    /// ```
    /// use bytewax_runtime::state;
    ///
    /// let mut bytes = Vec::new();
    /// state::seal(&1_u64, &mut bytes)?;
    /// assert!(state::open::<String>(&bytes).unwrap_err().is_other_shape());
    /// # Ok::<(), state::StateError>(())
    /// ```
    #[must_use]
    pub fn is_other_shape(&self) -> bool {
        matches!(
            *self.0,
            Kind::Older { .. } | Kind::OtherShape { .. } | Kind::NotAPrefix { .. }
        )
    }

    /// Whether the bytes were changed after they were written, or are no saved state at all.
    ///
    /// ```
    /// use bytewax_runtime::state;
    ///
    /// assert!(state::open::<u64>(b"something else").unwrap_err().is_damaged());
    /// ```
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        matches!(
            *self.0,
            Kind::Foreign { .. } | Kind::Damaged | Kind::Decode { .. }
        )
    }
}
