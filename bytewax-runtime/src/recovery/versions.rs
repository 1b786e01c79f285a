//! The possible versions of a step's values: the newest, and those of keys that were not touched since.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::parts::StepMeta;
use crate::state::facts::{self, SAVED};

/// The name of the line that lists them.
const VERSIONS: &str = "versions";

/// One version of a step's saved type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SavedVersion {
    pub(crate) version: u32,
    pub(crate) fingerprint: u64,
    /// Its known facts.
    pub(crate) shape: Option<String>,
}

impl SavedVersion {
    fn name(&self) -> String {
        format!("{} {:016x}", self.version, self.fingerprint)
    }

    fn read(text: &str) -> Option<(u32, u64)> {
        let (version, fingerprint) = text.split_once(' ')?;
        let fingerprint = u64::from_str_radix(fingerprint, 16).ok()?;
        Some((version.parse().ok()?, fingerprint))
    }

    pub(crate) fn is(&self, version: u32, fingerprint: u64) -> bool {
        (self.version, self.fingerprint) == (version, fingerprint)
    }
}

impl StepMeta {
    /// Whether the store lists the versions; earlier releases did not.
    pub(crate) fn lists_versions(&self) -> bool {
        self.line(VERSIONS).is_some()
    }

    /// All versions that values of the step may have.
    pub(crate) fn versions(&self) -> Vec<SavedVersion> {
        let own = (self.version, self.fingerprint);
        let listed = self.line(VERSIONS).unwrap_or_default();
        let listed = listed.split(", ").filter_map(SavedVersion::read);
        let all: BTreeSet<(u32, u64)> = listed.chain([own]).collect();
        let all = all.into_iter().map(|(version, fingerprint)| {
            let mut saved = SavedVersion {
                version,
                fingerprint,
                shape: None,
            };
            let name = format!("{SAVED} {}", saved.name());
            let shape = match saved.is(own.0, own.1) {
                true => self.line(SAVED),
                false => self.line(&name),
            };
            saved.shape = shape.map(ToOwned::to_owned);
            saved
        });
        all.collect()
    }

    /// Adds these versions.
    pub(crate) fn with_versions<'a>(
        mut self,
        others: impl IntoIterator<Item = &'a SavedVersion>,
    ) -> Self {
        let mut names = BTreeSet::new();
        for other in others {
            if !other.is(self.version, self.fingerprint) && names.insert(other.name()) {
                let shape = other.shape.iter();
                for shape in shape {
                    // A `String` accepts any text.
                    let _ = write!(self.schema, "\n{SAVED} {} = {shape}", other.name());
                }
            }
        }
        let own = SavedVersion {
            version: self.version,
            fingerprint: self.fingerprint,
            shape: None,
        };
        names.insert(own.name());
        let names: Vec<String> = names.into_iter().collect();
        let _ = write!(self.schema, "\n{VERSIONS} = {}", names.join(", "));
        self
    }

    fn line(&self, name: &str) -> Option<&str> {
        let mut lines = facts::read(&self.schema);
        lines
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::StepId;
    use crate::recovery::SavedKind;

    fn meta(version: u32, fingerprint: u64, shape: &str) -> StepMeta {
        StepMeta {
            id: StepId::new("f.a"),
            kind: SavedKind::Stateful,
            schema: format!("`A` version {version}\nsaved = {shape}"),
            version,
            fingerprint,
        }
    }

    #[test]
    fn versions_come_back_with_their_shapes() {
        let first = meta(1, 0xff, "{a: u64}");
        assert!(!first.lists_versions());
        let one = first.versions();
        let first = first.with_versions([]);
        assert!(first.lists_versions());
        assert_eq!(first.versions(), one);
        let second = meta(2, 7, "{a: i64}").with_versions(&one);
        let both = second.versions();
        assert_eq!(both.len(), 2);
        assert_eq!(both[0], one[0]);
        assert_eq!(both[1].shape.as_deref(), Some("{a: i64}"));
        // Each version is listed once.
        let third = meta(3, 9, "u64").with_versions(both.iter().chain(&one));
        assert_eq!(third.versions().len(), 3);
        assert!(
            third.schema.ends_with(
                "\nversions = 1 00000000000000ff, 2 0000000000000007, 3 0000000000000009"
            )
        );
    }
}
