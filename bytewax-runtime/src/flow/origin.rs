//! The information of `dataflow!` about a flow, apart from its steps: its location and its text.

use super::graph::{Graph, Step};

/// The information that the macro collected when the flow was compiled.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The directory of the package whose lock file the macro reads.
    pub package: &'static str,
    /// The program of the package, if its name differs from the package's.
    pub program: &'static str,
    /// The former name of the program in the lock file, if different.
    pub was: Option<&'static str>,
    /// The lock file at compile time.
    pub lock: Option<&'static str>,
    /// The names of steps, with `*` for parts that are known only at run time, each with a hash of the text
    /// of its arguments.
    pub arguments: &'static [(&'static str, u32)],
}

impl Origin {
    /// The hash for a step of this name, if it is unique.
    fn arguments_of(&self, name: &str) -> Option<u32> {
        let has_own = self.arguments.iter().any(|(pattern, _)| *pattern == name);
        let mut found = self.arguments.iter().filter(|(pattern, _)| match has_own {
            true => *pattern == name,
            false => matches(pattern, name),
        });
        // Branches may have several steps with one name.
        let (_, hash) = found.next()?;
        found.all(|(_, other)| other == hash).then_some(*hash)
    }
}

impl Graph {
    /// Records the information of the macro.
    pub(super) fn set_origin(&mut self, origin: Origin) {
        let name = self.name.clone();
        for step in &mut self.steps {
            step.arguments =
                origin.arguments_of(super::graph::without_flow(&name, &step.described));
        }
        self.origin = Some(origin);
    }

    /// The program of the flow, if its name differs from the package's.
    pub(crate) fn program(&self) -> &str {
        self.origin.map_or("", |origin| origin.program)
    }

    /// The former name of the program in the lock file, if different.
    pub(crate) fn program_was(&self) -> Option<&str> {
        self.origin?.was
    }

    /// The hints for a flow whose steps the compiler could not compare with the lock file.
    pub(crate) fn unlocked(&self) -> Option<String> {
        let origin = self.origin?;
        let file = super::LockFile::read(origin.lock?).ok()?;
        let flow = &self.name;
        let run = "run the command `lock`, and compile the program again";
        match file.lacks(self) {
            None => {
                let others = file.headers_of(flow);
                let renamed = match others.is_empty() {
                    true => String::new(),
                    false => format!(
                        "; if the program was renamed, first write `{}` there in place of {}",
                        header(flow, self.program()),
                        others.join(" or ")
                    ),
                };
                Some(format!(
                    "`dataflow.lock` had no flow `{flow}` when the program was compiled, so the compiler has not checked \
                     that its state is kept: {run}{renamed}"
                ))
            }
            Some(names) if names.is_empty() => None,
            Some(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let plural = if names.len() == 1 { "step" } else { "steps" };
                Some(format!(
                    "`dataflow.lock` lacked the {plural} {} of flow `{flow}` when the program was compiled, so the \
                     compiler does not check that their state is kept: {run}",
                    names.join(", ")
                ))
            }
        }
    }
}

impl Step {
    /// The text of its arguments, in the form of the lock file and stores.
    pub(crate) fn arguments_text(&self) -> Option<String> {
        self.arguments.map(|hash| format!("{hash:08x}"))
    }
}

/// The start of the flow's section header.
fn header(flow: &str, program: &str) -> String {
    match program {
        "" => format!("[{flow}]"),
        program => format!("[{flow}.{program}]"),
    }
}

/// Whether a pattern includes a name.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Dataflow;
    use crate::testing::{TestingSink, TestingSource};

    fn flow(origin: Origin) -> Dataflow {
        let flow = Dataflow::build("f", |flow| {
            for region in ["eu", "us"] {
                flow.scope(region, || {
                    let numbers = flow.input(TestingSource::new([1])).named("in");
                    numbers.output(TestingSink::new()).named("out");
                });
            }
        });
        flow.with_origin(origin)
    }

    const SEEN: Origin = Origin {
        package: "/shop",
        program: "",
        was: None,
        lock: None,
        arguments: &[("*.in", 1), ("eu.in", 2), ("us.*", 3), ("eu.out", 4)],
    };

    #[test]
    fn knows_the_arguments_of_steps_by_pattern() {
        let flow = flow(SEEN);
        let steps = flow.graph().steps.iter();
        let arguments: Vec<_> = steps.map(|step| step.arguments).collect();
        // Two patterns disagree about one step.
        assert_eq!(arguments, [Some(2), Some(4), None, Some(3)]);
    }

    #[test]
    fn says_what_the_lock_file_lacks() {
        let told = |lock: Option<&'static str>| {
            let origin = Origin { lock, ..SEEN };
            flow(origin).graph().unlocked()
        };
        assert_eq!(told(None), None);
        let text = told(Some("version = 2\n[other]\n")).unwrap();
        assert!(
            text.starts_with("`dataflow.lock` had no flow `f` when"),
            "{text}"
        );
        let source = "\"eu.in\" = { kind = \"source\" }\n\"us.in\" = { kind = \"source\" }\n";
        let text: &'static str = format!("[f]\n{source}").leak();
        let text = told(Some(text)).unwrap();
        assert!(
            text.contains("lacked the steps `eu.out`, `us.out` of flow `f`"),
            "{text}"
        );
        let sinks = source.replace("in\"", "out\"");
        let text: &'static str = format!("[f]\n{source}{sinks}").leak();
        assert_eq!(told(Some(text)), None);
        // It belongs to another program.
        let text: &'static str = format!("version = 2\n[f.other]\n{source}{sinks}").leak();
        let text = told(Some(text)).unwrap();
        assert!(
            text.ends_with(
                "; if the program was renamed, first write `[f]` there in place of `[f.other]`"
            ),
            "{text}"
        );
    }
}
