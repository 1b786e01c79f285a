//! Whole expansions of `#[operator]`, and what is reported.

use proc_macro2::TokenStream;

use super::expand;

fn expanded(options: &str, item: &str) -> TokenStream {
    let tokens = |text: &str| text.parse().expect("balanced tokens");
    expand(tokens(options), &tokens(item))
}

#[track_caller]
fn check(options: &str, item: &str, expect: &str) {
    let file = syn::parse2(expanded(options, item)).expect("items");
    let printed = prettyplease::unparse(&file);
    assert_eq!(printed.trim(), expect.trim(), "{printed}");
}

/// Checks the messages, and that the function is still there.
#[track_caller]
fn check_errors(options: &str, item: &str, expect: &[&str]) {
    let file: syn::File = syn::parse2(expanded(options, item)).expect("items");
    let mut messages = Vec::new();
    let mut has_function = false;
    for item in file.items {
        match item {
            syn::Item::Macro(item) => {
                let text: syn::LitStr = item.mac.parse_body().expect("a message");
                messages.push(text.value());
            }
            syn::Item::Fn(_) => has_function = true,
            _ => {}
        }
    }
    assert_eq!(messages, expect, "{item}");
    assert!(has_function, "{item}");
}

#[test]
fn a_stream_in_and_a_stream_out() {
    check(
        "",
        r#"
        /// Drops what was seen.
        fn dedupe(orders: KeyedStream<String, Order>, size: usize) -> KeyedStream<String, Order> {
            let marked = orders.stateful_map(move |seen: &mut Seen, order| seen.mark(order, size));
            marked.filter_value(|(fresh, _)| *fresh).map_value(|(_, order)| order)
        }
        "#,
        r#"
/// Drops what was seen.
fn dedupe(
    orders: KeyedStream<String, Order>,
    size: usize,
) -> KeyedStream<String, Order> {
    let __bw_flow = orders.flow();
    let __bw_scope = ::bytewax::__private::Scope::enter(&__bw_flow, "dedupe");
    let marked = orders
        .stateful_map(move |seen: &mut Seen, order| seen.mark(order, size))
        .named("marked.stateful_map");
    marked
        .filter_value(|(fresh, _)| *fresh)
        .named("marked.filter_value")
        .map_value(|(_, order)| order)
        .named("marked.map_value")
}
"#,
    );
}

#[test]
fn a_method_form() {
    check(
        r#"method = Totals, crate = "crate""#,
        r#"
        /// Adds up.
        #[must_use]
        pub fn totals<'a, K: Key, V, F>(
            (up): KeyedStream<K, V>,
            (start, step): (u64, u64),
            other: Stream<V>,
            add: F,
        ) -> KeyedStream<K, u64>
        where
            V: State,
            F: Fn(&V) -> u64,
        {
            let up = refine(up);
            let all = up.merge(other);
            all.stateful_map(add)
        }
        "#,
        r#"
/// Adds up.
#[must_use]
pub fn totals<'a, K: Key, V, F>(
    (up): KeyedStream<K, V>,
    (start, step): (u64, u64),
    other: Stream<V>,
    add: F,
) -> KeyedStream<K, u64>
where
    V: State,
    F: Fn(&V) -> u64,
{
    let __bw_flow = up.flow();
    let __bw_scope = crate::__private::Scope::enter(&__bw_flow, "totals");
    let up = __bw_flow.scope("up", || refine(up));
    let all = up.merge(other).named("all.merge");
    all.stateful_map(add).named("all.stateful_map")
}
///Gives streams the method form of [`totals`].
pub trait Totals<K, V>: ::core::marker::Sized {
    /// Adds up.
    #[must_use]
    fn totals<'a, F>(
        self,
        argument_1: (u64, u64),
        other: Stream<V>,
        add: F,
    ) -> KeyedStream<K, u64>
    where
        K: Key,
        V: State,
        F: Fn(&V) -> u64;
}
impl<K, V> Totals<K, V> for KeyedStream<K, V> {
    fn totals<'a, F>(
        self,
        argument_1: (u64, u64),
        other: Stream<V>,
        add: F,
    ) -> KeyedStream<K, u64>
    where
        K: Key,
        V: State,
        F: Fn(&V) -> u64,
    {
        totals::<K, V, F>(self, argument_1, other, add)
    }
}
"#,
    );
}

