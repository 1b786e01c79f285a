use bytewax::prelude::*;

#[sink]
enum Post {}

fn main() {
    let _: Option<Post> = None;
}
