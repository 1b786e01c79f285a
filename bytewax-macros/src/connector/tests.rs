//! Whole expansions of `#[source]` and `#[sink]`, and what is reported.

use proc_macro2::TokenStream;

use super::{sink, source};

type Attribute = fn(TokenStream, &TokenStream) -> TokenStream;

fn expanded(attribute: Attribute, options: &str, item: &str) -> TokenStream {
    let tokens = |text: &str| text.parse().expect("balanced tokens");
    attribute(tokens(options), &tokens(item))
}

#[track_caller]
fn check(attribute: Attribute, options: &str, item: &str, expect: &str) {
    let file = syn::parse2(expanded(attribute, options, item)).expect("items");
    let printed = prettyplease::unparse(&file);
    assert_eq!(printed.trim(), expect.trim(), "{printed}");
}

/// Checks the messages, and that there is something for the rest of the program to use all the same.
#[track_caller]
fn check_errors(attribute: Attribute, options: &str, item: &str, expect: &[&str]) {
    let file: syn::File = syn::parse2(expanded(attribute, options, item)).expect("items");
    let mut messages = Vec::new();
    for item in &file.items {
        if let syn::Item::Macro(item) = item {
            let text: syn::LitStr = item.mac.parse_body().expect("a message");
            messages.push(text.value());
        }
    }
    assert_eq!(messages, expect, "{item}");
    assert!(messages.len() < file.items.len(), "{item}");
}

#[test]
fn settings_that_choose_what_is_read() {
    let item =
        "fn read(#[partition] topic: &str, #[partition] part: u32, pace: u64) -> Poll<u8> { f() }";
    let text = expanded(source, "", item).to_string().replace(' ', "");
    let name = "::bytewax::__private::partition_of(\"read\",&[(\"topic\",::std::string::ToString::to_string\
                (&topic)),(\"part\",::std::string::ToString::to_string(&part))])";
    assert!(text.contains(name), "{text}");
    check_errors(
        source,
        "",
        "fn read(#[partition] #[resume] topic: &mut u64) -> Poll<u8> { f() }",
        &["only a setting can choose what is read\n\
           help: put `#[partition]` on a parameter such as `topic: &str`"],
    );
    check_errors(
        sink,
        "",
        "fn write(items: Vec<u8>, #[partition] topic: &str) { f() }",
        &["a sink that is a function saves nothing\n\
           help: remove `#[partition]`: no position belongs to what the setting chooses"],
    );
}

