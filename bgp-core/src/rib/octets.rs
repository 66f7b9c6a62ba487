//! Storage of attribute octets, appended to chunks. Removed octets leave gaps; an empty chunk is returned to the system, which
//! would not happen with single allocations between others that stay.

/// Smallest chunk; otherwise an eighth of the total, so that little is reserved in vain.
const SMALLEST_CHUNK: usize = 4 << 10;
/// Largest chunk. Large enough that any allocator takes it directly from the system, and returns it at once.
const LARGEST_CHUNK: usize = 64 << 20;

/// Octets of many sets of attributes.
#[derive(Debug, Default)]
pub(super) struct Octets {
    chunks: Vec<Chunk>,
    /// Released chunks.
    unused: Vec<u32>,
    /// The chunk to append to, if it exists.
    current: u32,
    live: usize,
    reserved: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    octets: Vec<u8>,
    live: usize,
}

/// The location of some octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    chunk: u32,
    start: u32,
    len: u32,
}

impl Location {
    pub(super) fn len(self) -> usize {
        self.len as usize
    }
}

impl Octets {
    #[inline(always)]
    pub(super) fn get(&self, place: Location) -> &[u8] {
        let start = place.start as usize;
        &self.chunks[place.chunk as usize].octets[start..start + place.len()]
    }

    pub(super) fn add(&mut self, octets: &[u8]) -> Location {
        let fits = |chunk: &Chunk| chunk.octets.capacity() - chunk.octets.len() >= octets.len();
        if !self.chunks.get(self.current as usize).is_some_and(fits) {
            self.begin_chunk(octets.len());
        }
        let chunk = &mut self.chunks[self.current as usize];
        let start = chunk.octets.len();
        chunk.octets.extend_from_slice(octets);
        chunk.live += octets.len();
        self.live += octets.len();
        let narrow = |number: usize| u32::try_from(number).expect("no chunk has 2^32 octets");
        Location {
            chunk: self.current,
            start: narrow(start),
            len: narrow(octets.len()),
        }
    }

    fn begin_chunk(&mut self, at_least: usize) {
        let size = (self.live / 8).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
        let chunk = Chunk {
            octets: Vec::with_capacity(size.max(at_least)),
            live: 0,
        };
        self.reserved += chunk.octets.capacity();
        match self.unused.pop() {
            Some(place) => {
                self.chunks[place as usize] = chunk;
                self.current = place;
            }
            None => {
                self.chunks.push(chunk);
                self.current = u32::try_from(self.chunks.len() - 1).expect("chunks are few");
            }
        }
    }

    pub(super) fn remove(&mut self, place: Location) {
        self.live -= place.len();
        let chunk = &mut self.chunks[place.chunk as usize];
        chunk.live -= place.len();
        if chunk.live > 0 || place.len == 0 {
            return;
        }
        self.reserved -= chunk.octets.capacity();
        *chunk = Chunk::default();
        self.unused.push(place.chunk);
        if place.chunk == self.current {
            self.current = u32::MAX;
        }
    }

    /// Octets in use.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    fn is_sparse(&self) -> bool {
        self.reserved > 2 * self.live + SMALLEST_CHUNK
    }

    /// Whether the gaps are large enough for [`Octets::settle`] to be worth calling for everything.
    pub(super) fn begin_to_settle(&mut self) -> bool {
        let sparse = self.is_sparse();
        if sparse {
            self.current = u32::MAX;
        }
        sparse
    }

    /// Moves octets out of a chunk with many gaps.
    pub(super) fn settle(&mut self, place: Location) -> Location {
        let chunk = &self.chunks[place.chunk as usize];
        if chunk.live > chunk.octets.len() / 4 * 3 {
            return place;
        }
        let octets = self.get(place).to_vec();
        let moved = self.add(&octets);
        self.remove(place);
        moved
    }

    /// Size in octets, including gaps.
    pub(super) fn reserved(&self) -> usize {
        self.reserved + self.chunks.capacity() * size_of::<Chunk>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: u32) -> Vec<u8> {
        number.to_be_bytes().repeat(1 + number as usize % 200)
    }

    /// Removing and moving octets changes no others, and takes little room for the rest.
    #[test]
    fn they_keep_what_they_are_given_and_give_back_the_rest() {
        let mut octets = Octets::default();
        let mut places: Vec<(u32, Location)> = (0..10_000)
            .map(|number| (number, octets.add(&text(number))))
            .collect();
        let full = octets.reserved();
        assert!(full < 2 * octets.live);
        places.retain(|(number, place)| {
            let keep = number % 16 == 0;
            if !keep {
                octets.remove(*place);
            }
            keep
        });
        assert!(octets.begin_to_settle());
        for (_, place) in &mut places {
            *place = octets.settle(*place);
        }
        assert!(
            !octets.is_sparse(),
            "{} for {}",
            octets.reserved,
            octets.live
        );
        for (number, place) in &places {
            assert_eq!(octets.get(*place), text(*number));
            octets.remove(*place);
        }
        assert_eq!((octets.live, octets.reserved), (0, 0));
        assert_eq!(octets.add(&[]).len(), 0);
    }
}
