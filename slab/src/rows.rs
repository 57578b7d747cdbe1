//! Rows in pieces of equal size: growing moves none of them.

/// Rows kept in one piece.
const CHUNK: usize = 4_096;

/// Rows by number. A number that was given back is given again.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { chunks: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The row of this number.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&T> {
        let id = id as usize;
        self.chunks.get(id / CHUNK)?.get(id % CHUNK)?.as_ref()
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.slot(id)?.as_mut()
    }

    /// A new row; its number.
    ///
    /// # Panics
    /// With more rows than a u32 can number.
    pub fn insert(&mut self, row: T) -> u32 {
        if let Some(id) = self.free.pop() {
            self.chunks[id as usize / CHUNK][id as usize % CHUNK] = Some(row);
            return id;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let whole = (self.chunks.len() - 1) * CHUNK;
        let last = self.chunks.last_mut().expect("one was pushed if there was none");
        last.push(Some(row));
        u32::try_from(whole + last.len() - 1).expect("fewer rows than u32 can number")
    }

    /// Takes a row out.
    pub fn remove(&mut self, id: u32) -> Option<T> {
        let row = self.slot(id)?.take()?;
        self.free.push(id);
        Some(row)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let whole = self.chunks.len().saturating_sub(1) * CHUNK;
        whole + self.chunks.last().map_or(0, Vec::len) - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All rows with their numbers, in the order in which they lie in memory: it may decide nothing.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = (0..).zip(self.chunks.iter().flatten());
        slots.filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    fn slot(&mut self, id: u32) -> Option<&mut Option<T>> {
        let id = id as usize;
        self.chunks.get_mut(id / CHUNK)?.get_mut(id % CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_number_until_it_is_taken_out() {
        let mut slab = Slab::default();
        let rows = 2 * CHUNK + 1;
        let ids: Vec<u32> = (0..rows).map(|row| slab.insert(row)).collect();
        assert_eq!(slab.get(ids[CHUNK]), Some(&CHUNK));
        assert_eq!(slab.remove(ids[CHUNK]), Some(CHUNK));
        assert_eq!(slab.remove(ids[CHUNK]), None);
        assert_eq!(slab.get(ids[CHUNK]), None);
        assert_eq!((slab.iter().count(), slab.len()), (rows - 1, rows - 1));
        assert!(slab.iter().all(|(id, row)| ids[*row] == id));
        assert_eq!(slab.insert(7), ids[CHUNK], "its number is given again");
        assert_eq!(slab.get_mut(ids[CHUNK]), Some(&mut 7));
        assert_eq!(slab.get(u32::MAX), None);
    }
}
