use super::GraphFormat::{Dot, Json, Mermaid};
use crate::prelude::*;
use crate::testing::{TestingSink, TestingSource};

fn linear() -> Dataflow {
    Dataflow::build("sums", |flow| {
        flow.input(TestingSource::new([1, 2]))
            .named("numbers")
            .map(|n| n + 1)
            .key_on(|_| "all".to_owned())
            .named("keyed")
            .stateful_map(|sum: &mut i32, n| {
                *sum += n;
                *sum
            })
            .named("total")
            .inspect(|_| {})
            .named("seen")
            .output(TestingSink::new())
            .named("out");
    })
}

fn branching() -> Dataflow {
    Dataflow::build("parity", |flow| {
        let numbers = flow.input(TestingSource::new([1, 2])).named("numbers");
        let parity = numbers.branch(|n| n % 2 == 0).named("parity");
        parity.trues.output(TestingSink::new()).named("even");
        parity.falses.output(TestingSink::new()).named("odd");
    })
}

fn merging() -> Dataflow {
    Dataflow::build("regions", |flow| {
        let mut orders = Vec::new();
        for region in ["eu", "us.east"] {
            orders.push(flow.scope(region, || {
                flow.input(TestingSource::new([1]))
                    .named("orders")
                    .map(|n| n * 10)
                    .named("cents")
            }));
        }
        flow.merge(orders)
            .named("all")
            .output(TestingSink::new())
            .named("out");
    })
}

fn golden(flow: &Dataflow, format: super::GraphFormat, expected: &str) {
    flow.check().unwrap();
    assert_eq!(flow.render(format), expected.trim());
}

#[test]
fn mermaid_linear() {
    golden(
        &linear(),
        Mermaid,
        r##"
flowchart TD
subgraph "sums (Dataflow)"
n0(["numbers (input)"])
n1["map#35;1 (map)"]
n0 -- "down" --> n1
n2["keyed (key_on)"]
n1 -- "down" --> n2
n3[("total (stateful_map)")]
n2 -- "down" --> n3
n4{{"seen (inspect)"}}
n3 -- "down" --> n4
n5[["out (output)<br>at least once from numbers, as `out` is append"]]
n4 -- "down" --> n5
end
"##,
    );
}

#[test]
fn mermaid_branching() {
    golden(
        &branching(),
        Mermaid,
        r#"
flowchart TD
subgraph "parity (Dataflow)"
n0(["numbers (input)"])
n1["parity (branch)"]
n0 -- "down" --> n1
n2[["even (output)<br>at least once from numbers, as `even` is append"]]
n1 -- "trues" --> n2
n3[["odd (output)<br>at least once from numbers, as `odd` is append"]]
n1 -- "falses" --> n3
end
"#,
    );
}

#[test]
fn mermaid_merging() {
    golden(
        &merging(),
        Mermaid,
        r#"
flowchart TD
subgraph "regions (Dataflow)"
n0(["eu.orders (input)"])
n1["eu.cents (map)"]
n0 -- "down" --> n1
n2(["us.east.orders (input)"])
n3["us.east.cents (map)"]
n2 -- "down" --> n3
n4["all (merge)"]
n1 -- "down" --> n4
n3 -- "down" --> n4
n5[["out (output)<br>at least once from eu.orders, as `out` is append<br>at least once from us.east.orders, as `out` is append"]]
n4 -- "down" --> n5
end
"#,
    );
}

#[test]
fn dot_linear() {
    golden(
        &linear(),
        Dot,
        r##"
digraph "sums" {
    label="sums (Dataflow)";
    n0 [label="numbers (input)", shape=oval];
    n1 [label="map#1 (map)", shape=box];
    n2 [label="keyed (key_on)", shape=box];
    n3 [label="total (stateful_map)", shape=cylinder];
    n4 [label="seen (inspect)", shape=hexagon];
    n5 [label="out (output)\nat least once from numbers, as `out` is append", shape=box, peripheries=2];
    n0 -> n1 [label="down"];
    n1 -> n2 [label="down"];
    n2 -> n3 [label="down"];
    n3 -> n4 [label="down"];
    n4 -> n5 [label="down"];
}
"##,
    );
}

#[test]
fn dot_branching() {
    golden(
        &branching(),
        Dot,
        r#"
digraph "parity" {
    label="parity (Dataflow)";
    n0 [label="numbers (input)", shape=oval];
    n1 [label="parity (branch)", shape=box];
    n2 [label="even (output)\nat least once from numbers, as `even` is append", shape=box, peripheries=2];
    n3 [label="odd (output)\nat least once from numbers, as `odd` is append", shape=box, peripheries=2];
    n0 -> n1 [label="down"];
    n1 -> n2 [label="trues"];
    n1 -> n3 [label="falses"];
}
"#,
    );
}

