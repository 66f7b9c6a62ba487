//! AS_PATH (RFC 4271 §5.1.2), always in four-octet form (RFC 6793).
//!
//! A path is stored as the octets of its segments, which is what comparison, hashing and encoding need; everything else is
//! computed by iterating over them. The meaning of a path, such as loops and sets, is decided by the RIB and its policy.

use std::fmt;
use std::str::FromStr;

use bytes::BufMut;

use crate::types::Asn;
use crate::wire::Context;
use crate::wire::read::{Malformed, Reader};

/// An AS path as a value: its segments as encoded on a four-octet session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AsPath(Box<[u8]>);

/// A borrowed AS path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsPathView<'a>(&'a [u8]);

/// Kinds of segments (RFC 4271 §4.3, RFC 5065 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentKind {
    /// AS_SET: the ASes of an aggregate, unordered.
    Set = 1,
    /// AS_SEQUENCE: the ASes that the route passed, nearest first.
    Sequence = 2,
    /// AS_CONFED_SEQUENCE: the members of a confederation that the route passed.
    ConfedSequence = 3,
    /// AS_CONFED_SET: members of a confederation, unordered.
    ConfedSet = 4,
}

impl SegmentKind {
    fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Set),
            2 => Some(Self::Sequence),
            3 => Some(Self::ConfedSequence),
            4 => Some(Self::ConfedSet),
            _ => None,
        }
    }

    /// Whether the segment is only valid inside a confederation.
    pub fn is_confederation(self) -> bool {
        matches!(self, Self::ConfedSequence | Self::ConfedSet)
    }

    /// The brackets around the numbers in the text form of [`AsPath`].
    fn brackets(self) -> (&'static str, &'static str) {
        match self {
            Self::Sequence => ("", ""),
            Self::Set => ("{", "}"),
            Self::ConfedSequence => ("(", ")"),
            Self::ConfedSet => ("[", "]"),
        }
    }
}

/// A segment of a path, with at least one AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The kind.
    pub kind: SegmentKind,
    octets: &'a [[u8; 4]],
}

impl<'a> Segment<'a> {
    /// The AS numbers; at most 255.
    pub fn asns(self) -> impl ExactSizeIterator<Item = Asn> + DoubleEndedIterator + 'a {
        self.octets
            .iter()
            .map(|octets| Asn(u32::from_be_bytes(*octets)))
    }

    /// Its length in the decision process (RFC 4271 §9.1.2.2 a, RFC 5065 §5.3).
    fn route_len(self) -> u32 {
        match self.kind {
            SegmentKind::Sequence => self.octets.len() as u32,
            SegmentKind::Set => 1,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        }
    }
}

/// Most AS numbers in a segment.
const MAX_SEGMENT_LEN: usize = 255;

impl AsPath {
    /// A path of one AS_SEQUENCE (several when longer than 255).
    pub fn sequence(asns: impl IntoIterator<Item = Asn>) -> Self {
        let mut path = Builder::default();
        path.segment(SegmentKind::Sequence, asns);
        path.finish()
    }

    /// A borrowed view.
    pub fn view(&self) -> AsPathView<'_> {
        AsPathView(&self.0)
    }

    /// Prepends `asn` `times` times: to the first AS_SEQUENCE as far as it has room, and the rest in a new one before it (RFC
    /// 4271 §5.1.2).
    pub fn prepend(&mut self, asn: Asn, times: usize) {
        let mut rest = self.view().segments();
        let first = rest
            .next()
            .filter(|first| first.kind == SegmentKind::Sequence);
        let room = first.map_or(0, |first| MAX_SEGMENT_LEN - first.octets.len());
        let joined = times.min(room);
        let mut path = Builder::default();
        path.segment(
            SegmentKind::Sequence,
            std::iter::repeat_n(asn, times - joined),
        );
        match first {
            Some(first) => {
                let asns = std::iter::repeat_n(asn, joined).chain(first.asns());
                path.segment(SegmentKind::Sequence, asns);
                path.0.extend_from_slice(rest.octets);
            }
            None => path.0.extend_from_slice(&self.0),
        }
        *self = path.finish();
    }

    /// Replaces each occurrence of `from` with `to`.
    pub fn replace(&mut self, from: Asn, to: Asn) {
        let mut path = Builder::default();
        let replaced = |asn| if asn == from { to } else { asn };
        for segment in self.view().segments() {
            path.segment(segment.kind, segment.asns().map(replaced));
        }
        *self = path.finish();
    }

    /// Converts the path for another AS: `own_as` is prepended (RFC 4271 §5.1.2), and confederation segments are removed (RFC
    /// 5065 §5).
    pub fn leave_as(&mut self, own_as: Asn) {
        if self.view().contains_confederation() {
            *self = self.without_confederation();
        }
        self.prepend(own_as, 1);
    }

    /// The path without confederation segments, which never leave a confederation (RFC 5065 §5).
    #[must_use]
    pub fn without_confederation(&self) -> Self {
        let mut path = Builder::default();
        self.view()
            .segments()
            .filter(|segment| !segment.kind.is_confederation())
            .for_each(|segment| path.segment(segment.kind, segment.asns()));
        path.finish()
    }
}

