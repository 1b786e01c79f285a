use std::hash::{BuildHasherDefault, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use proptest::prelude::*;

use super::hash::{bytes, mix};
use super::*;

fn time(seconds: i64, nanos: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, nanos).expect("in range")
}

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("in range")
}

/// Hashes the key, after checking that it comes back from being written as it was.
#[track_caller]
#[allow(
    clippy::needless_pass_by_value,
    reason = "the tables read better without `&`"
)]
fn hash_of<K: Key>(key: K) -> u64 {
    let mut bytes = Vec::new();
    crate::codec::encode_stored(&key, &mut bytes).expect("encodes");
    let same: K = crate::codec::decode_stored(&bytes).expect("decodes");
    assert_eq!(same, key);

    let hash = key.stable_hash();
    assert_eq!(
        same.stable_hash(),
        hash,
        "{key:?} changes its hash by being written and read"
    );
    hash
}

macro_rules! golden {
    ($($key:expr => $hash:literal),+ $(,)?) => {
        vec![$((stringify!($key), hash_of($key), $hash)),+]
    };
}

/// The stable format, version 1. These values may NEVER change: state that was saved under a hash is
/// only found again under the same one. Add lines for new types; a line that fails means that the
/// code is wrong. The values were computed from the rules by a second implementation.
#[test]
fn hashes_never_change() {
    let golden: Vec<(&str, u64, u64)> = golden! {
        0_u8 => 0xe220_a839_7b1d_cdaf,
        1_u8 => 0x910a_2dec_8902_5cc1,
        255_u8 => 0x338c_5071_4628_3fb4,
        -1_i8 => 0xe4d9_7177_1b65_2c20,
        i8::MIN => 0x91de_0036_e7e6_bc39,
        65_535_u16 => 0xcf0f_635e_85b8_5d76,
        i16::MIN => 0x2e3b_2ee7_c80b_725d,
        1_000_000_u32 => 0x680d_1cce_9cff_45e7,
        u32::MAX => 0x73b1_3ba2_aff1_81c0,
        -1_000_000_i32 => 0xa095_d63c_0eba_ccd2,
        i32::MIN => 0xee15_91ea_220f_b185,
        4096_u64 => 0xd73a_9a3d_941e_7ec7,
        u64::MAX => 0xe4d9_7177_1b65_2c20,
        i64::MAX => 0x2a67_d755_2e03_9ea7,
        i64::MIN => 0x481e_c0a2_12a9_f3db,
        42_usize => 0xbdd7_3226_2feb_6e95,
        -42_isize => 0x2785_535a_58ae_2bae,
        42_u128 => 0xbdd7_3226_2feb_6e95,
        u128::from(u64::MAX) + 1 => 0x5e41_ab08_7439_611e,
        u128::MAX => 0x6309_143e_67a4_7936,
        -42_i128 => 0x2785_535a_58ae_2bae,
        i128::from(i64::MIN) - 1 => 0xb298_1084_7c25_5d81,
        i128::MAX => 0xcd97_f2d6_52fd_fbb4,
        i128::MIN => 0x86db_92e8_33b0_c1a0,
        false => 0xe220_a839_7b1d_cdaf,
        true => 0x910a_2dec_8902_5cc1,
        'a' => 0x4f5d_a978_776a_9db1,
        'ß' => 0xeaaf_4fba_c1d1_6892,
        char::MAX => 0xc00d_70b7_05bd_4e28,
        String::new() => 0x2d06_8005_38d3_94c2,
        String::from("a") => 0xe6c6_32b6_1e96_4e1f,
        String::from("ada") => 0x691d_4463_952c_802f,
        String::from("Grüße, 世界") => 0x061c_3279_1c67_88d4,
        String::from("0123456789abcdef") => 0x6443_9946_d8fa_212d,
        "x".repeat(17) => 0x8997_5e6b_7d2f_5a11,
        "x".repeat(128) => 0x4ca3_7e83_f6cd_dd17,
        "x".repeat(129) => 0xe4f9_7421_08fe_27dc,
        "x".repeat(240) => 0x3e16_ca8a_0c6c_cb68,
        "x".repeat(241) => 0x14da_9e5c_301a_6a1d,
        "x".repeat(5000) => 0x8d85_67cb_c9ee_3d90,
        Arc::<str>::from("sensor-17") => 0x6457_8606_797f_acfe,
        Box::<str>::from("sensor-18") => 0x3749_1301_e351_5fca,
        vec![0_u8, 1, 2, 255] => 0xca78_fb9c_857b_2b5f,
        Vec::<u8>::new() => 0x2d06_8005_38d3_94c2,
        [7_u8; 16] => 0xfe8a_7fec_7d80_ca73,
        [0_u8; 32] => 0xa057_271c_9071_c99d,
        () => 0x2cb0_f69f_4abe_a221,
        None::<u64> => 0xdb7c_3efb_8b61_ce20,
        Some(0_u64) => 0x20e5_d963_4da9_06fe,
        Some(String::from("ada")) => 0xd19c_9881_4f3f_d2be,
        Some(None::<bool>) => 0xc0b2_9065_a7d5_ac08,
        Some(Some(true)) => 0xd407_bc3f_c35c_6c2c,
        (1_u32,) => 0xca7e_d89f_ca67_8729,
        (String::from("ada"), 7_u64) => 0x00a0_6a51_d82f_83aa,
        (7_u64, String::from("ada")) => 0x6822_381a_7d07_6dac,
        (1_u8, 2_u8, 3_u8) => 0xda33_af76_5784_2786,
        ((1_u8, 2_u8), 3_u8) => 0xd53c_8a6b_5c2d_40bd,
        (1_u8, 2_u8, 3_u8, 4_u8) => 0xbc3c_4561_a208_73ad,
        (1_u8, 2_u8, 3_u8, 4_u8, 5_u8) => 0xe8a4_f0ba_3e00_7a07,
        (1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8) => 0x10de_271c_8c76_f4ca,
        (1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8) => 0x8379_fc3f_c526_9e06,
        (1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8) => 0x648a_acbe_3bd3_0290,
        (1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8) => 0x6071_3510_c5ae_b6c5,
        (1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 10_u8) => 0xc6a2_0688_9faa_5e03,
        (1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 10_u8, 11_u8) => 0xc9da_11ae_9c48_583a,
        (1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 10_u8, 11_u8, 12_u8) => 0xeac3_0459_7491_08cd,
        DateTime::<Utc>::UNIX_EPOCH => 0xfae3_86a1_1ba4_2ef4,
        time(1_704_067_200, 123_456_789) => 0x6025_6ef1_b300_be3e,
        time(-1, 999_999_999) => 0xc729_d05a_929a_1de2,
        time(1_483_228_799, 1_500_000_000) => 0x6611_69fb_f8c5_ac09,
        DateTime::<Utc>::MIN_UTC => 0x8d01_9e58_13f5_29c9,
        DateTime::<Utc>::MAX_UTC => 0xb3a7_6c17_e701_6773,
        date(1970, 1, 1) => 0x2517_5321_5746_8a53,
        date(2024, 2, 29) => 0xed0d_4fc4_d5c4_475b,
        date(1, 1, 1) => 0x910a_2dec_8902_5cc1,
        date(0, 12, 31) => 0xe220_a839_7b1d_cdaf,
        Ipv4Addr::new(127, 0, 0, 1) => 0x3147_a0ea_4051_a0ce,
        Ipv6Addr::LOCALHOST => 0x910a_2dec_8902_5cc1,
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1) => 0x4de8_97d9_54fd_23d5,
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)) => 0x38dd_f68b_113c_d42a,
        IpAddr::V6(Ipv6Addr::LOCALHOST) => 0x785a_0480_8aa8_6aa8,
    };
    assert!(golden.len() >= 40);
    let changed: Vec<_> = golden
        .iter()
        .filter(|(_, hash, expected)| hash != expected)
        .collect();
    assert!(
        changed.is_empty(),
        "hashes of the stable format have changed: {changed:#x?}"
    );
}

