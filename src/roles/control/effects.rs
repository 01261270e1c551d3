//! What a core has asked for and is not done yet. Doing it may bring more, which waits behind it.

/// Effects in the order in which they came.
pub(super) struct Effects<E> {
    waiting: Vec<E>,
    /// Empty; it keeps its memory from one round to the next.
    spare: Vec<E>,
    running: bool,
}

impl<E> Default for Effects<E> {
    fn default() -> Effects<E> {
        Effects { waiting: Vec::new(), spare: Vec::new(), running: false }
    }
}

impl<E> Effects<E> {
    /// Where a core puts them.
    pub(super) fn out(&mut self) -> &mut Vec<E> {
        &mut self.waiting
    }

    /// Takes the right to execute them, with a place for a round of them; `None` if somebody has it,
    /// who will come to these too.
    pub(super) fn begin(&mut self) -> Option<Vec<E>> {
        if std::mem::replace(&mut self.running, true) {
            return None;
        }
        Some(std::mem::take(&mut self.spare))
    }

    /// The next round, into the empty place; false if there is none, and then the right is given back.
    pub(super) fn next(&mut self, round: &mut Vec<E>) -> bool {
        if self.waiting.is_empty() {
            self.spare = std::mem::take(round);
            self.running = false;
            return false;
        }
        std::mem::swap(round, &mut self.waiting);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_meanwhile_is_done_behind_what_was_there_and_by_who_began() {
        let mut effects = Effects::default();
        effects.out().extend([1, 2]);
        let mut done = Vec::new();
        let mut round = effects.begin().unwrap();
        while effects.next(&mut round) {
            for effect in round.drain(..) {
                if effect < 3 {
                    effects.out().push(effect + 10);
                    assert!(effects.begin().is_none(), "the one who began comes to it");
                }
                done.push(effect);
            }
        }
        assert_eq!(done, [1, 2, 11, 12]);
        assert!(effects.begin().is_some(), "given back");
    }
}
