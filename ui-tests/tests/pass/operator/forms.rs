//! Nested in an `impl`, beside other attributes, and as a method.
use bytewax::prelude::*;

struct Shop;

impl Shop {
    #[operator]
    #[allow(dead_code)]
    fn next<T>(r#type: Stream<T>, mut more: Vec<Stream<u8>>) -> (Stream<u8>, Vec<Stream<u8>>)
    where
        T: Into<u8> + 'static,
    {
        let first = r#type.map(Into::into);
        more.truncate(1);
        (first, more)
    }
}

#[operator(method = Repeated)]
pub fn repeated(up: bytewax::flow::Stream<String>, times: impl Into<usize>) -> Stream<String> {
    let times = times.into();
    return up.flat_map(move |text| vec![text; times]);
}

pub(super) fn main() {
    let out = bytewax::testing::run_items(["a".to_owned()], |up| up.repeated(2_usize));
    assert_eq!(out, ["a", "a"]);
}
