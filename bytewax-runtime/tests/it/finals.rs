//! One result a key, at the end of input.

use bytewax_runtime::testing::{run_items, run_keyed};

use crate::rows::rows;
use crate::shared::{run_on, sorted};

fn letters(workers: usize, batch_size: usize) -> Vec<(char, u64)> {
    run_on(workers, batch_size, ['a', 'a', 'b', 'c', 'b', 'a'], |s| {
        s.key_on(|letter| *letter).count_final().named("count")
    })
}

fn joined(batch_size: usize) -> Vec<(char, String)> {
    let items = ["a", "b", "c", "d"].map(|text| ('k', text.to_owned()));
    run_on(1, batch_size, items, |s| {
        s.reduce_final(|a, b| a + &b).named("join")
    })
}

const ONES: [(char, i32); 6] = [('a', 1), ('a', 4), ('a', 2), ('a', 9), ('a', 4), ('a', 3)];
const TIES: [(char, (i32, char)); 2] = [('k', (1, 'a')), ('k', (1, 'b'))];
const FIELDS: [(char, (i32, char)); 3] = [('a', (1, 'x')), ('a', (9, 'y')), ('a', (3, 'z'))];

rows! {
    d12_count_final_in_order_of_keys: letters(1, 1) => [('a', 3), ('b', 2), ('c', 1)];
    d12_count_final_on_workers: sorted(letters(3, 2)) => [('a', 3), ('b', 2), ('c', 1)];
    d14_fold_final: run_keyed(ONES, |s| s.fold_final(|| 0, |max, n| *max = n.max(*max)).named("f")) => [('a', 9)];
    d16_fold_final_of_nothing: run_keyed(Vec::<(char, i32)>::new(), |s| s.fold_final(Vec::new, Vec::push).named("f")) => Vec::<(char, Vec<i32>)>::new();
    d16_fold_final_per_key: run_keyed([('a', 1), ('b', 2), ('a', 3)], |s| s.fold_final(Vec::new, Vec::push).named("f")) => [('a', vec![1, 3]), ('b', vec![2])];
    d18_reduce_final: run_keyed(ONES, |s| s.reduce_final(i32::max).named("f")) => [('a', 9)];
    d19_reduce_final_of_a_single_value: run_keyed([('k', 7)], |s| s.reduce_final(|_, _| panic!("it was called")).named("f")) => [('k', 7)];
    d20_reduce_final_keeps_the_order_1: joined(1) => [('k', "abcd".to_owned())];
    d20_reduce_final_keeps_the_order_2: joined(2) => [('k', "abcd".to_owned())];
    d20_reduce_final_keeps_the_order_10: joined(10) => [('k', "abcd".to_owned())];
    d21_none_is_a_value_like_others: run_keyed([('k', None), ('k', Some(1)), ('k', None)], |s| s.reduce_final(|a: Option<i32>, b| Some(a.unwrap_or(10) + b.unwrap_or(100))).named("f")) => [('k', Some(111))];
    d22_max_final_by_a_field: run_keyed(FIELDS, |s| s.max_final(|v| v.0).named("f")) => [('a', (9, 'y'))];
    d22_min_final_by_a_field: run_keyed(FIELDS, |s| s.min_final(|v| v.0).named("f")) => [('a', (1, 'x'))];
    d23_max_final_keeps_the_first_of_equals: run_keyed(TIES, |s| s.max_final(|v| v.0).named("f")) => [('k', (1, 'a'))];
    d23_min_final_keeps_the_first_of_equals: run_keyed(TIES, |s| s.min_final(|v| v.0).named("f")) => [('k', (1, 'a'))];
    d24_a_nan_never_takes_the_place: run_keyed([('k', 1.0), ('k', f64::NAN), ('k', 2.0)], |s| s.max_final(|v| *v).named("f")) => [('k', 2.0)];
    d24_a_nan_gives_way: run_keyed([('k', f64::NAN), ('k', 1.0), ('k', 2.0)], |s| s.min_final(|v| *v).named("f")) => [('k', 1.0)];
    c32_the_empty_text_is_a_key: run_keyed([(String::new(), 1)], |s| s.fold_final(|| 0, |sum, n| *sum += n).named("f")) => [(String::new(), 1)];
    d34_finals_in_a_row: run_items(['a', 'b', 'c', 'b', 'a'], |s| {
        let counts = s.key_on(|c| *c).count_final().named("count");
        counts.key_on(|_| ()).fold_final(Vec::new, Vec::push).named("list")
    }) => [((), vec![('a', 2), ('b', 2), ('c', 1)])];
    reduce_final_with_more_keys_than_are_combined_at_once: run_on(1, 8192, (0..300_000_u64).chain(0..300_000), |s| s.map(|n| (n, 1_u64)).reduce_final(|a, b| a + b).named("f")).iter().filter(|(_, n)| *n == 2).count() => 300_000;
}
