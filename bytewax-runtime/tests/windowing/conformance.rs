//! The rows of the table, on a clock that stands still: the watermark is that of the values alone.

use std::collections::{BTreeMap, BTreeSet};

use bytewax_macros::stateful;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::run_keyed;
use bytewax_runtime::windowing::{
    EventClock, SessionWindower, SystemClock, TumblingWindower, WindowId, WindowOut, Windowing,
};
use chrono::{DateTime, TimeDelta};

use super::support::{
    At, Value, clock, endless, gives, run, run_on, seconds, session, sliding, tumbling,
};

type Values = KeyedStream<String, Value>;

/// Joins the texts of each window; a bar between the texts of windows that have become one.
fn texts<W: Windowing<Mode = bytewax_runtime::windowing::Once>>(
    clock: EventClock<At>,
    windower: W,
    bar: &'static str,
) -> impl FnOnce(Values) -> WindowOut<String, String, Value> {
    move |values| {
        values.fold_window(
            clock,
            windower,
            String::new,
            |texts, value: Value| texts.push_str(&value.0),
            move |texts, later: String| {
                texts.push_str(bar);
                texts.push_str(&later);
            },
        )
    }
}

/// Rows that join texts: clock, windower, values; windows, late values, and perhaps metadata.
macro_rules! rows {
    ($($name:ident: $clock:expr, $windower:expr, $values:expr => $down:expr, $late:expr $(, $meta:expr)?;)*) => {
        $(#[test] fn $name() {
            let told = run($values, |values| texts($clock, $windower, "|")(values));
            gives(&told, $down, $late, None$(.or(Some($meta)))?);
        })*
    };
}

rows! {
    x04: clock(0.0), session(5.0), "a@1 b@5 c@11 d@12 e@13 f@14 g@20 h@1"
        => "0=ab 1=cdef 2=g", "-1:h";
    x15: clock(0.0), tumbling(10.0), "a@0 b@10 c@20 d@25"
        => "0=a 1=b 2=cd", "", "0=[0,10] 1=[10,20] 2=[20,30]";
    x16: clock(0.0), tumbling(10.0), "a@5 b@5 c@6" => "0=abc", "";
    x18: clock(0.0), tumbling(10.0), "a@5 b@4 c@9 d@8" => "0=ac", "0:b 0:d";
    x19: clock(10.0), tumbling(10.0), "b@4 c@9 d@8 x@20 y@10 z@9.999"
        => "0=bdc 1=y 2=x", "0:z";
    x20: clock(100.0), tumbling(10.0), "a@-1 b@0 z@-10 y@-11" => "-2=y -1=za 0=b", "";
    x22_ordered: clock(100.0), tumbling(10.0), "a@15 b@5 c@14 d@4" => "0=db 1=ca", "";
    x22_unordered: clock(100.0), tumbling(10.0).in_arrival_order(), "a@15 b@5 c@14 d@4"
        => "1=ac 0=bd", "";
    x23: clock(100.0), tumbling(10.0), "p@5 a@4 q@5 r@5" => "0=apqr", "";
    x24: clock(0.0), tumbling(10.0), "a@0 b@4 c@100 x@3 d@101" => "0=ab 10=cd", "0:x";
    x25: clock(0.0), tumbling(10.0), "x/1@0 y/2@100 x/3@5 y/4@50"
        => "x/0=13 y/10=2", "y/5:4";
    x28_align_100: clock(0.0),
        TumblingWindower::new(seconds(10.0), DateTime::UNIX_EPOCH + seconds(100.0)), "a@5"
        => "-10=a", "", "-10=[0,10]";
    x28_align_3: clock(0.0),
        TumblingWindower::new(seconds(10.0), DateTime::UNIX_EPOCH + seconds(3.0)), "a@5"
        => "0=a", "", "0=[3,13]";
    x29: clock(0.0), session(10.0), "a@0 b@10 c@21 d@32"
        => "0=ab 1=c 2=d", "", "0=[0,10] 1=[21,21] 2=[32,32]";
    x30_unordered: clock(100.0), session(10.0).in_arrival_order(), "a@0 b@20 c@10"
        => "0=ac|b", "", "0=[0,20]{1}";
    x30_ordered: clock(100.0), session(10.0), "a@0 b@20 c@10" => "0=acb", "", "0=[0,20]";
    x31: clock(100.0), session(10.0).in_arrival_order(), "a@20 b@0 c@10"
        => "1=b|ac", "", "1=[0,20]{0}";
    x32: clock(5.0), session(10.0).in_arrival_order(), "a@0 b@15 c@10 d@26"
        => "0=ac|b 2=d", "";
    x33: clock(100.0), session(0.0), "a@0 b@0 c@1" => "0=ab 1=c", "";
    x34: clock(0.0), session(5.0), "x/a@0 y/b@0 x/c@100 y/d@50" => "x/0=a x/1=c y/0=b y/1=d", "";
    x35: clock(0.0), SessionWindower::new(TimeDelta::MAX), "a@0 b@1000" => "0=ab", "";
    sessions_take_in_what_those_they_take_in_took_in:
        clock(100.0), session(10.0).in_arrival_order(), "a@40 b@20 c@0 d@30 e@10"
        => "2=c|b|ade", "", "2=[0,40]{0,1}";
}

