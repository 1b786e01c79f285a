//! Whole expansions of `#[stateful]` on an `impl`, and what is reported.

use proc_macro2::TokenStream;

use super::super::expand;

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

/// Checks the messages, and whether there is an implementation all the same.
#[track_caller]
fn check_errors(options: &str, item: &str, is_implemented: bool, expect: &[&str]) {
    let file: syn::File = syn::parse2(expanded(options, item)).expect("items");
    let mut messages = Vec::new();
    let mut impls = 0;
    for item in file.items {
        match item {
            syn::Item::Macro(item) => {
                let text: syn::LitStr = item.mac.parse_body().expect("a message");
                messages.push(text.value());
            }
            syn::Item::Impl(_) => impls += 1,
            _ => {}
        }
    }
    assert_eq!(messages, expect, "{item}");
    assert_eq!(impls, 1 + usize::from(is_implemented), "{item}");
}

#[test]
fn all_hooks() {
    check(
        r#"crate = "crate""#,
        r#"
        impl<T: State> Visits<T> {
            fn on_item(&mut self, visit: Visit<T>, out: &mut Emit<(u64, T)>) -> Keep { Keep::Yes }
            #[cfg(feature = "late")]
            fn on_notify(&mut self, _: &mut bytewax::operators::Emit<(u64, T)>) -> Keep { Keep::No }
            fn on_eof(&mut self, out: &mut Emit<(u64, T)>) -> Keep { Keep::Yes }
            pub fn notify_at(&self) -> Option<Time> { self.last }
        }
        "#,
        r#"
#[allow(clippy::needless_pass_by_value, clippy::unused_self)]
impl<T: State> Visits<T> {
    fn on_item(&mut self, visit: Visit<T>, out: &mut Emit<(u64, T)>) -> Keep {
        Keep::Yes
    }
    #[cfg(feature = "late")]
    fn on_notify(&mut self, _: &mut bytewax::operators::Emit<(u64, T)>) -> Keep {
        Keep::No
    }
    fn on_eof(&mut self, out: &mut Emit<(u64, T)>) -> Keep {
        Keep::Yes
    }
    pub fn notify_at(&self) -> Option<Time> {
        self.last
    }
}
#[automatically_derived]
impl<T: State> crate::operators::StatefulLogic for Visits<T> {
    type In = Visit<T>;
    type Out = (u64, T);
    #[inline]
    fn on_item(
        &mut self,
        item: Self::In,
        out: &mut crate::operators::Emit<Self::Out>,
    ) -> crate::operators::Keep {
        Self::on_item(self, item, out)
    }
    #[cfg(feature = "late")]
    #[inline]
    fn on_notify(
        &mut self,
        out: &mut crate::operators::Emit<Self::Out>,
    ) -> crate::operators::Keep {
        Self::on_notify(self, out)
    }
    #[inline]
    fn on_eof(
        &mut self,
        out: &mut crate::operators::Emit<Self::Out>,
    ) -> crate::operators::Keep {
        Self::on_eof(self, out)
    }
    #[inline]
    fn notify_at(
        &self,
    ) -> ::core::option::Option<
        crate::__private::chrono::DateTime<crate::__private::chrono::Utc>,
    > {
        Self::notify_at(self)
    }
}
"#,
    );
}

#[test]
fn batches() {
    check(
        "",
        "impl Record { fn on_batch(&mut self, n: Vec<u32>, _: &mut Emit<u8>) -> Keep { Keep::Yes } }",
        r#"
#[allow(clippy::needless_pass_by_value, clippy::unused_self)]
impl Record {
    fn on_batch(&mut self, n: Vec<u32>, _: &mut Emit<u8>) -> Keep {
        Keep::Yes
    }
}
#[automatically_derived]
impl ::bytewax::operators::StatefulBatchLogic for Record {
    type In = u32;
    type Out = u8;
    #[inline]
    fn on_batch(
        &mut self,
        items: ::std::vec::Vec<Self::In>,
        out: &mut ::bytewax::operators::Emit<Self::Out>,
    ) -> ::bytewax::operators::Keep {
        Self::on_batch(self, items, out)
    }
}
"#,
    );
}

