use std::time::Duration;

use bytewax::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod seconds {
    use super::*;

    pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        time.as_secs().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

#[stateful]
struct Visit {
    #[serde(with = "seconds")]
    time: Duration,
}

fn main() {}
