//! Whole expansions of `#[stateful]`, and what is reported.

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

/// The first line of each message, and whether the item and its implementation are there.
#[track_caller]
fn check_errors(options: &str, item: &str, expect: &[&str]) {
    let file: syn::File = syn::parse2(expanded(options, item)).expect("items");
    let mut messages = Vec::new();
    let mut implemented = false;
    for item in file.items {
        match item {
            syn::Item::Macro(item) => {
                let text: syn::LitStr = item.mac.parse_body().expect("a message");
                let text = text.value();
                messages.push(text.lines().next().unwrap_or_default().to_owned());
            }
            syn::Item::Const(_) => implemented = true,
            _ => {}
        }
    }
    assert_eq!(messages, expect);
    assert!(implemented, "errors do not keep the type from being state");
}

#[test]
fn a_struct_with_history() {
    check(
        "version = 3, from(OldMean), reads(2)",
        "#[derive(Default)] struct Mean { sum: f64, #[serde(default)] last: Option<Url> }",
        r#"
#[derive(
    ::bytewax::__private::serde::Serialize,
    ::bytewax::__private::serde::Deserialize
)]
#[serde(crate = "::bytewax::__private::serde")]
#[derive(Default)]
#[serde(remote = "Self")]
struct Mean {
    sum: f64,
    #[serde(default)]
    last: Option<Url>,
}
const _: () = {
    #[allow(unused_imports)]
    use ::bytewax::__private::ByName as _;
    #[automatically_derived]
    impl ::bytewax::state::State for Mean {
        const SCHEMA: ::bytewax::state::Schema = ::bytewax::state::Schema::new(
                "Mean",
                3u32,
                &[
                    ::bytewax::state::Field::known_or_opaque(
                        "sum",
                        ::bytewax::__private::OfState::<f64>::SCHEMA,
                        "f64",
                    ),
                    ::bytewax::state::Field::known_or_opaque(
                        "last",
                        ::bytewax::__private::OfState::<Option<Url>>::SCHEMA,
                        "Option<Url>",
                    ),
                ],
            )
            .with_history(
                2u32,
                ::core::option::Option::Some(
                    &<OldMean as ::bytewax::state::State>::SCHEMA,
                ),
            )
            .read_within();
        fn load(
            saved: ::bytewax::state::Saved<'_>,
        ) -> ::core::result::Result<Self, ::bytewax::state::StateError> {
            if saved.version() < 2u32 {
                return <OldMean as ::bytewax::state::State>::load(saved)
                    .map(<Self as ::core::convert::From<OldMean>>::from);
            }
            if (2u32..3u32).contains(&saved.version()) {
                return saved.decode_older(&[1usize, 2usize]);
            }
            saved.decode()
        }
    }
    #[automatically_derived]
    impl ::bytewax::__private::serde::Serialize for Mean {
        fn serialize<__S: ::bytewax::__private::serde::Serializer>(
            &self,
            serializer: __S,
        ) -> ::core::result::Result<__S::Ok, __S::Error> {
            Self::serialize(self, serializer)
        }
    }
    #[automatically_derived]
    impl<'de> ::bytewax::__private::serde::Deserialize<'de> for Mean {
        fn deserialize<__D: ::bytewax::__private::serde::Deserializer<'de>>(
            deserializer: __D,
        ) -> ::core::result::Result<Self, __D::Error> {
            match ::bytewax::__private::Older::of::<Self>() {
                ::core::option::Option::None => Self::deserialize(deserializer),
                ::core::option::Option::Some(older) if older.version() < 2u32 => {
                    <OldMean as ::bytewax::state::State>::read_older::<__D>(deserializer)
                        .map(<Self as ::core::convert::From<OldMean>>::from)
                }
                ::core::option::Option::Some(older) => {
                    Self::deserialize(older.first(&[1usize, 2usize], deserializer)?)
                }
            }
        }
    }
    const _: () = ::core::assert!(
        < OldMean as ::bytewax::state::State > ::SCHEMA.version == 1u32,
        "`Mean` is version 3 and reads 2 by itself, so the type in `from(..)` must be version 1"
    );
};
"#,
    );
}

#[test]
fn a_generic_enum() {
    check(
        r#"crate = "crate""#,
        "pub enum Place<T> { Nowhere, Room(u32, Vec<T>), r#In { city: Box<Place<T>> } }",
        r#"
#[derive(crate::__private::serde::Serialize, crate::__private::serde::Deserialize)]
#[serde(crate = "crate::__private::serde")]
pub enum Place<T> {
    Nowhere,
    Room(u32, Vec<T>),
    r#In { city: Box<Place<T>> },
}
const _: () = {
    #[allow(unused_imports)]
    use crate::__private::ByName as _;
    #[automatically_derived]
    impl<T: crate::state::State> crate::state::State for Place<T> {
        const SCHEMA: crate::state::Schema = crate::state::Schema::new(
                "Place",
                1u32,
                &[
                    crate::state::Field::variant("Nowhere"),
                    crate::state::Field::variant("Room"),
                    crate::state::Field::known_or_opaque(
                        "Room.0",
                        crate::__private::OfState::<u32>::SCHEMA,
                        "u32",
                    ),
                    crate::state::Field::known_or_opaque(
                        "Room.1",
                        crate::__private::OfState::<Vec<T>>::SCHEMA,
                        "Vec<T>",
                    ),
                    crate::state::Field::variant("In"),
                    crate::state::Field::opaque("In.city", "Box<Self<T>>"),
                ],
            )
            .without_number();
    }
};
"#,
    );
}

