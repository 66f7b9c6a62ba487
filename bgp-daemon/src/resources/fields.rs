//! The fields of a type, as its serde derive declares them.

use std::cell::Cell;
use std::iter;

use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::fault::Step;

/// The fields of the struct at a path inside a type; empty if there is no struct.
pub(super) fn known<T: DeserializeOwned>(path: &[Step]) -> &'static [&'static str] {
    let found = Cell::new(&[][..]);
    // It ends with an error at the end of the path.
    let _ = T::deserialize(Probe {
        path,
        found: &found,
    });
    found.get()
}

/// A value that contains only the path to another.
#[derive(Clone, Copy)]
struct Probe<'a> {
    path: &'a [Step],
    found: &'a Cell<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some((step, path)) = self.path.split_first() else {
            return Err(Error::custom("the path ends here"));
        };
        let rest = Self { path, ..self };
        match step {
            Step::Key(key) => {
                visitor.visit_map(MapDeserializer::new(iter::once((key.as_str(), rest))))
            }
            Step::Index(_) => visitor.visit_seq(SeqDeserializer::new(iter::once(rest))),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.path.is_empty() {
            self.found.set(fields);
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl IntoDeserializer<'_, Error> for Probe<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{BgpFilter, BgpPeer};

    #[test]
    fn fields_are_known_at_every_depth() {
        let key = |key: &str| Step::Key(key.into());
        assert_eq!(known::<BgpPeer>(&[]), ["metadata", "spec"]);
        assert!(known::<BgpPeer>(&[key("spec")]).contains(&"peerIP"));
        let reference = [key("spec"), key("password"), key("secretKeyRef")];
        assert_eq!(known::<BgpPeer>(&reference), ["name", "key", "optional"]);
        let rule = [key("spec"), key("importV4"), Step::Index(3)];
        assert!(known::<BgpFilter>(&rule).contains(&"matchOperator"));
        assert!(known::<BgpPeer>(&[key("nothing")]).is_empty());
    }
}
