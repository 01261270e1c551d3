//! Chance, from a seed and nothing else. Tests, benches and the simulator draw from it.

use ringkeeper::types::SplitMix64;

/// Every part of a world has one of its own, so that leaving a part out of a run changes as little as
/// possible of the others.
#[derive(Clone, Debug)]
pub struct Rng(SplitMix64);

/// What a number below a bound can be.
pub trait Whole: Copy {
    fn to_u64(self) -> u64;
    /// `number` is below a value of this type.
    fn of_u64(number: u64) -> Self;
}

macro_rules! whole {
    ($($number:ty),*) => {
        $(impl Whole for $number {
            fn to_u64(self) -> u64 {
                if self > 0 { self as u64 } else { 0 }
            }
            fn of_u64(number: u64) -> $number {
                number as $number
            }
        })*
    };
}

whole!(i32, u32, i64, u64, usize);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(SplitMix64::new(seed))
    }

    /// A generator for a part of the world.
    pub fn part(seed: u64, part: u64) -> Rng {
        let mut rng = Rng::new(seed ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93));
        rng.u64();
        Rng::new(rng.u64())
    }

    pub fn u64(&mut self) -> u64 {
        self.0.draw()
    }

    /// Less than `n`; 0 when there is no such number.
    pub fn below<N: Whole>(&mut self, n: N) -> N {
        N::of_u64(self.0.below(n.to_u64()))
    }

    /// From `low` to `high`, both possible.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1))
    }

    /// True once in `n` times.
    pub fn one_in<N: Whole>(&mut self, n: N) -> bool {
        self.below(n).to_u64() == 0
    }

    /// True so often in a hundred times.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these; `None` of none.
    pub fn any_of<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// One of these; for lists that are never empty.
    pub fn one_of<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        const { assert!(N > 0) };
        of[self.below(N)]
    }

    /// One of these, which must not be empty.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Mostly small, sometimes large: a time in microseconds.
    pub fn latency(&mut self, usual: i64) -> i64 {
        match self.below(40) {
            0 => self.between(usual, usual * 40),
            1..=5 => self.between(usual, usual * 6),
            _ => self.between(1, usual.max(2)),
        }
    }
}