#[test]
fn text_is_hashed_by_xxh3_as_published() {
    assert_eq!(bytes(b""), 0x2d06_8005_38d3_94c2);
    // The sanity buffer of the reference implementation: one length for each of its code paths.
    let mut generator = 0x9e37_79b1_u64;
    let buffer: Vec<u8> = (0..2048)
        .map(|_| {
            let byte = (generator >> 56) as u8;
            generator = generator.wrapping_mul(0x9e37_79b1_85eb_ca8d);
            byte
        })
        .collect();
    for (length, expected) in [
        (0, 0x2d06_8005_38d3_94c2),
        (1, 0xc44b_dff4_074e_ecdb),
        (6, 0x27b5_6a84_cd2d_7325),
        (12, 0xa713_daf0_dfbb_77e7),
        (24, 0xa3fe_70bf_9d35_10eb),
        (48, 0x397d_a259_ecba_1f11),
        (80, 0xbcde_fbbb_2c47_c90a),
        (195, 0xcd94_217e_e362_ec3a),
        (403, 0xcdeb_804d_65c6_dea4),
        (512, 0x617e_4959_9013_cb6b),
        (2048, 0xdd59_e2c3_a5f0_38e0),
    ] {
        assert_eq!(bytes(&buffer[..length]), expected, "{length} bytes");
    }
}