#[test]
fn the_flow_as_a_parameter() {
    check(
        "",
        "fn shop(flow: &Flow, path: &Path) { flow.input(open(path)).output(sink()); }",
        r#"
fn shop(flow: &Flow, path: &Path) {
    let __bw_scope = ::bytewax::__private::Scope::enter(&flow, "shop");
    flow.input(open(path)).named("input").output(sink()).named("output");
}
"#,
    );
}

#[test]
fn an_operator_without_a_stream() {
    check_errors(
        "",
        "fn clean(s: String) -> String { s }",
        &[
            "an operator takes a `Stream`, a `KeyedStream` or `flow: &Flow`, and `clean` takes none\n\
             help: to change single items, use a plain function and `.map(clean)`",
        ],
    );
}

#[test]
fn a_stream_that_goes_nowhere() {
    check_errors(
        "",
        "fn tap(up: Stream<u8>) {}",
        &["the stream `up` is never read\n\
           help: return a stream made from it, or send it to a sink"],
    );
    check_errors(
        "",
        "fn tap(up: Stream<u8>, other: bytewax::flow::KeyedStream<u8, u8>) -> Stream<u8> { up.map(f) }",
        &["the stream `other` is never read\n\
           help: return a stream made from it, or send it to a sink"],
    );
    check_errors(
        "",
        "fn tap(up: Stream<u8>) { let _up = up.map(f); }",
        &[
            "this operator returns no stream and has no output, so it would do nothing\n\
           help: return a stream, or end one with `.output(sink)`",
        ],
    );
    check_errors(
        "",
        "fn tap(_up: Stream<u8>, flow: &Flow) -> Stream<u8> { flow.input(s) }",
        &[],
    );
    check_errors(
        "",
        "fn all(flow: &Flow, list: Vec<Stream<u8>>) -> Stream<u8> { flow.merge(list) }",
        &[],
    );
}

#[test]
fn a_wrong_form() {
    check_errors(
        "",
        "fn tap(up: &Stream<Vec<u8>>) -> Stream<u8> { up.clone().map(f) }",
        &["take the stream by value: `up: Stream<Vec<u8>>`\n\
           help: callers who need it afterwards pass `up.clone()`"],
    );
    check_errors(
        "",
        "fn tap(self, up: Stream<u8>) -> Stream<u8> { up.map(f) }",
        &["an operator has no `self`\n\
           help: take what the steps need as parameters, and the stream by value: `up: Stream<T>`"],
    );
    check_errors(
        "",
        "async fn tap(up: Stream<u8>) -> Stream<u8> { up.map(f) }",
        &["an operator cannot be `async`\n\
           help: remove `async`; for asynchronous work per item, use `.map_async(..)`"],
    );
    check_errors(
        "method = Load",
        "fn load(flow: &Flow) -> Stream<u8> { flow.input(source) }",
        &[
            "`load` does not begin with a stream, so it has no method form\n\
           help: make the stream the first parameter, or remove `method`",
        ],
    );
    check_errors(
        "",
        "fn größe(up: Stream<u8>) -> Stream<u8> { up.map(f) }",
        &[
            "`größe` is not a scope name, which an operator gives to its steps\n\
           help: use letters, digits and `_`: `gr__e`",
        ],
    );
}

#[test]
fn wrong_options() {
    check_errors(
        "metod = Tap",
        "fn tap(up: Stream<u8>) -> Stream<u8> { up.map(f) }",
        &["unknown option `metod`; expected `method`"],
    );
}

#[test]
fn what_a_flow_may_not_do_an_operator_may_not() {
    check_errors(
        "",
        "fn tap(up: Stream<u8>) -> Stream<u8> { up.clone().map(f); up.clone().output(s); up.output(s); x }",
        &[
            "two steps are named `up.output`\n\
             help: saved state is found by this name; give each step its own",
            "`up.output` is first used here",
            "the result of this `map` is never read\n\
             help: continue the chain, bind it with `let`, or end it with `.output(sink)`",
        ],
    );
    check_errors(
        "",
        "fn tap(up: Stream<u8>) { for s in sinks { up.clone().output(s); } }",
        &[
            "every iteration of this loop would build a step named `up.output`\n\
             help: wrap the body in `up.flow().scope(s, || { .. })` with a different name in each iteration",
            "the loop starts here",
        ],
    );
}

#[test]
fn a_body_may_leave_early() {
    check_errors(
        "",
        "fn load(flow: &Flow) -> Result<Stream<u8>, Error> { Ok(flow.input(open()?)) }",
        &[],
    );
}
