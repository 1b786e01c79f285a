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
    fn stable_hash(&self) -> u64 {
        let mut __bw_hash = ::bytewax::__private::FieldsHash::new();
        __bw_hash.add::<i64>(&self.x);
        __bw_hash.add::<i64>(&self.y);
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
    fn stable_hash(&self) -> u64 {
        let mut __bw_hash = ::bytewax::__private::FieldsHash::new();
        __bw_hash.add::<A>(&self.0);
        __bw_hash.add::<Vec<B>>(&self.1);
        __bw_hash.add::<[u8; N]>(&self.2);
        __bw_hash.add::<u8>(&self.3);
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
    fn stable_hash(&self) -> u64 {
        match self {
            Self::Nowhere => {
                ::bytewax::__private::FieldsHash::variant("Nowhere").finish()
            }
            Self::Room(__bw_0, __bw_1) => {
                let mut __bw_hash = ::bytewax::__private::FieldsHash::variant("Room");
                __bw_hash.add::<u32>(__bw_0);
                __bw_hash.add::<char>(__bw_1);
                __bw_hash.finish()
            }
            Self::r#In { city: __bw_0 } => {
                let mut __bw_hash = ::bytewax::__private::FieldsHash::variant("In");
                __bw_hash.add::<String>(__bw_0);
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
