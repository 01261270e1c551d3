//! Names, and what is to go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;

use super::super::rng::Rng;
use super::inode::Inode;
use super::mount::Process;
use super::{Change, Contents, Failure};

#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Create(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Create(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            NameChange::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    names_since: Vec<NameChange>,
    /// Changes so far.
    pub(super) count: usize,
    /// What they were, if somebody wants to know.
    pub(super) recorded: Option<Vec<Change>>,
    /// The change with this number fails.
    pub(super) fail: Option<(usize, Failure)>,
    /// The flush of a file to which so many bytes were written last fails.
    pub(super) fail_flush_after: Option<Range<usize>>,
    /// No file grows any more.
    pub(super) full: bool,
    /// Something was refused since this was last asked.
    pub(super) refused: bool,
    /// Instead of the change with this number its process dies.
    pub(super) dies_at: Option<usize>,
}

/// A change that must not be made.
pub(super) struct Refusal {
    pub(super) error: io::Error,
    /// Half of a write is done all the same.
    pub(super) half: bool,
}

impl Refusal {
    pub(super) fn full() -> Refusal {
        Refusal { error: io::Error::from_raw_os_error(libc::ENOSPC), half: true }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> io::Error {
        refusal.error
    }
}

impl State {
    /// A disk that holds this, durably.
    pub(super) fn holding(contents: &Contents, recorded: Option<Vec<Change>>) -> State {
        let mut state = State { recorded, ..State::default() };
        for (name, bytes) in contents {
            state.names.insert(name.clone(), state.inodes.len());
            state.inodes.push(Inode::holding(bytes));
        }
        state.durable_names = state.names.clone();
        state
    }

    pub(super) fn twin(&self) -> State {
        let recorded = self.recorded.as_ref().map(|_| Vec::new());
        State {
            count: 0,
            recorded,
            fail: None,
            fail_flush_after: None,
            full: false,
            refused: false,
            dies_at: None,
            ..self.clone()
        }
    }

    /// Counts a change; the error says that it must not be made.
    pub(super) fn begin(
        &mut self,
        process: &Process,
        change: impl FnOnce() -> Change,
    ) -> Result<(), Refusal> {
        let refused = |text: &str| Refusal { error: io::Error::other(text), half: false };
        if !process.is_alive() {
            return Err(refused("the process has ended"));
        }
        if self.dies_at == Some(self.count) {
            (self.dies_at, self.refused) = (None, true);
            process.end();
            return Err(refused("the process ends here"));
        }
        let number = self.count;
        self.count += 1;
        if let Some(recorded) = &mut self.recorded {
            recorded.push(change());
        }
        let Some((_, how)) = self.fail.take_if(|(at, _)| *at == number) else { return Ok(()) };
        self.refused = true;
        Err(match how {
            Failure::Error | Failure::Short => {
                let error = io::Error::from_raw_os_error(libc::EIO);
                Refusal { error, half: how == Failure::Short }
            }
            Failure::Full => Refusal::full(),
        })
    }

    /// A flush is about to be counted: whether it is the one that is to fail.
    pub(super) fn look_at_flush(&mut self, inode: usize) {
        let last = self.inodes[inode].last_write();
        if self.fail_flush_after.take_if(|sizes| sizes.contains(&last)).is_some() {
            self.fail = Some((self.count, Failure::Error));
        }
    }

    pub(super) fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.names_since.push(change);
    }

    pub(super) fn flush_names(&mut self) {
        self.durable_names.clone_from(&self.names);
        self.names_since.clear();
    }

    /// Every state a power loss can leave.
    pub(super) fn crash_states(&self) -> BTreeSet<Contents> {
        let mut states = BTreeSet::new();
        for kept in 0..1u32 << self.names_since.len() {
            let mut names = self.durable_names.clone();
            for (n, change) in self.names_since.iter().enumerate() {
                if kept & (1 << n) != 0 {
                    change.apply(&mut names);
                }
            }
            let mut partial: Vec<Contents> = vec![Contents::new()];
            for (name, inode) in names {
                let variants = self.inodes[inode].variants();
                partial = partial
                    .iter()
                    .flat_map(|contents| {
                        variants.iter().map(|bytes| {
                            let mut more = contents.clone();
                            more.insert(name.clone(), bytes.clone());
                            more
                        })
                    })
                    .collect();
                assert!(partial.len() < 1 << 18, "too many crash states to look at");
            }
            states.extend(partial);
        }
        states
    }

    /// One of them. Changes of names are kept in their order up to one, or any of them.
    pub(super) fn lose(&mut self, rng: &mut Rng) {
        let mut names = std::mem::take(&mut self.durable_names);
        let since = std::mem::take(&mut self.names_since);
        let in_order = rng.one_in(2);
        let kept = rng.below(since.len() + 1);
        for (n, change) in since.iter().enumerate() {
            if if in_order { n < kept } else { rng.one_in(2) } {
                change.apply(&mut names);
            }
        }
        for inode in &mut self.inodes {
            inode.lose(rng);
        }
        // What has no name any more is gone.
        let mut inodes = Vec::new();
        for place in names.values_mut() {
            inodes.push(std::mem::take(&mut self.inodes[*place]));
            *place = inodes.len() - 1;
        }
        self.inodes = inodes;
        self.names.clone_from(&names);
        self.durable_names = names;
    }
}
