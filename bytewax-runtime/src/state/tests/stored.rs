//! The bytes that are saved.

use super::*;

#[stateful(crate = "crate")]
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Nowhere,
    Room(u32, char),
    Other {
        city: String,
        seen: Option<DateTime<Utc>>,
    },
}

#[stateful(crate = "crate", version = 2)]
#[derive(Clone, Debug, PartialEq)]
struct Mean {
    sum: f64,
    count: u64,
}

fn time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 5).expect("in range")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn other() -> Place {
    Place::Other {
        city: "Paris".to_owned(),
        seen: Some(time()),
    }
}

/// The stable format. These values may NEVER change: state that was saved by one release is read by
/// all later ones. Add lines for new types; a line that fails means that the code is wrong.
#[test]
fn saved_bytes_never_change() {
    let golden = [
        (hex(&sealed(&())), "b10101005f6ac0f6175fee099c27dd26"),
        (hex(&sealed(&true)), "b1010100266c329db2865a58016f3ba8f4"),
        (
            hex(&sealed(&300_u64)),
            "b10101001768444ae5c0dbbffb2c0173303ad8",
        ),
        (hex(&sealed(&-1_i32)), "b10101000e9f6a80c40df83b0190c903e9"),
        (
            hex(&sealed(&2.5_f64)),
            "b1010100bc212c247aa23ecb0000000000000440b072654e",
        ),
        (
            hex(&sealed(&"ada".to_owned())),
            "b101010025d8f8cb6d8270a6036164613ed4772b",
        ),
        (
            hex(&sealed(&time())),
            "b1010100118ca008e8a1c59f1e323032332d31312d31345432323a31333a32302e3030303030303030355a26a750f5",
        ),
        (
            hex(&sealed(&vec![Some(1_u8), None])),
            "b10101004abc14291511ea61020101008fe5b77b",
        ),
        (
            hex(&sealed(&BTreeMap::from([(1_u8, 'a')]))),
            "b1010100349d4a1b5f8b11eb0101612595f20c",
        ),
        (
            hex(&sealed(&(1_u8, BTreeSet::from([2_u16])))),
            "b1010100006edc061a2aa5ae01010266b39497",
        ),
        (
            hex(&sealed(&Mean {
                sum: 2.5,
                count: 300,
            })),
            "b1010200b38482d475286be30000000000000440fb2c01c90d7932",
        ),
        (
            hex(&sealed(&Place::Nowhere)),
            "b101010050315b5a74d0bb7c00099a853d",
        ),
        (
            hex(&sealed(&Place::Room(7, 'x'))),
            "b101010050315b5a74d0bb7c0107788b3a1a20",
        ),
        (
            hex(&sealed(&other())),
            "b101010050315b5a74d0bb7c02055061726973011e323032332d31312d31345432323a31333a32302e3030303030303030355aa388811c",
        ),
    ];
    for (found, expect) in golden {
        assert_eq!(found, expect);
    }
}

/// As above: all bytes of the head are fixed by the schema.
#[test]
fn fingerprints_never_change() {
    let golden = [
        (fingerprint::<()>(), 0x09ee_5f17_f6c0_6a5f),
        (fingerprint::<bool>(), 0x585a_86b2_9d32_6c26),
        (fingerprint::<char>(), 0xa732_0176_4c0a_ca26),
        (fingerprint::<String>(), 0xa670_826d_cbf8_d825),
        (fingerprint::<u8>(), 0x4d3c_1a19_3e92_4b45),
        (fingerprint::<u16>(), 0x9485_f3e5_31b7_55c0),
        (fingerprint::<u32>(), 0xa6b2_45e5_3c3f_e02a),
        (fingerprint::<u64>(), 0xbfdb_c0e5_4a44_6817),
        (fingerprint::<u128>(), 0xf574_0973_67e0_6bca),
        (fingerprint::<usize>(), 0x9341_d845_57d6_cb5a),
        (fingerprint::<i8>(), 0x2b03_7619_2b4f_9cd1),
        (fingerprint::<i16>(), 0x2a1b_bbc4_7624_b8cc),
        (fingerprint::<i32>(), 0x3bf8_0dc4_806a_9f0e),
        (fingerprint::<i64>(), 0x1094_40c4_67d1_4f5b),
        (fingerprint::<i128>(), 0xd884_e5d4_d771_8676),
        (fingerprint::<isize>(), 0xe648_3661_0048_7346),
        (fingerprint::<f32>(), 0x9ff6_d57a_0bab_4cc1),
        (fingerprint::<f64>(), 0xcb3e_a27a_242c_21bc),
        (fingerprint::<DateTime<Utc>>(), 0x9fc5_a1e8_08a0_8c11),
        (fingerprint::<Option<u8>>(), 0x01f6_343a_a966_f5bb),
        (fingerprint::<Vec<u8>>(), 0xa52c_a56c_dc78_81e8),
        (fingerprint::<BTreeSet<u8>>(), 0xde20_3931_6582_5e82),
        (fingerprint::<BTreeMap<u8, u16>>(), 0xdd2f_7fb3_39d9_d710),
        (fingerprint::<(u8,)>(), 0x3451_8f60_9e62_2c78),
        (
            fingerprint::<(u8, u16, u32, u64, i8, i16, i32, i64)>(),
            0xe4b4_121b_b497_7c6a,
        ),
        (fingerprint::<Mean>(), 0xe36b_2875_d482_84b3),
        (fingerprint::<Place>(), 0x7cbb_d074_5a5b_3150),
    ];
    for (found, expect) in golden {
        assert_eq!(found, expect, "{found:#x}");
    }
}

