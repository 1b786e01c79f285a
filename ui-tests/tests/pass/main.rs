//! Programs that the compiler accepts, each as users write it.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "users need not write as this repository does"
)]

/// A test for each program, which runs it.
macro_rules! programs {
    ($($group:ident { $($program:ident)+ })+) => {
        $(mod $group {
            $(mod $program;)+

            $(#[test]
            fn $program() {
                $program::main();
            })+
        })+

        const PROGRAMS: &[&str] = &[$($(concat!(stringify!($group), "/", stringify!($program), ".rs")),+),+];
    };
}

programs! {
    dataflow {
        branches_of_one_name
        call_of_a_function
        plain_chain
        scopes_in_a_list
    }
    delivery {
        functions_that_declare
        replayable_to_append
        replayable_to_transactional
        several_paths
        sources_without_a_sink
    }
    key {
        structs_and_enums
    }
    lock {
        dropped_on_purpose
        moved_into_a_call
        moved_to_another_scope
        renamed_with_its_old_name
        state_of_the_next_version
        windows_as_they_were
    }
    operator {
        forms
    }
    sink {
        forms
    }
    source {
        forms
    }
    stateful {
        logic
        structs_and_enums
        versions
    }
}

#[test]
fn each_file_is_a_program() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pass");
    let names = |dir: &std::path::Path| -> Vec<String> {
        let entries = std::fs::read_dir(dir).expect("the directory is there");
        let entries = entries.map(|entry| entry.expect("it is there").file_name());
        entries
            .map(|name| name.into_string().expect("it is ASCII"))
            .collect()
    };
    let mut files = Vec::new();
    for group in names(&here).iter().filter(|name| !name.contains('.')) {
        let programs = names(&here.join(group));
        files.extend(programs.iter().map(|program| format!("{group}/{program}")));
    }
    files.sort_unstable();
    assert_eq!(files, PROGRAMS);
}