#[test]
fn numbers_are_mixed_by_split_mix_64_as_published() {
    // The first numbers of the generator for the seed 1234567.
    let mut seed = 1_234_567_u64;
    for expected in [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ] {
        assert_eq!(mix(seed), expected);
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
    assert_ne!(mix(0), 0);
}

/// Undoes `x ^ (x >> shift)`.
fn unshift(x: u64, shift: u32) -> u64 {
    let mut known = x;
    for _ in 0..64 / shift {
        known = x ^ (known >> shift);
    }
    known
}

/// The number whose inverse this is, modulo 2^64, by Newton's method.
fn inverse(odd: u64) -> u64 {
    let mut guess = odd;
    for _ in 0..6 {
        guess = guess.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(guess)));
    }
    guess
}

fn unmix(hash: u64) -> u64 {
    let z = unshift(hash, 31).wrapping_mul(inverse(0x94d0_49bb_1331_11eb));
    let z = unshift(z, 27).wrapping_mul(inverse(0xbf58_476d_1ce4_e5b9));
    unshift(z, 30).wrapping_sub(0x9e37_79b9_7f4a_7c15)
}

/// How far counts are from even, in standard deviations of a random spread.
fn unevenness(counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    let expected = total / counts.len() as f64;
    let chi_squared: f64 = counts
        .iter()
        .map(|&count| (f64::from(count) - expected).powi(2) / expected)
        .sum();
    let freedom = (counts.len() - 1) as f64;
    (chi_squared - freedom) / (2.0 * freedom).sqrt()
}

#[track_caller]
fn assert_even(counts: &[u32], what: &str) {
    let unevenness = unevenness(counts);
    assert!(
        unevenness < 6.0,
        "{what}: {unevenness} standard deviations from even"
    );
}

fn count(values: impl IntoIterator<Item = usize>, classes: usize) -> Vec<u32> {
    let mut counts = vec![0; classes];
    for value in values {
        counts[value] += 1;
    }
    counts
}