/// Sliding windows are put together from slices, so their texts have no bars.
macro_rules! sliding_rows {
    ($($name:ident: $clock:expr, $windower:expr, $values:expr => $down:expr, $late:expr $(, $meta:expr)?;)*) => {
        $(#[test] fn $name() {
            let told = run($values, |values| texts($clock, $windower, "")(values));
            gives(&told, $down, $late, None$(.or(Some($meta)))?);
        })*
    };
}

sliding_rows! {
    x05: clock(0.0), sliding(10.0, 5.0), "a@1 b@4 c@8 d@12 e@13 f@14 g@16 h@1"
        => "-1=ab 0=abc 1=cdef 2=defg 3=g", "-1:h 0:h",
        "-1=[-5,5] 0=[0,10] 1=[5,15] 2=[10,20] 3=[15,25]";
    x21: clock(100.0), sliding(10.0, 5.0), "a@-10 b@-5 c@0" => "-3=a -2=ab -1=bc 0=c", "";
    x26: clock(0.0), sliding(10.0, 5.0), "a@12 b@11 c@30" => "1=a 2=a 5=c 6=c", "1:b 2:b";
    x27_3: clock(100.0), sliding(10.0, 3.0), "a@0 b@5 c@11 d@12"
        => "-3=a -2=a -1=ab 0=ab 1=bcd 2=cd 3=cd 4=d", "";
    x27_7: clock(100.0), sliding(10.0, 7.0), "a@10 b@14 c@17" => "1=ab 2=bc", "";
    example_b: clock(3.0), sliding(10.0, 5.0), "a@4 b@9 c@7 d@18"
        => "-1=a 0=acb 1=cb 2=d 3=d", "";
}

#[test]
fn x01() {
    let told = run("1@0 3@8 2@4 5@13 4@12", |values| {
        let out = values.collect_window::<Vec<_>, _, _>(endless(), tumbling(10.0));
        listed(out, |list: Vec<Value>| {
            list.into_iter().map(|value| value.0).collect()
        })
    });
    gives(&told, "0=123 1=45", "", None);
}

/// What is collected, as one text.
fn listed<C: 'static>(
    out: WindowOut<String, C, Value>,
    text: impl Fn(C) -> String + Send + Sync + 'static,
) -> WindowOut<String, String, Value> {
    // A window step is named by the stream of its windows, and here another step is behind it.
    let out = out.named("listed");
    WindowOut {
        down: out.down.map_value(move |(id, list)| (id, text(list))),
        late: out.late,
        meta: out.meta,
    }
}

/// A number and the text of a value, `"n:text"`.
fn number(value: &Value) -> u32 {
    let (number, _) = value.0.split_once(':').unwrap_or((&value.0, ""));
    number.parse().unwrap()
}

