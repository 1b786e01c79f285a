use bytewax::prelude::*;

#[operator]
fn clean(text: String) -> String {
    text.trim().to_owned()
}

fn main() {
    clean(String::new());
}
