//! Finds saved types with custom serialization, which need a version.

use super::StepKind;
use super::graph::Graph;

impl Graph {
    /// The steps with saved types that custom code of the program serializes, and that have no version. The
    /// meaning of bytes for such code can change unnoticed, so such types need a version number, which people
    /// change.
    pub(crate) fn unnumbered(&self) -> Vec<String> {
        let mut told = Vec::new();
        for step in &self.steps {
            let Some(schema) = self.schema(step) else {
                continue;
            };
            let what = match step.kind {
                StepKind::Stateful => "state",
                _ => "position",
            };
            let mut names: Vec<&str> = Vec::new();
            for (owner, _) in &schema.unnumbered {
                if names.contains(&owner.name) {
                    continue;
                }
                names.push(owner.name);
                let places = schema.unnumbered.iter();
                let places: Vec<String> = places
                    .filter(|(other, _)| other.name == owner.name)
                    .map(|(_, place)| format!("`{place}`"))
                    .collect();
                told.push(format!(
                    "custom serialization code (`with`, `from` or a hand-written impl) reads and writes {} of the \
                     {what} of the step `{}` ({}), and no check can detect a change of its format\n  help: \
                     declare the version of `{}` with `#[stateful(version = {})]`; if the format of that code \
                     changes, raise the version, and keep the \
                     old type in `from(..)`",
                    places.join(" and "),
                    step.id,
                    step.location,
                    owner.name,
                    owner.version
                ));
            }
        }
        told
    }
}