#[test]
fn x02() {
    let values = "1@0 9@4 3@8 10@12 4@13";
    let max = run(values, |values| {
        let out = values.max_window(clock(0.0), tumbling(10.0), number);
        listed(out, |value: Value| value.0)
    });
    gives(&max, "0=9 1=10", "", None);
    let min = run(values, |values| {
        let out = values.min_window(clock(0.0), tumbling(10.0), number);
        listed(out, |value: Value| value.0)
    });
    gives(&min, "0=1 1=4", "", None);
}

#[test]
fn x03() {
    let told = run("login@0 post@4 post@8 post@16", |values| {
        let out = values.fold_window(
            clock(0.0),
            tumbling(10.0),
            BTreeMap::<String, u32>::new,
            |counts, (kind, _)| *counts.entry(kind).or_default() += 1,
            |counts, other| {
                other
                    .into_iter()
                    .for_each(|(kind, n)| *counts.entry(kind).or_default() += n);
            },
        );
        listed(out, |counts| format!("{counts:?}").replace(' ', ""))
    });
    gives(&told, r#"0={"login":1,"post":2} 1={"post":1}"#, "", None);
}

#[test]
fn x06() {
    let items = (0..100_000_i64).map(|second| ('a', second * 1_000_000));
    let out = run_keyed(items, |times| {
        let clock = EventClock::new(
            |at: &i64| bytewax_runtime::windowing::Micros(*at),
            TimeDelta::zero(),
        );
        let minutes = tumbling(60.0).in_arrival_order();
        let out = times.fold_window(clock, minutes, || None::<u8>, |_, _| {}, |_, _| {});
        out.named("windows").down
    });
    let expect: Vec<_> = (0..1667).map(|id| ('a', (WindowId(id), None))).collect();
    assert_eq!(out, expect);
}

#[test]
fn x07() {
    let told = run("1@0 1@4 1@8 1@12 1@13", |values| {
        let sum = |a: Value, b: Value| ((number(&a) + number(&b)).to_string(), b.1);
        let out = values.reduce_window(clock(0.0), tumbling(10.0), sum);
        listed(out, |value: Value| value.0)
    });
    gives(&told, "0=3 1=2", "", None);
}

#[test]
fn x08() {
    let told = run("a/x@0 a/x@4 b/x@8 a/x@12 a/x@13", |values| {
        values.count_window(clock(0.0), tumbling(10.0))
    });
    gives(&told, "a/0=2 a/1=2 b/0=1", "", None);
}

#[test]
fn x09() {
    let out = run_keyed((0..10).map(|n| ('a', n)), |numbers| {
        let windower = session(10.0);
        numbers
            .collect_window::<Vec<i32>, _, _>(SystemClock::new(), windower)
            .named("lists")
            .down
    });
    assert_eq!(out, [('a', (WindowId(0), (0..10).collect()))]);
}

/// Tells what is called: `v` for a value, `m` for another window, and `c` for the end with all texts.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Traced(String);

impl WindowLogic for Traced {
    type In = Value;
    type Out = String;

    fn on_value(&mut self, value: Value, out: &mut Emit<String>) {
        self.0.push_str(&value.0);
        out.emit(format!("v:{}", value.0));
    }

    fn on_merge(&mut self, other: Self, out: &mut Emit<String>) {
        self.0.push_str(&other.0);
        out.emit(format!("m:{}", other.0));
    }

    fn on_close(&mut self, out: &mut Emit<String>) {
        out.emit(format!("c:{}", self.0));
    }
}

fn traced(
    values: &str,
    wait: f64,
    windower: impl Windowing<Mode = bytewax_runtime::windowing::Once> + Copy,
) -> String {
    let body = |stream: Values| stream.window(clock(wait), windower, Traced::default);
    run(values, body).down
}

#[test]
fn x36() {
    let values = "a@1 b@3 c@2 d@12";
    assert_eq!(
        traced(values, 2.0, tumbling(10.0)),
        "0=v:a 0=v:c 0=v:b 0=c:acb 1=v:d 1=c:d"
    );
    assert_eq!(
        traced(values, 2.0, tumbling(10.0).in_arrival_order()),
        "0=v:a 0=v:b 0=v:c 1=v:d 0=c:abc 1=c:d",
    );
}

#[test]
fn x37() {
    let body = |values: Values| values.window(clock(0.0), tumbling(10.0), Traced::default);
    let told = run("a@0 b@12 x@5 c@25", body);
    gives(&told, "0=v:a 1=v:b 0=c:a 2=v:c 1=c:b 2=c:c", "0:x", None);
}

#[test]
fn x38() {
    assert_eq!(
        traced(
            "a@0 b@20 c@10 d@15",
            100.0,
            session(10.0).in_arrival_order()
        ),
        "0=v:a 1=v:b 0=v:c 0=m:b 0=v:d 0=c:acbd",
    );
}

#[test]
fn x39() {
    let values = "3:x@0 9:y@1 9:z@2 1:p@3 1:q@4";
    let max = run(values, |values| {
        let out = values.max_window(clock(10.0), tumbling(10.0), number);
        listed(out, |value: Value| value.0)
    });
    gives(&max, "0=9:y", "", None);
    let min = run(values, |values| {
        let out = values.min_window(clock(10.0), tumbling(10.0), number);
        listed(out, |value: Value| value.0)
    });
    gives(&min, "0=1:p", "", None);
}

#[test]
fn x40() {
    let told = run("9:first@4 9:second@1", |values| {
        let out = values.max_window(clock(10.0), tumbling(10.0), number);
        listed(out, |value: Value| value.0)
    });
    gives(&told, "0=9:first", "", None);
}

#[test]
fn x41() {
    let told = run("a@0 b@20 c@10", |values| {
        let join = |a: Value, b: Value| (format!("({}+{})", a.0, b.0), b.1);
        let out = values.reduce_window(clock(100.0), session(10.0), join);
        listed(out, |value: Value| value.0)
    });
    gives(&told, "0=((a+c)+b)", "", None);
}

#[test]
fn x42() {
    let told = run("a/a@0 a/a@20 a/a@10 b/b@5", |values| {
        values.count_window(clock(100.0), session(10.0))
    });
    gives(&told, "a/0=3 b/0=1", "", Some("a/0=[0,20]{1} b/0=[5,5]"));
}

#[test]
fn x43() {
    let fields = |ordered: bool| {
        run("x@1 y@2 x@0", move |values: Values| {
            let windower = if ordered {
                tumbling(10.0).allow_late(TimeDelta::zero())
            } else {
                tumbling(10.0)
                    .allow_late(TimeDelta::zero())
                    .in_arrival_order()
            };
            let out = values.collect_window::<BTreeMap<_, _>, _, _>(clock(100.0), windower);
            listed(out, |fired| {
                let seconds = fired
                    .value
                    .into_iter()
                    .map(|(key, at): (String, i64)| (key, at / 1_000_000));
                format!("{:?}", seconds.collect::<BTreeMap<_, _>>()).replace(' ', "")
            })
        })
    };
    gives(&fields(true), r#"0={"x":1,"y":2}"#, "", None);
    gives(&fields(false), r#"0={"x":0,"y":2}"#, "", None);
}

#[test]
fn x44() {
    let told = run("a@0 a@0 b@1", |values| {
        let out = values.collect_window::<BTreeSet<_>, _, _>(clock(100.0), tumbling(10.0));
        listed(out, |set: BTreeSet<Value>| {
            set.into_iter().map(|value| value.0).collect()
        })
    });
    gives(&told, "0=ab", "", None);
}

#[test]
fn a_batch_of_late_values_still_moves_time() {
    let told = run_on(
        (1, 10),
        "a@0 x@20 b@5",
        texts(clock(0.0), tumbling(10.0), "|"),
    );
    gives(&told, "0=a 2=x", "0:b", None);
}

#[test]
fn streams_that_nobody_reads_cost_nothing_and_are_dropped() {
    let out = run_keyed([('a', 0_i64), ('a', 20), ('a', 1)], |times| {
        let clock = EventClock::new(
            |at: &i64| bytewax_runtime::windowing::Micros(*at * 1_000_000),
            TimeDelta::zero(),
        );
        times
            .count_window(clock, tumbling(10.0))
            .named("counts")
            .meta
    });
    let ids: Vec<_> = out.into_iter().map(|(_, (id, _))| id).collect();
    assert_eq!(ids, [WindowId(0), WindowId(2)]);
}
