//! Whole expansions of `#[derive(Key)]`.

use super::expand;

#[track_caller]
fn check(item: &str, expect: &str) {
    let expansion = expand(item.parse().expect("balanced tokens"));
    let file = syn::parse2(expansion).expect("an implementation");
    let printed = prettyplease::unparse(&file);
    assert_eq!(printed.trim(), expect.trim(), "{printed}");
}

#[test]
fn a_struct_with_names() {
    check(
        "struct Point { x: i64, y: i64 }",
        r#"
#[automatically_derived]
impl ::bytewax::Key for Point {
    const SHAPE: ::bytewax::__private::KeyShape = ::bytewax::__private::KeyShape::fields(
        &[("x", <i64 as ::bytewax::Key>::SHAPE), ("y", <i64 as ::bytewax::Key>::SHAPE)],
    );
    fn stable_hash(&self) -> u64 {
        let mut __bw_hash = ::bytewax::__private::FieldsHash::new();
        __bw_hash.add_hash(<i64 as ::bytewax::Key>::stable_hash(&self.x));
        __bw_hash.add_hash(<i64 as ::bytewax::Key>::stable_hash(&self.y));
        __bw_hash.finish()
    }
}
"#,
    );
}

#[test]
fn a_tuple_with_generics() {
    check(
        "struct Pair<A, B: Copy, const N: usize>(A, Vec<B>, [u8; N], u8) where A: Copy;",
        r#"
#[automatically_derived]
impl<A, B: Copy, const N: usize> ::bytewax::Key for Pair<A, B, N>
where
    A: Copy,
    A: ::bytewax::Key,
    Vec<B>: ::bytewax::Key,
    [u8; N]: ::bytewax::Key,
{
    const SHAPE: ::bytewax::__private::KeyShape = ::bytewax::__private::KeyShape::tuple(
        &[
            <A as ::bytewax::Key>::SHAPE,
            <Vec<B> as ::bytewax::Key>::SHAPE,
            <[u8; N] as ::bytewax::Key>::SHAPE,
            <u8 as ::bytewax::Key>::SHAPE,
        ],
    );
    fn stable_hash(&self) -> u64 {
        let mut __bw_hash = ::bytewax::__private::FieldsHash::new();
        __bw_hash.add_hash(<A as ::bytewax::Key>::stable_hash(&self.0));
        __bw_hash.add_hash(<Vec<B> as ::bytewax::Key>::stable_hash(&self.1));
        __bw_hash.add_hash(<[u8; N] as ::bytewax::Key>::stable_hash(&self.2));
        __bw_hash.add_hash(<u8 as ::bytewax::Key>::stable_hash(&self.3));
        __bw_hash.finish()
    }
}
"#,
    );
}

#[test]
fn a_unit_struct() {
    check(
        "struct All;",
        r#"
#[automatically_derived]
impl ::bytewax::Key for All {
    const SHAPE: ::bytewax::__private::KeyShape = ::bytewax::__private::KeyShape::tuple(
        &[],
    );
    fn stable_hash(&self) -> u64 {
        ::bytewax::__private::FieldsHash::new().finish()
    }
}
"#,
    );
}

#[test]
fn an_enum() {
    check(
        "enum Place { Nowhere, Room(u32, char), r#In { city: String } }",
        r#"
#[automatically_derived]
impl ::bytewax::Key for Place {
    const SHAPE: ::bytewax::__private::KeyShape = ::bytewax::__private::KeyShape::variants(
        &[
            ("Nowhere", ::bytewax::__private::KeyShape::tuple(&[])),
            (
                "Room",
                ::bytewax::__private::KeyShape::tuple(
                    &[<u32 as ::bytewax::Key>::SHAPE, <char as ::bytewax::Key>::SHAPE],
                ),
            ),
            (
                "In",
                ::bytewax::__private::KeyShape::fields(
                    &[("city", <String as ::bytewax::Key>::SHAPE)],
                ),
            ),
        ],
    );
    fn stable_hash(&self) -> u64 {
        match self {
            Self::Nowhere => {
                ::bytewax::__private::FieldsHash::variant("Nowhere").finish()
            }
            Self::Room(__bw_0, __bw_1) => {
                let mut __bw_hash = ::bytewax::__private::FieldsHash::variant("Room");
                __bw_hash.add_hash(<u32 as ::bytewax::Key>::stable_hash(__bw_0));
                __bw_hash.add_hash(<char as ::bytewax::Key>::stable_hash(__bw_1));
                __bw_hash.finish()
            }
            Self::r#In { city: __bw_0 } => {
                let mut __bw_hash = ::bytewax::__private::FieldsHash::variant("In");
                __bw_hash.add_hash(<String as ::bytewax::Key>::stable_hash(__bw_0));
                __bw_hash.finish()
            }
        }
    }
}
"#,
    );
}

#[test]
fn an_enum_without_variants() {
    check(
        "enum Never {}",
        r#"
#[automatically_derived]
impl ::bytewax::Key for Never {
    const SHAPE: ::bytewax::__private::KeyShape = ::bytewax::__private::KeyShape::variants(
        &[],
    );
    fn stable_hash(&self) -> u64 {
        match *self {}
    }
}
"#,
    );
}

#[test]
fn a_union_is_refused() {
    let expansion = expand("union Bits { int: u32 }".parse().expect("balanced tokens"));
    assert!(
        expansion
            .to_string()
            .contains("a union cannot be used as a key")
    );
}

/// What serde is told counts; what is not known of it is not guessed.
#[test]
fn a_shape_is_known_where_serde_saves_what_is_seen() {
    let shape = |item: &str| {
        let expansion = expand(item.parse().expect("balanced tokens")).to_string();
        let (_, shape) = expansion.split_once("KeyShape = ").expect("it has a shape");
        let (shape, _) = shape.split_once(';').expect("it ends");
        shape
            .replace(' ', "")
            .replace("::bytewax::__private::KeyShape::", "")
    };
    assert_eq!(shape("struct Id(u64);"), "<u64as::bytewax::Key>::SHAPE");
    assert_eq!(
        shape(r#"#[serde(deny_unknown_fields)] struct A { #[serde(rename = "b: c")] a: u8 }"#),
        r#"fields(&[("b__c",<u8as::bytewax::Key>::SHAPE)])"#
    );
    for item in [
        r#"struct A { #[serde(with = "f")] a: u8 }"#,
        "struct A { #[serde(skip)] a: u8 }",
        r#"#[serde(from = "u8", into = "u8")] struct A(u8);"#,
        r#"enum A { #[serde(other)] B }"#,
        r#"#[serde(rename_all = "camelCase")] struct A { a: u8 }"#,
    ] {
        assert_eq!(shape(item), "UNKNOWN", "{item}");
    }
}
