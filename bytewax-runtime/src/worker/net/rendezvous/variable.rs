//! The environment variable that makes a process a child.

use std::path::Path;

/// Its name.
pub(super) const NAME: &str = "BYTEWAX_SPAWNED";

/// Its value: `<index>/<count>@<port>#<parent>#<token>`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variable {
    /// Index of the child.
    pub(super) index: usize,
    /// Number of children.
    pub(super) count: usize,
    /// Port on which the parent listens.
    pub(super) port: u16,
    /// Id of the parent in the system.
    pub(super) parent: u32,
    /// A secret of the parent and its children.
    pub(super) token: String,
}

/// The process that the variable is meant for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// This process.
    Me,
    /// This process, but the parent is gone already.
    Orphan,
    /// An ancestor, from which it was inherited.
    Ancestor,
}

impl Variable {
    /// The value as text.
    pub(super) fn format(&self) -> String {
        let Self {
            index,
            count,
            port,
            parent,
            token,
        } = self;
        format!("{index}/{count}@{port}#{parent}#{token}")
    }

    /// Reads the value.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (place, rest) = value.split_once('@')?;
        let (index, count) = place.split_once('/')?;
        let (port, rest) = rest.split_once('#')?;
        let (parent, token) = rest.split_once('#')?;
        let variable = Self {
            index: index.parse().ok()?,
            count: count.parse().ok()?,
            port: port.parse().ok()?,
            parent: parent.parse().ok()?,
            token: token.to_owned(),
        };
        (variable.index < variable.count).then_some(variable)
    }

    /// The process that the variable is meant for, given the parent of this process.
    pub(super) fn meant(&self) -> Meant {
        match parent_id() {
            None => Meant::Me,
            Some(parent) => self.meant_under(parent, is_running(self.parent)),
        }
    }

    fn meant_under(&self, parent: u32, setter_runs: bool) -> Meant {
        if parent == self.parent {
            Meant::Me
        } else if parent == 1 || !setter_runs {
            // If an orphan started on its own, it would start children itself.
            Meant::Orphan
        } else {
            Meant::Ancestor
        }
    }
}

/// Id of the parent of this process, where the system provides it.
#[cfg(unix)]
fn parent_id() -> Option<u32> {
    Some(std::os::unix::process::parent_id())
}

/// Id of the parent of this process, where the system provides it.
#[cfg(not(unix))]
fn parent_id() -> Option<u32> {
    None
}

/// Whether a process runs. True where that is unknown.
fn is_running(process: u32) -> bool {
    !Path::new("/proc/self").exists() || Path::new(&format!("/proc/{process}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable() -> Variable {
        Variable {
            index: 1,
            count: 2,
            port: 4000,
            parent: 77,
            token: String::from("a1"),
        }
    }

    #[test]
    fn the_value_comes_through() {
        assert_eq!(variable().format(), "1/2@4000#77#a1");
        assert_eq!(Variable::parse("1/2@4000#77#a1"), Some(variable()));
        for wrong in [
            "",
            "yes",
            "2/2@4000#77#a1",
            "1/2@70000#77#a1",
            "1/2@4000#77",
        ] {
            assert_eq!(Variable::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_children_take_the_variable() {
        assert_eq!(variable().meant_under(77, true), Meant::Me);
        assert_eq!(variable().meant_under(78, true), Meant::Ancestor);
        assert_eq!(variable().meant_under(78, false), Meant::Orphan);
        assert_eq!(variable().meant_under(1, true), Meant::Orphan);
        assert!(is_running(std::process::id()));
    }
}