const ON_ITEM: &str = "fn on_item(&mut self, n: u8, out: &mut Emit<u8>) -> Keep { Keep::Yes }";
const OTHER: &str = "\nhelp: move other methods to an `impl` block without `#[stateful]`";

#[test]
fn a_hook_with_a_slip() {
    check_errors(
        "",
        &format!("impl Visits {{ {} }}", ON_ITEM.replace("on_item", "on_itm")),
        true,
        &[&format!(
            "`on_itm` is not a hook; did you mean `on_item`?{OTHER}"
        )],
    );
    check_errors(
        "",
        &format!("impl Visits {{ {ON_ITEM} fn on_noitfy(&mut self) {{}} fn total(&self) {{}} }}"),
        true,
        &[
            &format!("`on_noitfy` is not a hook; did you mean `on_notify`?{OTHER}"),
            "`on_notify` must be `fn on_notify(&mut self, out: &mut Emit<Out>) -> Keep`",
            &format!("`total` is not a hook{OTHER}"),
        ],
    );
    check_errors(
        "",
        &format!("impl Visits {{ {ON_ITEM} const LIMIT: u8 = 3; }}"),
        true,
        &["only hooks are allowed here\n\
           help: move it to an `impl` block without `#[stateful]`"],
    );
}

#[test]
fn a_hook_of_another_form() {
    let message =
        "`on_item` must be `fn on_item(&mut self, item: In, out: &mut Emit<Out>) -> Keep`";
    for (form, is_implemented) in [
        ("fn on_item(self, item: Click)", false),
        (
            "fn on_item(self, item: Click, out: &mut Emit<u8>) -> Keep",
            true,
        ),
        (
            "fn on_item(&mut self, item: Click, out: &mut Emit<u8>)",
            true,
        ),
        (
            "fn on_item(&mut self, item: Click, out: Emit<u8>) -> Keep",
            false,
        ),
        (
            "fn on_item(&mut self, item: Click, out: &mut Emit<u8>) -> bool",
            true,
        ),
        (
            "async fn on_item(&mut self, item: Click, out: &mut Emit<u8>) -> Keep",
            true,
        ),
        (
            "fn on_item<T>(&mut self, item: Click, out: &mut Emit<u8>) -> Keep",
            true,
        ),
    ] {
        let item = format!("impl Visits {{ {form} {{}} }}");
        check_errors("", &item, is_implemented, &[message]);
    }
    check_errors(
        "",
        &format!("impl Visits {{ {ON_ITEM} fn notify_at(&mut self) -> Option<Time> {{}} }}"),
        true,
        &["`notify_at` must be `fn notify_at(&self) -> Option<DateTime<Utc>>`"],
    );
}

#[test]
fn a_block_that_is_none() {
    check_errors(
        "",
        "impl Visits {}",
        false,
        &["the logic has neither `on_item` nor `on_batch`\n\
           help: write `fn on_item(&mut self, item: In, out: &mut Emit<Out>) -> Keep`"],
    );
    check_errors(
        "",
        &format!(
            "impl Visits {{ {ON_ITEM} fn on_batch(&mut self, n: Vec<u8>, o: &mut Emit<u8>) -> Keep {{}} }}"
        ),
        true,
        &["values come one by one or in batches, not both\n\
           help: keep `on_item` for `stateful`, or `on_batch` for `stateful_batch`"],
    );
    check_errors(
        "",
        &format!("impl StatefulLogic for Visits {{ type In = u8; {ON_ITEM} }}"),
        false,
        &["`#[stateful]` goes on an `impl` without a trait\n\
           help: it generates the implementation of the trait; remove it, or the trait"],
    );
    check_errors(
        "version = 2",
        &format!("impl Visits {{ {ON_ITEM} }}"),
        true,
        &["`version` is an option of the type\n\
           help: put it on the `struct` or `enum`"],
    );
    check_errors(
        "verison = 2",
        &format!("impl Visits {{ {ON_ITEM} }}"),
        true,
        &["unknown option `verison`; expected `version`, `from` or `reads`"],
    );
}