/// Hashes of many sets of similar keys.
fn similar_keys() -> Vec<(String, Vec<u64>)> {
    const KEYS: u64 = 1 << 17;
    let mut sets = Vec::new();
    for step in [1, 2, 10, 1000, 4096, 1 << 20, 1 << 32, 1 << 47] {
        let hashes = (0..KEYS).map(|key| (key * step).stable_hash()).collect();
        sets.push((format!("multiples of {step}"), hashes));
    }
    let below_zero = (0..KEYS as i64).map(|key| (-key).stable_hash()).collect();
    sets.push(("negative numbers".to_owned(), below_zero));
    let wide = (0..KEYS)
        .map(|key| (u128::from(key) << 64).stable_hash())
        .collect();
    sets.push(("wide numbers".to_owned(), wide));
    let texts = (0..KEYS)
        .map(|key| format!("user-{key}").stable_hash())
        .collect();
    sets.push(("text".to_owned(), texts));
    let pairs = (0..KEYS)
        .map(|key| (key % 256, key / 256).stable_hash())
        .collect();
    sets.push(("pairs".to_owned(), pairs));
    let same = (0..KEYS).map(|key| (key, key).stable_hash()).collect();
    sets.push(("pairs of the same".to_owned(), same));
    let options = (0..KEYS).map(|key| Some(key).stable_hash()).collect();
    sets.push(("options".to_owned(), options));
    let times = (0..KEYS as i64).map(|key| time(1_700_000_000 + 60 * key, 0).stable_hash());
    sets.push(("minutes".to_owned(), times.collect()));
    sets
}

fn bucket(hash: u64) -> usize {
    (hash % 4096) as usize
}

fn tag(hash: u64) -> usize {
    (hash >> 57) as usize
}

#[test]
fn similar_keys_spread_evenly_and_do_not_collide() {
    for (keys, mut hashes) in similar_keys() {
        let low = count(hashes.iter().map(|&hash| Slot::of(hash).index()), SLOTS);
        assert_even(&low, &format!("low 12 bits of {keys}"));
        let high = count(hashes.iter().map(|&hash| tag(hash)), 128);
        assert_even(&high, &format!("high 7 bits of {keys}"));

        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all, "{keys} collide");
    }
}

#[test]
fn tables_are_filled_evenly_whichever_slots_the_worker_owns() {
    type Owns = fn(usize) -> bool;
    let owned: [(&str, Owns); 7] = [
        ("every slot", |_| true),
        ("every second slot", |slot| slot % 2 == 1),
        ("every fourth slot", |slot| slot % 4 == 2),
        ("every third slot", |slot| slot % 3 == 0),
        ("the first half of slots", |slot| slot < SLOTS / 2),
        ("the last quarter of slots", |slot| slot >= SLOTS / 4 * 3),
        ("16 neighbouring slots", |slot| (1600..1616).contains(&slot)),
    ];
    for (keys, hashes) in similar_keys() {
        for (slots, owns) in owned {
            let hashes = hashes
                .iter()
                .copied()
                .filter(|&hash| owns(Slot::of(hash).index()));
            let hashes: Vec<u64> = hashes.map(table_hash).collect();
            let what = format!("{keys}, {slots}");
            // As many buckets as a table of this size has, or fewer: chi-squared wants some in each.
            let buckets = (hashes.len() / 16).next_power_of_two().min(4096);
            let filled = count(hashes.iter().map(|&hash| bucket(hash) % buckets), buckets);
            assert_even(&filled, &format!("buckets: {what}"));
            // Keys that meet in a bucket are told apart by the tag.
            for part in [0, 1] {
                let neighbours = hashes.iter().filter(|&&hash| bucket(hash) % 2 == part);
                let tags = count(neighbours.map(|&hash| tag(hash) % 32), 32);
                assert_even(&tags, &format!("low tag bits: {what}"));
                let neighbours = hashes.iter().filter(|&&hash| bucket(hash) % 2 == part);
                let tags = count(neighbours.map(|&hash| tag(hash) >> 2), 32);
                assert_even(&tags, &format!("high tag bits: {what}"));
            }
        }
    }
}

#[test]
fn a_table_hash_is_needed() {
    let hashes = (0..1_u64 << 17).map(|key| key.stable_hash());
    let hashes: Vec<u64> = hashes
        .filter(|&hash| Slot::of(hash).index() % 4 == 2)
        .collect();
    let empty = |counts: &[u32]| counts.iter().filter(|&&count| count == 0).count();
    let plain = count(hashes.iter().map(|&hash| bucket(hash)), 4096);
    assert_eq!(
        empty(&plain),
        3072,
        "three quarters of buckets are never filled"
    );
    let rotated = count(hashes.iter().map(|&hash| bucket(table_hash(hash))), 4096);
    assert!(empty(&rotated) < 16);
}

