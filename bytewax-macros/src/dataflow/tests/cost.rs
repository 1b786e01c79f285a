//! What an expansion costs.

use std::time::{Duration, Instant};

use super::expand;

/// A flow of this many steps, of all sorts.
fn flow(steps: usize) -> String {
    let mut body = "let s0 = flow.input(source).key_on(|item| item.key);".to_owned();
    for n in 0..steps / 4 {
        let next = n + 1;
        body.push_str(&format!(
            "let m{n} = s{n}.map_value(|item| match item.kind {{ Some(kind) => kind.len(), None => 0 }})
                .filter_value(move |n| *n > limit.get(&Key {{ name: \"x\", number: {n} }}));
            let s{next} = dedupe(m{n}.stateful_map(|sum: &mut u64, n| {{ *sum += n; *sum }}), 100);"
        ));
    }
    format!("\"f\", |flow| {{ {body} s{}.output(sink); }}", steps / 4)
}

/// The shortest of a few times: what else runs on the machine does not count.
fn time(steps: usize) -> Duration {
    let arguments = flow(steps);
    let once = || {
        let start = Instant::now();
        let expansion = expand(&arguments);
        let time = start.elapsed();
        assert!(
            !expansion.to_string().contains("compile_error"),
            "{expansion}"
        );
        time
    };
    (0..5).map(|_| once()).min().unwrap_or_default()
}

#[test]
fn a_flow_of_a_hundred_steps_is_expanded_in_no_time() {
    let (few, many) = (time(100), time(400));
    println!("100 steps: {few:?}, 400 steps: {many:?}");
    assert!(few < Duration::from_millis(200), "{few:?}");
    assert!(many < Duration::from_millis(1600), "{many:?}");
}