#[test]
fn what_serde_is_told_counts() {
    check(
        "version = 1",
        r#"
        #[derive(serde::Serialize, Deserialize)]
        struct Cart {
            #[serde(skip)]
            cache: Cache,
            #[serde(rename = "cents")]
            total: u64,
            #[serde(with = "seconds")]
            age: Duration,
        }
        "#,
        r#"
#[derive(serde::Serialize, Deserialize)]
struct Cart {
    #[serde(skip)]
    cache: Cache,
    #[serde(rename = "cents")]
    total: u64,
    #[serde(with = "seconds")]
    age: Duration,
}
const _: () = {
    #[allow(unused_imports)]
    use ::bytewax::__private::ByName as _;
    #[automatically_derived]
    impl ::bytewax::state::State for Cart {
        const SCHEMA: ::bytewax::state::Schema = ::bytewax::state::Schema::new(
            "Cart",
            1u32,
            &[
                ::bytewax::state::Field::known_or_opaque(
                    "cents",
                    ::bytewax::__private::OfState::<u64>::SCHEMA,
                    "u64",
                ),
                ::bytewax::state::Field::opaque("age", "Duration by hand"),
            ],
        );
    }
};
"#,
    );
}

#[test]
fn wrong_options() {
    let item = "struct S { a: u8 }";
    check_errors(
        "verison = 2, form(Old)",
        item,
        &[
            "unknown option `verison`; expected `version`, `from` or `reads`",
            "unknown option `form`; expected `version`, `from` or `reads`",
        ],
    );
    check_errors("version = 0", item, &["there is no version 0"]);
    check_errors(
        "version = 65536",
        item,
        &["versions are whole numbers from 1 to 65535"],
    );
    check_errors(
        "version = 2, version = 3",
        item,
        &["`version` is set twice"],
    );
    check_errors("from(Old)", item, &["version 1 has no previous version"]);
    check_errors(
        "version = 2, from(A, B)",
        item,
        &["`from(..)` takes one type"],
    );
}

#[test]
fn wrong_reads() {
    let item = "struct S { a: u8, #[serde(default)] b: u8 }";
    check_errors("reads(1)", item, &["version 1 has no previous version"]);
    let gap = "`reads(..)` must name the versions just before 4, without a gap";
    check_errors("version = 4, reads(1, 3)", item, &[gap]);
    check_errors("version = 4, reads(4)", item, &[gap]);
    check_errors(
        "version = 2, reads()",
        item,
        &["`reads(..)` names older versions, such as `reads(1)`"],
    );
    check_errors(
        "version = 2, reads(1)",
        "struct S { #[serde(default)] b: u8, a: u8 }",
        &["no field at the end has `#[serde(default)]`, so an older version cannot lack a field"],
    );
}

#[test]
fn what_saved_state_cannot_have() {
    let names = "cannot be used in saved state, which contains no field names";
    check_errors(
        "",
        r#"#[serde(untagged)] enum E { A(#[serde(skip_serializing_if = "x")] u8), #[serde(skip)] B }"#,
        &[
            &format!("`untagged` {names}"),
            &format!("`skip_serializing_if` {names}"),
            "`skip` cannot be used in saved state, where the index of a variant identifies it",
        ],
    );
}

/// What functions read and write can mean something else without a sign.
#[test]
fn functions_ask_for_a_version() {
    let told = |word: &str| {
        format!(
            "`{word}` names custom serialization code, and no check can detect a change of its format"
        )
    };
    for (word, item) in [
        (
            "with",
            "struct S { #[serde(with = \"seconds\")] a: Duration }",
        ),
        (
            "serialize_with",
            "struct S(#[serde(serialize_with = \"seconds\")] Duration);",
        ),
        (
            "deserialize_with",
            "enum E { A { #[serde(deserialize_with = \"seconds\")] a: Duration } }",
        ),
        (
            "with",
            "enum E { #[serde(with = \"seconds\")] A(Duration) }",
        ),
        (
            "from",
            "#[serde(from = \"u64\", into = \"u64\")] struct S { a: Duration }",
        ),
        ("try_from", "#[serde(try_from = \"u64\")] enum E { A }"),
    ] {
        check_errors("", item, &[&told(word)]);
        check_errors("version = 1", item, &[]);
    }
    check_errors(
        "",
        "struct S { #[serde(default = \"seconds\")] a: Duration }",
        &[],
    );
}

#[test]
fn what_borrows_is_left_alone() {
    let text = expanded("", "struct S<'a> { #[serde(default)] a: &'a str }").to_string();
    assert!(
        text.starts_with("struct S < 'a > { a : & 'a str }"),
        "{text}"
    );
    assert!(text.contains("saved state cannot borrow"), "{text}");
}

#[test]
fn only_types_and_impls() {
    for item in ["fn f() {}", "trait T {}", "mod m {}"] {
        let text = expanded("", item).to_string();
        assert!(
            text.contains("`#[stateful]` goes on a struct, an enum or an `impl`"),
            "{text}"
        );
    }
    let text = expanded("", "union U { a: u8 }").to_string();
    assert!(text.contains("a union cannot be saved"), "{text}");
}

#[test]
fn half_written_items_stay() {
    let text = expanded("", "struct S { a: u8, b }").to_string();
    assert!(text.contains("struct S"), "{text}");
}