/// Takes the hash that it is given.
#[derive(Default)]
struct Given(u64);

impl Hasher for Given {
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("only whole hashes are given")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[test]
fn a_table_finds_what_it_holds_by_table_hash() {
    let mut table = hashbrown::HashMap::<u64, u64, BuildHasherDefault<Given>>::default();
    let owned: Vec<u64> = (0..20_000)
        .filter(|key: &u64| Slot::of(key.stable_hash()).index().is_multiple_of(2))
        .collect();
    for &key in &owned {
        table.insert(table_hash(key.stable_hash()), key);
    }
    assert_eq!(table.len(), owned.len());
    for &key in &owned {
        assert_eq!(table.get(&table_hash(key.stable_hash())), Some(&key));
    }
}

#[test]
fn slots_are_spread_over_workers() {
    for workers in [1, 2, 3, 7, 64, 5000] {
        let owners = SlotOwners::spread(workers);
        for slot in Slot::all() {
            assert_eq!(owners.owner_of(slot), slot.index() % workers);
            let hash = slot.index() as u64 + 4096 * 77;
            assert_eq!(Slot::of(hash), slot);
            assert_eq!(owners.owner(hash), slot.index() % workers);
        }
    }
    assert_eq!(
        format!("{:?}", SlotOwners::spread(3)),
        "SlotOwners { slots_by_worker: [1366, 1365, 1365] }"
    );
}

#[test]
fn slots_can_be_owned_in_any_way() {
    let owners = SlotOwners::from_fn(|slot| usize::from(slot.index() >= 100));
    assert_eq!(owners.owner(99), 0);
    assert_eq!(owners.owner(100), 1);
    assert_eq!(owners.owner(4096), 0);
}

#[test]
#[should_panic(expected = "no workers")]
fn slots_need_a_worker() {
    let _owners = SlotOwners::spread(0);
}

#[test]
fn the_name_of_a_variant_has_the_same_hash_at_run_time() {
    for length in 0..600 {
        let name = "Variant".repeat(length)[..length].to_owned();
        assert_eq!(
            FieldsHash::variant(&name).finish(),
            mix(bytes(name.as_bytes()))
        );
    }
}

#[test]
fn shapes_do_not_share_hashes() {
    let hashes = [
        ().stable_hash(),
        0_u8.stable_hash(),
        (0_u8,).stable_hash(),
        ((0_u8,),).stable_hash(),
        (0_u8, 0_u8).stable_hash(),
        (0_u8, 0_u8, 0_u8).stable_hash(),
        ((0_u8, 0_u8), 0_u8).stable_hash(),
        (0_u8, (0_u8, 0_u8)).stable_hash(),
        (0_u8, ()).stable_hash(),
        None::<u8>.stable_hash(),
        Some(0_u8).stable_hash(),
        Some(None::<u8>).stable_hash(),
        Some(Some(0_u8)).stable_hash(),
        (None::<u8>, Some(0_u8)).stable_hash(),
        (Some(0_u8), None::<u8>).stable_hash(),
        String::new().stable_hash(),
        (String::new(),).stable_hash(),
        (String::from("ab"), String::from("c")).stable_hash(),
        (String::from("a"), String::from("bc")).stable_hash(),
    ];
    let mut distinct = hashes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), hashes.len());
}

/// Equal keys must have equal hashes and unequal ones, for all that chance can tell, others.
fn agree<K: Key>(left: &K, right: &K) -> Result<(), TestCaseError> {
    prop_assert_eq!(left == right, left.stable_hash() == right.stable_hash());
    prop_assert_eq!(left.clone().stable_hash(), left.stable_hash());
    Ok(())
}

fn numbers() -> impl Strategy<Value = i128> {
    prop_oneof![
        any::<i128>(),
        any::<i64>().prop_map(i128::from),
        any::<u64>().prop_map(i128::from),
        any::<i32>().prop_map(i128::from),
        any::<i8>().prop_map(i128::from),
        any::<u8>().prop_map(i128::from),
    ]
}