#[test]
fn dot_merging_with_scopes() {
    golden(
        &merging(),
        Dot,
        r#"
digraph "regions" {
    label="regions (Dataflow)";
    subgraph "cluster eu" {
        label="eu";
        n0 [label="orders (input)", shape=oval];
        n1 [label="cents (map)", shape=box];
    }
    subgraph "cluster us" {
        label="us";
        subgraph "cluster us.east" {
            label="east";
            n2 [label="orders (input)", shape=oval];
            n3 [label="cents (map)", shape=box];
        }
    }
    n4 [label="all (merge)", shape=box];
    n5 [label="out (output)\nat least once from eu.orders, as `out` is append\nat least once from us.east.orders, as `out` is append", shape=box, peripheries=2];
    n0 -> n1 [label="down"];
    n2 -> n3 [label="down"];
    n1 -> n4 [label="down"];
    n3 -> n4 [label="down"];
    n4 -> n5 [label="down"];
}
"#,
    );
}

/// The golden text with `LOCATION n` for the place of the n-th step.
fn golden_json(flow: &Dataflow, expected: &str) {
    let mut drawn = flow.render(Json);
    for (index, step) in flow.steps().iter().enumerate() {
        let place = step.location.to_string();
        assert!(place.contains("tests.rs:"), "{place}");
        let found = format!("\"location\": \"{place}\"");
        assert!(drawn.contains(&found), "{found} in {drawn}");
        drawn = drawn.replace(&found, &format!("\"location\": \"LOCATION {index}\""));
    }
    let compact = |text: &str| {
        text.lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("")
            .replace("\": ", "\":")
    };
    assert_eq!(compact(&drawn), compact(expected));
}

#[test]
fn json_linear() {
    golden_json(
        &linear(),
        r##"
{"flow":"sums","steps":[
{"id":"sums.numbers","kind":"source","operator":"input","location":"LOCATION 0","reads":[],"promise":"replayable"},
{"id":"sums.map#1","kind":"stateless","operator":"map","location":"LOCATION 1",
"reads":[{"step":"sums.numbers","output":"down"}]},
{"id":"sums.keyed","kind":"stateless","operator":"key_on","location":"LOCATION 2",
"reads":[{"step":"sums.map#1","output":"down"}]},
{"id":"sums.total","kind":"stateful","operator":"stateful_map","location":"LOCATION 3",
"reads":[{"step":"sums.keyed","output":"down"}]},
{"id":"sums.seen","kind":"observer","operator":"inspect","location":"LOCATION 4",
"reads":[{"step":"sums.total","output":"down"}]},
{"id":"sums.out","kind":"sink","operator":"output","location":"LOCATION 5",
"reads":[{"step":"sums.seen","output":"down"}],"promise":"append"}],
"paths":[{"steps":["sums.numbers","sums.map#1","sums.keyed","sums.total","sums.seen","sums.out"],
"delivery":"at least once","weakest":["sums.out"]}]}
"##,
    );
}

#[test]
fn json_branching() {
    golden_json(
        &branching(),
        r#"
{"flow":"parity","steps":[
{"id":"parity.numbers","kind":"source","operator":"input","location":"LOCATION 0","reads":[],"promise":"replayable"},
{"id":"parity.parity","kind":"stateless","operator":"branch","location":"LOCATION 1",
"reads":[{"step":"parity.numbers","output":"down"}]},
{"id":"parity.even","kind":"sink","operator":"output","location":"LOCATION 2",
"reads":[{"step":"parity.parity","output":"trues"}],"promise":"append"},
{"id":"parity.odd","kind":"sink","operator":"output","location":"LOCATION 3",
"reads":[{"step":"parity.parity","output":"falses"}],"promise":"append"}],
"paths":[
{"steps":["parity.numbers","parity.parity","parity.even"],"delivery":"at least once","weakest":["parity.even"]},
{"steps":["parity.numbers","parity.parity","parity.odd"],"delivery":"at least once","weakest":["parity.odd"]}]}
"#,
    );
}

#[test]
fn json_merging() {
    let drawn: serde_json::Value = serde_json::from_str(&merging().render(Json)).unwrap();
    let reads = &drawn["steps"][4]["reads"];
    assert_eq!(
        *reads,
        serde_json::json!([
            {"step": "regions.eu.cents", "output": "down"},
            {"step": "regions.us.east.cents", "output": "down"},
        ])
    );
}

#[test]
fn a_name_with_quotes_stays_inside_its_quotes() {
    let flow = Dataflow::build("a\"b\\", |_| {});
    assert!(flow.check().is_err());
    assert_eq!(
        flow.render(Mermaid),
        "flowchart TD\nsubgraph \"a#quot;b\\ (Dataflow)\"\nend"
    );
    assert!(flow.render(Dot).starts_with(r#"digraph "a\"b\\" {"#));
}
