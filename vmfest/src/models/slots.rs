//! Lists in which a place may stay empty.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// How an empty place is written where there is no `nil`.
const NONE: &str = "none";

/// Reads a list whose empty places are `nil`, or `"none"` in TOML, which has no `nil`.
pub(super) fn slots<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Option<T>>, D::Error> {
    let slots = Vec::<Slot<T>>::deserialize(deserializer)?;
    Ok(slots.into_iter().map(|slot| slot.0).collect())
}

/// [`slots`], for a key that may be missing.
pub(super) fn optional_slots<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Option<T>>>, D::Error> {
    let slots = Option::<Vec<Slot<T>>>::deserialize(deserializer)?;
    Ok(slots.map(|slots| slots.into_iter().map(|slot| slot.0).collect()))
}

/// A list whose empty places are written as for every other one.
#[cfg(feature = "pallet")]
pub(crate) struct Slots<T>(pub(crate) Vec<Option<T>>);

#[cfg(feature = "pallet")]
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Slots<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        slots(deserializer).map(Self)
    }
}

struct Slot<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SlotVisitor(PhantomData))
    }
}

struct SlotVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SlotVisitor<T> {
    type Value = Slot<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a description of what is there, or none")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Slot<T>, E> {
        Ok(Slot(None))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Slot<T>, E> {
        if text == NONE {
            Ok(Slot(None))
        } else {
            Err(E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Slot<T>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|value| Slot(Some(value)))
    }
}