/// Checks that the number has this hash in each of the types that can hold it.
macro_rules! same_in {
    ($number:expr, $hash:expr; $($integer:ty),+) => {$(
        if let Ok(number) = <$integer>::try_from($number) {
            prop_assert_eq!(hash_of(number), $hash, "{} as {}", number, stringify!($integer));
        }
    )+};
}

proptest! {
    #[test]
    fn a_number_has_one_hash_in_every_type(number in numbers()) {
        let hash = number.stable_hash();
        same_in!(number, hash; u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, isize);
        if let Ok(number) = u32::try_from(number) {
            if let Some(character) = char::from_u32(number) {
                prop_assert_eq!(hash_of(character), hash);
            }
            prop_assert_eq!(hash_of(Ipv4Addr::from_bits(number)), hash);
        }
        if let Ok(number) = u128::try_from(number) {
            prop_assert_eq!(hash_of(Ipv6Addr::from_bits(number)), hash);
        }
    }

    #[test]
    fn a_text_has_one_hash_in_every_type(text in any::<String>()) {
        let hash = hash_of(text.clone());
        prop_assert_eq!(hash_of(Arc::<str>::from(text.as_str())), hash);
        prop_assert_eq!(hash_of(text.clone().into_boxed_str()), hash);
        prop_assert_eq!(hash_of(text.into_bytes()), hash);
    }

    #[test]
    fn bytes_have_one_hash_in_every_type(bytes in any::<[u8; 20]>()) {
        prop_assert_eq!(hash_of(bytes), hash_of(bytes.to_vec()));
    }

    #[test]
    fn mixing_loses_nothing(number: u64) {
        prop_assert_eq!(unmix(mix(number)), number);
    }

    #[test]
    fn the_order_of_fields_counts(left: u64, right: u64) {
        prop_assume!(left != right);
        prop_assert_ne!((left, right).stable_hash(), (right, left).stable_hash());
    }

    #[test]
    fn equal_hashes_mean_equal_keys(
        left: (u8, Option<bool>, String),
        right: (u8, Option<bool>, String),
        small_left: (bool, Option<Option<bool>>),
        small_right: (bool, Option<Option<bool>>),
        number_left: u128,
        number_right: u128,
    ) {
        agree(&left, &right)?;
        agree(&small_left, &small_right)?;
        agree(&number_left, &number_right)?;
    }

    #[test]
    fn times_are_keys_over_their_whole_range(
        seconds in DateTime::<Utc>::MIN_UTC.timestamp()..=DateTime::<Utc>::MAX_UTC.timestamp(),
        nanos in 0_u32..1_000_000_000,
    ) {
        let time = time(seconds, nanos);
        prop_assert_eq!(hash_of(time), (seconds, nanos).stable_hash());
        hash_of(time.date_naive());
    }
}

#[test]
fn the_first_and_last_dates_are_keys() {
    assert_ne!(hash_of(NaiveDate::MIN), hash_of(NaiveDate::MAX));
}

#[test]
fn keys_come_back_from_json() {
    fn comes_back<K: Key>(key: &K) {
        let json = serde_json::to_string(key).expect("encodes");
        assert_eq!(&serde_json::from_str::<K>(&json).expect("decodes"), key);
    }
    comes_back(&Arc::<str>::from("sensor-17"));
    comes_back(&(i128::MIN, u128::MAX, [3_u8; 32]));
    comes_back(&(time(1_483_228_799, 1_500_000_000), date(-4000, 1, 1)));
    comes_back(&IpAddr::V6(Ipv6Addr::LOCALHOST));
}

#[test]
fn a_secret_key_is_the_key_inside_it() {
    let secret = crate::secret::Secret("ada".to_owned());
    assert_eq!(secret.stable_hash(), "ada".to_owned().stable_hash());
    let (mut hidden, mut plain) = (Vec::new(), Vec::new());
    crate::codec::encode_stored(&secret, &mut hidden).unwrap();
    crate::codec::encode_stored(&"ada", &mut plain).unwrap();
    assert_eq!(hidden, plain, "the bytes in a store are the same");
}