#[test]
fn a_function_with_all_sorts_of_parameters() {
    check(
        source,
        r#"crate = "crate""#,
        r#"
        /// Reads.
        pub fn read<T: Decode>(
            url: &Url,
            #[local(Client::open(url, every)?)] client: &mut Client,
            mut every: Duration,
            #[resume] next: &mut u64,
            tags: &[&'static str],
        ) -> io::Result<Poll<T>> {
            client.next(next)
        }
        "#,
        r#"
/// Reads.
pub fn read<T: Decode>(
    url: Url,
    every: Duration,
    tags: ::std::vec::Vec<&'static str>,
) -> impl crate::source::FixedPartitionedSource<
    crate::delivery::Replayable,
    Item = T,
    Position = u64,
> + ::core::clone::Clone {
    #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
    fn read<T: Decode>(
        #[allow(unused_variables)]
        url: &Url,
        client: &mut Client,
        #[allow(unused_variables)]
        mut every: Duration,
        next: &mut u64,
        tags: &[&'static str],
    ) -> io::Result<Poll<T>> {
        client.next(next)
    }
    crate::__private::source_fn::<
        crate::delivery::Replayable,
        T,
        u64,
        (Client,),
        _,
        _,
    >(
        "read",
        crate::__private::settings_of(
            &{
                #[allow(unused_imports)]
                use crate::__private::{ByDisplay as _, ByPath as _, NotShown as _};
                #[allow(clippy::needless_borrow)]
                let __bw_settings = [
                    ("url", (&&&crate::__private::Shown(&url)).shown()),
                    ("every", (&&&crate::__private::Shown(&every)).shown()),
                    ("tags", (&&&crate::__private::Shown(&tags)).shown()),
                ];
                __bw_settings
            },
        ),
        {
            let url = ::core::clone::Clone::clone(&url);
            let every = ::core::clone::Clone::clone(&every);
            move || {
                let url = &url;
                let every = ::core::clone::Clone::clone(&every);
                ::core::result::Result::Ok((Client::open(url, every)?,))
            }
        },
        move |__bw_position, __bw_local| {
            read::<
                T,
            >(
                    &url,
                    &mut __bw_local.0,
                    ::core::clone::Clone::clone(&every),
                    __bw_position,
                    &tags,
                )
                .map_err(::core::convert::Into::into)
        },
    )
}
"#,
    );
}

#[test]
fn a_function_that_writes() {
    check(
        sink,
        "",
        "fn post(batch: Vec<Alert>, url: &str) { send(url, batch) }",
        r#"
fn post(
    url: ::std::string::String,
) -> impl ::bytewax::sink::DynamicSink<
    Alert,
    ::bytewax::delivery::Append,
> + ::core::clone::Clone {
    #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
    fn post(batch: Vec<Alert>, url: &str) {
        send(url, batch)
    }
    ::bytewax::__private::sink_fn::<
        ::bytewax::delivery::Append,
        Alert,
        (),
        _,
        _,
    >(
        move || ::core::result::Result::Ok(()),
        move |batch, __bw_local| ::core::result::Result::Ok(post(batch, &url)),
    )
}
"#,
    );
}

#[test]
fn blocks_of_a_sink() {
    check(
        sink,
        "",
        r#"
        impl<D: Dir> Files<D> {
            fn partitions(&self) -> io::Result<Vec<String>> { self.dir.list() }
            fn open(&self, partition: &str, resume: Option<u64>) -> Result<File, OpenError> { .. }
        }
        "#,
        r#"
#[allow(clippy::needless_pass_by_value, clippy::unused_self, clippy::unnecessary_wraps)]
impl<D: Dir> Files<D> {
    fn partitions(&self) -> io::Result<Vec<String>> {
        self.dir.list()
    }
    fn open(&self, partition: &str, resume: Option<u64>) -> Result<File, OpenError> {
        ..
    }
}
#[automatically_derived]
impl<
    D: Dir,
    __BwValue,
    __BwKey: ::bytewax::key::Key,
> ::bytewax::sink::FixedPartitionedSink<__BwKey, __BwValue, ::bytewax::delivery::Append>
for Files<D>
where
    File: ::bytewax::sink::StatefulSinkPartition<__BwValue, Position = u64>,
{
    type Position = u64;
    type Partition = File;
    fn partitions(
        &self,
    ) -> ::core::result::Result<
        ::std::vec::Vec<::std::string::String>,
        ::bytewax::StepError,
    > {
        Self::partitions(self).map_err(::core::convert::Into::into)
    }
    fn open(
        &self,
        partition: &str,
        resume: ::core::option::Option<Self::Position>,
    ) -> ::core::result::Result<Self::Partition, ::bytewax::StepError> {
        Self::open(self, partition, resume).map_err(::core::convert::Into::into)
    }
}
"#,
    );
}

#[test]
fn what_a_source_that_is_a_function_cannot_be() {
    for (item, fault, mend) in [
        (
            "fn ticks(every: Duration) -> u64 { 5 }",
            "a source returns `Poll<T>` or `Result<Poll<T>, E>`",
            "`Poll::item(..)`, `Poll::batch(..)`, `Poll::idle(..)` and `Poll::end()` create one",
        ),
        (
            "fn ticks() {}",
            "a source returns `Poll<T>` or `Result<Poll<T>, E>`",
            "`Poll::item(..)`, `Poll::batch(..)`, `Poll::idle(..)` and `Poll::end()` create one",
        ),
        (
            "fn ticks(#[resume] a: &mut u64, #[resume] b: &mut u64) -> Poll<u64> {}",
            "a source has one position",
            "put both in one struct with `#[stateful]`",
        ),
        (
            "fn ticks(#[resume] #[local(3)] a: &mut u64) -> Poll<u64> {}",
            "a parameter cannot be both a position and a resource",
            "keep `#[resume]` for a position, or `#[local(..)]` for a resource",
        ),
        (
            "fn ticks(n: &mut u64) -> Poll<u64> {}",
            "a setting cannot be `&mut`, but `n` is",
            "`#[resume]` makes it a position that is saved; `#[local(value)]` makes it once on each \
             worker",
        ),
        (
            "async fn ticks() -> Poll<u64> {}",
            "a source cannot be `async`",
            "for an `async` stream, use `AsyncBatches`",
        ),
        (
            "fn ticks(&self) -> Poll<u64> {}",
            "a source that is a function has no `self`",
            "put `#[source]` on an `impl` block, or take what it needs as parameters",
        ),
        (
            "fn ticks<'a>(url: &'a Url) -> Poll<u64> {}",
            "a source owns its settings, so it has no lifetimes",
            "write references without a lifetime: `url: &Url`",
        ),
    ] {
        check_errors(source, "", item, &[&format!("{fault}\nhelp: {mend}")]);
    }
    for (item, message) in [
        (
            "fn ticks(#[resume] n: u64) -> Poll<u64> {}",
            "`#[resume]` goes on a parameter such as `position: &mut u64`",
        ),
        (
            "fn ticks(#[local(Client::new())] n: &Client) -> Poll<u64> {}",
            "`#[local(..)]` goes on a parameter such as `client: &mut Client`",
        ),
        (
            "fn ticks(#[local] n: &mut Client) -> Poll<u64> {}",
            "expected an expression that creates it: `#[local(Client::new())]`",
        ),
    ] {
        check_errors(source, "", item, &[message]);
    }
    check_errors(
        source,
        "partition",
        "fn ticks() -> Poll<u64> {}",
        &["a function has no partitions\n\
           help: put this on the `impl` block of the type that is opened for a partition"],
    );
}

#[test]
fn what_a_sink_that_is_a_function_cannot_be() {
    for (item, fault, mend) in [
        (
            "fn post() {}",
            "a sink takes the items first",
            "make the first parameter one such as `items: Vec<String>`",
        ),
        (
            "fn post(url: &Url, items: Vec<u8>) {}",
            "a sink takes the items first",
            "make the first parameter one such as `items: Vec<String>`",
        ),
        (
            "fn post(items: Vec<u8>) -> usize {}",
            "a sink returns nothing or `Result<(), E>`",
            "an error stops the run",
        ),
        (
            "fn post(items: Vec<u8>) -> Result<u8, E> {}",
            "a sink returns nothing or `Result<(), E>`",
            "an error stops the run",
        ),
        (
            "fn post(items: Vec<u8>, #[resume] at: &mut u64) {}",
            "a sink that is a function saves nothing",
            "for a position, put `#[sink]` on `impl` blocks",
        ),
    ] {
        check_errors(sink, "", item, &[&format!("{fault}\nhelp: {mend}")]);
    }
}

#[test]
fn what_blocks_lack() {
    let open = "fn open(&self, partition: &str, resume: Option<u64>) -> Part { todo!() }";
    let list = "fn partitions(&self) -> Vec<String> { todo!() }";
    let build = "fn build(&self, a: &StepId, b: WorkerIndex, c: usize) -> Part { todo!() }";
    let block = |methods: &[&str]| format!("impl S {{ {} }}", methods.join(" "));
    check_errors(source, "", &block(&[list, open]), &[]);
    check_errors(source, "", &block(&[build]), &[]);
    check_errors(
        source,
        "",
        &block(&[list]),
        &["`open` is missing\n\
           help: write `fn open(&self, partition: &str, resume: Option<Position>) -> Partition`"],
    );
    check_errors(
        sink,
        "",
        &block(&[open]),
        &["`partitions` is missing\nhelp: write `fn partitions(&self) -> Vec<String>`"],
    );
    check_errors(
        sink,
        "",
        &block(&[]),
        &["how this sink is opened is not said\n\
           help: write `fn partitions(&self) -> Vec<String>` and `fn open(&self, partition: &str, \
           resume: Option<Position>) -> Partition`; or, for one part on every worker, `fn \
           build(&self, step: &StepId, worker: WorkerIndex, workers: usize) -> Part`"],
    );
    check_errors(
        source,
        "",
        &block(&[list, open, build]),
        &[
            "this source has partitions, or one part on every worker, not both\n\
           help: keep `partitions` and `open`, or `build`",
        ],
    );
    check_errors(
        source,
        "",
        &block(&[&list.replace("partitions", "partition"), open]),
        &["`partition` is not a hook; did you mean `partitions`?\n\
           help: move other methods to an `impl` block without `#[source]`"],
    );
    check_errors(
        source,
        "",
        &block(&[&list.replace("&self", ""), open]),
        &["`partitions` must be `fn partitions(&self) -> Vec<String>`"],
    );
    check_errors(
        source,
        "partition",
        &block(&["fn snapshot(&self) -> u64 { 0 }"]),
        &["`next_batch` is missing\nhelp: write `fn next_batch(&mut self) -> Poll<Item>`"],
    );
    check_errors(
        sink,
        "partition",
        &block(&["fn close(&mut self) {}"]),
        &["`write_batch` is missing\n\
           help: write `fn write_batch(&mut self, items: Vec<Item>) -> Result<(), E>`"],
    );
    check_errors(
        sink,
        "partition",
        &block(&[
            "fn write_batch(&mut self, items: Vec<u8>) {}",
            "fn completed(&mut self) {}",
        ]),
        &["`completed` must be `fn completed(&mut self, epoch: Epoch) -> Result<(), E>`"],
    );
    check_errors(
        sink,
        "partition",
        &block(&["fn write_batch(&mut self, items: Vec<u8>) -> usize { 0 }"]),
        &["`write_batch` must be \
           `fn write_batch(&mut self, items: Vec<Item>) -> Result<(), E>`"],
    );
}

#[test]
fn other_items() {
    check_errors(
        source,
        "",
        "struct S;",
        &["`#[source]` goes on a function or an `impl`\n\
           help: of a type, put it on the `impl` block with its methods"],
    );
    check_errors(
        sink,
        "partitoin",
        "impl S { fn build(&self, a: &StepId, b: WorkerIndex, c: usize) -> Part {} }",
        &["unknown option `partitoin`; expected `partition`, `transactional` or `idempotent`"],
    );
}

#[test]
fn what_connectors_cannot_declare() {
    check_errors(
        sink,
        "transactional",
        "fn post(items: Vec<u8>) {}",
        &[
            "a sink that is a function is not transactional: it neither saves a position nor commits\n\
           help: implement `TransactionalSink`, or put `#[sink(transactional)]` on `impl` blocks with `snapshot`",
        ],
    );
    check_errors(
        sink,
        "idempotent, transactional",
        "impl S { fn build(&self, a: &StepId, b: WorkerIndex, c: usize) -> Part {} }",
        &["it is declared `idempotent` already"],
    );
    check_errors(
        source,
        "partition, not_replayable",
        "impl S { fn next_batch(&mut self) -> Poll<u8> {} }",
        &[
            "what is opened for a partition does not declare `not_replayable`\n\
           help: put it on the `impl` block that opens partitions",
        ],
    );
}