impl<'a> AsPathView<'a> {
    /// `octets` must have passed [`check`] for a four-octet session, or come from an [`AsPath`].
    pub(in crate::wire) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The octets, as encoded on a four-octet session.
    pub fn octets(self) -> &'a [u8] {
        self.0
    }

    /// Whether the path is empty: the route was originated inside our AS.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The segments, nearest first.
    pub fn segments(self) -> Segments<'a> {
        Segments { octets: self.0 }
    }

    /// Length for the decision process: a set counts 1, confederation segments 0 (RFC 4271 §9.1.2.2, RFC 5065 §5.3).
    pub fn route_len(self) -> u32 {
        self.segments().map(Segment::route_len).sum()
    }

    /// The neighbouring AS: the first one of a leading AS_SEQUENCE (RFC 4271 §9.1.2.2 c), ignoring confederation segments before
    /// it (RFC 5065 §5.3).
    pub fn neighbour(self) -> Option<Asn> {
        let first = self
            .segments()
            .find(|segment| !segment.kind.is_confederation())?;
        match first.kind {
            SegmentKind::Sequence => first.asns().next(),
            SegmentKind::Set | SegmentKind::ConfedSequence | SegmentKind::ConfedSet => None,
        }
    }

    /// The originating AS: the last one of a final AS_SEQUENCE.
    pub fn origin(self) -> Option<Asn> {
        let last = self.segments().last()?;
        match last.kind {
            SegmentKind::Sequence => last.asns().next_back(),
            SegmentKind::Set | SegmentKind::ConfedSequence | SegmentKind::ConfedSet => None,
        }
    }

    /// How often `asn` occurs.
    pub fn occurrences(self, asn: Asn) -> usize {
        self.asns().filter(|other| *other == asn).count()
    }

    /// All ASes in order, from all segments.
    pub fn asns(self) -> impl Iterator<Item = Asn> + 'a {
        self.segments().flat_map(Segment::asns)
    }

    /// Whether the path has an AS_SET or AS_CONFED_SET, which RFC 9774 §3 deprecates.
    pub fn contains_set(self) -> bool {
        self.segments()
            .any(|segment| matches!(segment.kind, SegmentKind::Set | SegmentKind::ConfedSet))
    }

    /// Whether the path has a confederation segment.
    pub fn contains_confederation(self) -> bool {
        self.segments()
            .any(|segment| segment.kind.is_confederation())
    }

    /// An owned copy.
    pub fn to_owned(self) -> AsPath {
        AsPath(self.0.into())
    }

    /// Appends the path with two-octet numbers; [`Asn::TRANS`] replaces numbers that do not fit (RFC 6793 §4.2.2).
    pub(super) fn put_two_octet(self, out: &mut impl BufMut) {
        for segment in self.segments() {
            out.put_u8(segment.kind as u8);
            out.put_u8(segment.octets.len() as u8);
            for asn in segment.asns() {
                let asn = if asn.is_two_octet() { asn } else { Asn::TRANS };
                out.put_u16(asn.0 as u16);
            }
        }
    }
}

/// Iterator of [`AsPathView::segments`].
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a> {
    octets: &'a [u8],
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let ([kind, count], rest) = self.octets.split_first_chunk()?;
        let (asns, rest) = rest.split_at_checked(4 * usize::from(*count))?;
        self.octets = rest;
        Some(Segment {
            kind: SegmentKind::from_octet(*kind)?,
            octets: asns.as_chunks().0,
        })
    }
}

/// Builds the octets of a path.
#[derive(Debug, Default)]
pub(super) struct Builder(Vec<u8>);

impl Builder {
    /// Appends `asns` as segments: none if empty, several if more than 255.
    pub(super) fn segment(&mut self, kind: SegmentKind, asns: impl IntoIterator<Item = Asn>) {
        let mut header = None;
        for asn in asns {
            let at = match header {
                Some(at) if usize::from(self.0[at + 1]) < MAX_SEGMENT_LEN => at,
                Some(_) | None => {
                    self.0.extend([kind as u8, 0]);
                    self.0.len() - 2
                }
            };
            self.0.extend(asn.0.to_be_bytes());
            self.0[at + 1] += 1;
            header = Some(at);
        }
    }

    pub(super) fn finish(self) -> AsPath {
        AsPath(self.0.into())
    }
}

/// Converts a path of two-octet numbers that passed [`check`].
pub(in crate::wire) fn from_two_octet(octets: &[u8]) -> AsPath {
    let mut path = Builder::default();
    let mut reader = Reader::new(octets);
    while let Ok((kind, asns)) = segment(&mut reader) {
        let asns = asns.iter();
        path.segment(kind, asns.map(|asn| Asn(u16::from_be_bytes(*asn).into())));
    }
    path.finish()
}

