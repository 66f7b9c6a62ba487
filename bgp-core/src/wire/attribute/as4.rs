//! Peers with two-octet AS numbers (RFC 6793): merging the paths that they send, and converting ours for them.

use bytes::BufMut;

use super::as_path::{AsPath, AsPathView, Builder, Segment, SegmentKind};
use super::canonical::{AttributeView, put};
use super::{code, flag};
use crate::types::Asn;

/// The path of a route: AS4_PATH, preceded by the numbers that two-octet speakers have prepended since (RFC 6793 §4.2.3).
/// AS4_PATH is ignored if it is longer than AS_PATH. Lengths are those of the decision process.
pub(in crate::wire) fn merge(as_path: &AsPath, as4_path: &AsPath) -> AsPath {
    let (as_path, as4_path) = (as_path.view(), as4_path.view());
    let Some(excess) = as_path.route_len().checked_sub(as4_path.route_len()) else {
        return as_path.to_owned();
    };
    let mut path = Joined::default();
    path.push_leading(as_path, excess as usize);
    // RFC 6793 §6: confederation segments are not allowed in AS4_PATH.
    for segment in as4_path
        .segments()
        .filter(|segment| !segment.kind.is_confederation())
    {
        path.push(segment, usize::MAX);
    }
    path.finish()
}

/// Segments of the merged path; adjacent sequences are joined.
#[derive(Default)]
struct Joined(Vec<(SegmentKind, Vec<Asn>)>);

impl Joined {
    /// Appends the first `count` numbers of a segment.
    fn push(&mut self, segment: Segment<'_>, count: usize) {
        let asns = segment.asns().take(count);
        match self.0.last_mut() {
            Some((SegmentKind::Sequence, last)) if segment.kind == SegmentKind::Sequence => {
                last.extend(asns);
            }
            Some(_) | None => self.0.push((segment.kind, asns.collect())),
        }
    }

    /// Appends the beginning of a path with length `len`, with the confederation segments before and next to it.
    fn push_leading(&mut self, path: AsPathView<'_>, len: usize) {
        let mut missing = len;
        for segment in path.segments() {
            match segment.kind {
                SegmentKind::ConfedSequence | SegmentKind::ConfedSet => {
                    self.push(segment, usize::MAX);
                }
                _ if missing == 0 => return,
                SegmentKind::Set => {
                    self.push(segment, usize::MAX);
                    missing -= 1;
                }
                SegmentKind::Sequence if segment.asns().len() > missing => {
                    return self.push(segment, missing);
                }
                SegmentKind::Sequence => {
                    self.push(segment, usize::MAX);
                    missing -= segment.asns().len();
                }
            }
        }
    }

    fn finish(self) -> AsPath {
        let mut path = Builder::default();
        for (kind, asns) in self.0 {
            path.segment(kind, asns);
        }
        path.finish()
    }
}

/// Appends canonical attributes for a two-octet peer: [`Asn::TRANS`] replaces numbers that do not fit, and AS4_PATH and
/// AS4_AGGREGATOR hold the full ones where needed (RFC 6793 §4.2.2).
pub(in crate::wire) fn put_two_octet(attributes: AttributeView<'_>, out: &mut Vec<u8>) {
    let mut full = Some(full_numbers(attributes));
    for attribute in attributes.iter() {
        if attribute.code > code::AS4_AGGREGATOR {
            out.extend(full.take().unwrap_or_default());
        }
        match attribute.code {
            code::AS_PATH => {
                let mut value = Vec::with_capacity(attribute.value.len());
                AsPathView::new(attribute.value).put_two_octet(&mut value);
                put(attribute.flags, attribute.code, &value, out);
            }
            code::AGGREGATOR => {
                put(
                    attribute.flags,
                    attribute.code,
                    &short_aggregator(attribute.value),
                    out,
                );
            }
            _ => put(attribute.flags, attribute.code, attribute.value, out),
        }
    }
    out.extend(full.unwrap_or_default());
}

/// AS4_PATH and AS4_AGGREGATOR, if needed.
fn full_numbers(attributes: AttributeView<'_>) -> Vec<u8> {
    const FLAGS: u8 = flag::OPTIONAL | flag::TRANSITIVE;
    let mut out = Vec::new();
    let path = attributes.as_path();
    if path.asns().any(|asn| !asn.is_two_octet()) {
        let path = path.to_owned().without_confederation();
        if !path.view().is_empty() {
            put(FLAGS, code::AS4_PATH, path.view().octets(), &mut out);
        }
    }
    if let Some(aggregator) = attributes.find(code::AGGREGATOR)
        && aggregator.first_chunk() != Some(&[0, 0])
    {
        put(FLAGS, code::AS4_AGGREGATOR, aggregator, &mut out);
    }
    out
}

/// Converts an AGGREGATOR of eight octets to six, with a two-octet number.
fn short_aggregator(value: &[u8]) -> Vec<u8> {
    let mut short = Vec::with_capacity(6);
    match value {
        [0, 0, rest @ ..] => short.put_slice(rest),
        [_, _, _, _, identifier @ ..] => {
            short.put_u16(Asn::TRANS.0 as u16);
            short.put_slice(identifier);
        }
        _ => {}
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(as_path: &str, as4_path: &str) -> String {
        let path = |text: &str| text.parse::<AsPath>().expect("a path");
        merge(&path(as_path), &path(as4_path)).to_string()
    }

    /// R6793-4.2.3-02.
    #[test]
    fn r6793_4_2_3_02_excess_is_put_before_as4_path() {
        assert_eq!(merged("1 23456 23456", "65536 65537"), "1 65536 65537");
        assert_eq!(merged("23456 23456", "65536 65537"), "65536 65537");
        assert_eq!(merged("1 2 {3 4}", "65536"), "1 2 65536");
        assert_eq!(merged("{3 4} 1 23456", "65536"), "{3 4} 1 65536");
        assert_eq!(merged("(9 8) 1 23456", "65536"), "(9 8) 1 65536");
        assert_eq!(merged("1 (9 8) 23456", "65536"), "1 (9 8) 65536");
        assert_eq!(merged("1 23456 (9 8) 2", "65536 2"), "1 65536 2");
        assert_eq!(merged("1 (9) 23456 (8) 3", "65536 3"), "1 (9) 65536 3");
    }

    #[test]
    fn r6793_4_2_3_02_longer_as4_path_is_ignored() {
        assert_eq!(merged("1 23456", "65536 65537 65538"), "1 23456");
        assert_eq!(merged("{1 2}", "65536 65537"), "{1 2}");
    }

    /// R6793-6-01: confederation segments in AS4_PATH are dropped, and only these.
    #[test]
    fn r6793_6_01_confederation_segments_are_dropped() {
        assert_eq!(merged("1 23456", "(9) 65536"), "1 65536");
    }
}