#[test]
fn every_change_of_a_byte_is_found() {
    for bytes in [
        sealed(&()),
        sealed(&Mean { sum: 2.5, count: 3 }),
        sealed(&other()),
    ] {
        for place in 0..bytes.len() {
            for change in 1..=u8::MAX {
                let mut changed = bytes.clone();
                changed[place] ^= change;
                let error = peek(&changed).expect_err("was changed");
                assert!(error.is_damaged(), "byte {place}: {error}");
            }
        }
    }
}

#[test]
fn every_cut_is_found() {
    let bytes = sealed(&other());
    for len in 0..bytes.len() {
        assert!(open::<Place>(&bytes[..len]).is_err(), "cut to {len}");
        assert!(
            open::<Place>(&bytes[len + 1..]).is_err(),
            "without the first {len}"
        );
    }
    assert!(
        open::<Place>(&[&bytes[..], &[0]].concat()).is_err(),
        "one more"
    );
}

#[test]
fn a_codec_of_the_future_is_named() {
    let mut bytes = sealed(&7_u8);
    bytes[1] = 9;
    let end = bytes.len() - 4;
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&sum[..4]);
    let error = peek(&bytes).expect_err("is refused");
    assert!(error.is_newer());
    assert!(
        error
            .to_string()
            .starts_with("saved state is written with codec 9")
    );
}

#[test]
fn what_cannot_be_read_again_is_not_saved() {
    #[derive(Debug, serde::Deserialize, serde::Serialize)]
    struct Any(serde_json::Value);
    impl State for Any {
        const SCHEMA: Schema = Schema::new("Any", 1, &[Field::opaque("0", "Value")]);
    }
    let mut bytes = vec![1];
    let error = seal(&Any(serde_json::Value::Bool(true)), &mut bytes).expect_err("is refused");
    assert!(
        error
            .to_string()
            .starts_with("state of `Any` can be saved but not read again\nhelp:")
    );
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(bytes, [1]);
}

#[test]
#[allow(
    clippy::needless_pass_by_value,
    reason = "the list reads better without `&`"
)]
fn built_in_types_come_back() {
    #[track_caller]
    fn check<S: State + PartialEq + Debug>(state: S) {
        assert_eq!(open::<S>(&sealed(&state)).expect("can be read"), state);
    }
    check(());
    check((
        u128::MAX,
        i128::MIN,
        usize::MAX,
        isize::MIN,
        f32::MIN,
        '\u{10ffff}',
    ));
    check(Box::new(Some(time())));
    check(VecDeque::from([1_u8, 2]));
    check(HashMap::from([("a".to_owned(), vec![true])]));
    check(HashSet::from([1_i16, -1]));
    check((1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8));
}

fn places() -> impl Strategy<Value = Place> {
    let seen = proptest::option::of(0_i64..4_000_000_000);
    let seen = seen.prop_map(|it| it.and_then(|it| DateTime::from_timestamp(it, 0)));
    prop_oneof![
        Just(Place::Nowhere),
        any::<(u32, char)>().prop_map(|(number, door)| Place::Room(number, door)),
        (any::<String>(), seen).prop_map(|(city, seen)| Place::Other { city, seen }),
    ]
}

proptest! {
    #[test]
    fn saved_values_come_back(places in proptest::collection::vec(places(), 0..8), before: Vec<u8>) {
        let mut bytes = before.clone();
        seal(&places, &mut bytes).expect("is fine");
        prop_assert_eq!(&bytes[..before.len()], &before[..]);
        prop_assert_eq!(open::<Vec<Place>>(&bytes[before.len()..]).expect("is fine"), places);
    }

    #[test]
    fn foreign_bytes_are_an_error(mut bytes: Vec<u8>, marked: bool) {
        if marked && let Some(first) = bytes.first_mut() {
            *first = 0xb1;
        }
        prop_assert!(open::<Vec<Place>>(&bytes).expect_err("is refused").is_damaged());
    }

    #[test]
    fn bytes_with_a_right_checksum_are_a_value_or_an_error(value: Vec<u8>) {
        let mut bytes = sealed(&vec![other()])[..12].to_vec();
        bytes.extend_from_slice(&value);
        let sum = xxhash_rust::xxh3::xxh3_64(&bytes).to_le_bytes();
        bytes.extend_from_slice(&sum[..4]);
        let _ = open::<Vec<Place>>(&bytes);
    }
}