/// Checks an AS_PATH with numbers of the session's size (RFC 7606 §7.2).
pub(super) fn check(octets: &[u8], context: &Context) -> Result<(), &'static str> {
    // RFC 5065 §5: only peers of our own confederation may send these.
    let allowed = |kind: SegmentKind| !(kind.is_confederation() && context.external);
    if context.four_octet_as {
        check_segments::<4>(octets, allowed)
    } else {
        check_segments::<2>(octets, allowed)
    }
}

/// Whether this is a valid AS_PATH of at most one AS_SEQUENCE with four-octet numbers, as nearly all are. An empty path is valid
/// too.
#[inline]
pub(super) fn is_one_sequence(octets: &[u8]) -> bool {
    match octets {
        [kind, count, asns @ ..] => {
            let (asns, rest) = asns.as_chunks::<4>();
            // Counting avoids the branch per number that a search would need.
            let zeros = asns.iter().filter(|asn| **asn == [0; 4]).count();
            (*kind == SegmentKind::Sequence as u8)
                & (*count != 0)
                & (asns.len() == usize::from(*count))
                & rest.is_empty()
                & (zeros == 0)
        }
        _ => octets.is_empty(),
    }
}

/// Checks an AS4_PATH (RFC 6793 §6). Confederation segments are removed later.
pub(super) fn check_as4(octets: &[u8]) -> Result<(), &'static str> {
    if octets.is_empty() {
        return Err("at least one segment");
    }
    check_segments::<4>(octets, |_| true)
}

/// Checks segments with numbers of `N` octets.
fn check_segments<const N: usize>(
    octets: &[u8],
    allowed: impl Fn(SegmentKind) -> bool,
) -> Result<(), &'static str> {
    let mut reader = Reader::new(octets);
    while !reader.is_empty() {
        let (kind, asns) = segment::<N>(&mut reader)
            .map_err(|Malformed| "segments of known kind that fill the attribute")?;
        if asns.is_empty() {
            return Err("an AS number in each segment");
        }
        if !allowed(kind) {
            return Err("no confederation segments from an external peer");
        }
        // RFC 7607 §2
        if asns.contains(&[0; N]) {
            return Err("AS numbers that are not 0");
        }
    }
    Ok(())
}

fn segment<'a, const N: usize>(
    reader: &mut Reader<'a>,
) -> Result<(SegmentKind, &'a [[u8; N]]), Malformed> {
    let [kind, count] = reader.array()?;
    let kind = SegmentKind::from_octet(kind).ok_or(Malformed)?;
    let asns = reader.take(usize::from(count) * N)?;
    Ok((kind, asns.as_chunks().0))
}

/// Numbers separated by spaces; sets as `{1 2}`, confederation segments as `(1 2)` and `[1 2]`.
impl fmt::Display for AsPathView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.segments().enumerate() {
            f.write_str(if place == 0 { "" } else { " " })?;
            let (open, close) = segment.kind.brackets();
            f.write_str(open)?;
            for (place, asn) in segment.asns().enumerate() {
                f.write_str(if place == 0 { "" } else { " " })?;
                asn.fmt(f)?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// Text that is not an AS path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsPathParseError;

impl fmt::Display for AsPathParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected AS numbers with spaces between them; sets as {1 2}")
    }
}

impl std::error::Error for AsPathParseError {}

impl FromStr for AsPath {
    type Err = AsPathParseError;

    /// Parses the `Display` form; adjacent numbers outside brackets become one AS_SEQUENCE.
    fn from_str(text: &str) -> Result<Self, AsPathParseError> {
        let mut path = Builder::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let kind = [
                SegmentKind::Set,
                SegmentKind::ConfedSequence,
                SegmentKind::ConfedSet,
            ]
            .into_iter()
            .find(|kind| rest.starts_with(kind.brackets().0))
            .unwrap_or(SegmentKind::Sequence);
            let (open, close) = kind.brackets();
            let inside = &rest[open.len()..];
            let (numbers, behind) = if kind == SegmentKind::Sequence {
                inside.split_at(inside.find(['{', '(', '[']).unwrap_or(inside.len()))
            } else {
                inside.split_once(close).ok_or(AsPathParseError)?
            };
            let asns: Result<Vec<Asn>, _> = numbers.split_whitespace().map(str::parse).collect();
            let asns = asns.map_err(|_| AsPathParseError)?;
            if asns.is_empty() || (kind != SegmentKind::Sequence && asns.len() > MAX_SEGMENT_LEN) {
                return Err(AsPathParseError);
            }
            path.segment(kind, asns);
            rest = behind.trim_start();
        }
        Ok(path.finish())
    }
}

#[cfg(test)]
mod tests;
