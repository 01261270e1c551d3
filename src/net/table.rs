//! Connections by slot. A slot is used again, its generation is not: a late message for a closed
//! connection finds nobody.

use crate::mutants::{self, Mutant};
use crate::types::ConnId;

struct Slot<C> {
    generation: u32,
    conn: Option<C>,
}

pub(super) struct Table<C> {
    slots: Vec<Slot<C>>,
    free: Vec<u32>,
}

impl<C> Table<C> {
    pub(super) fn new() -> Table<C> {
        Table { slots: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, conn: C) -> ConnId {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot { generation: 0, conn: None });
                // Each holds a descriptor, of which there are fewer than 2^31.
                (self.slots.len() - 1) as u32
            }
        };
        let entry = &mut self.slots[slot as usize];
        assert!(entry.conn.is_none(), "a free slot is empty");
        entry.conn = Some(conn);
        ConnId { slot, generation: entry.generation }
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&C> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.conn.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut C> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        slot.conn.as_mut().filter(|_| slot.generation == id.generation)
    }

    /// Whoever is in the slot, for those that keep it from being used again: operations in flight.
    pub(super) fn at_mut(&mut self, slot: u32) -> Option<(ConnId, &mut C)> {
        let entry = self.slots.get_mut(slot as usize)?;
        let id = ConnId { slot, generation: entry.generation };
        entry.conn.as_mut().map(|conn| (id, conn))
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        if entry.conn.take().is_some() {
            if !mutants::on(Mutant::IdGivenTwice) {
                entry.generation = entry.generation.wrapping_add(1);
            }
            if !mutants::on(Mutant::SlotsNeverReused) {
                self.free.push(slot);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnId, &C)> {
        self.slots.iter().enumerate().filter_map(|(slot, entry)| {
            let id = ConnId { slot: slot as u32, generation: entry.generation };
            entry.conn.as_ref().map(|conn| (id, conn))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_again_under_another_name() {
        let mut table = Table::new();
        let first = table.insert('a');
        table.remove(first.slot);
        let second = table.insert('b');
        assert_eq!(first.slot, second.slot);
        assert_eq!((table.get(first), table.get(second)), (None, Some(&'b')));
        assert_eq!(table.iter().collect::<Vec<_>>(), [(second, &'b')]);
        table.remove(second.slot);
        table.remove(second.slot);
        assert_eq!(table.free.len(), 1, "removed once");
    }
}
