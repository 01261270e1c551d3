//! The bucket of tokens that handshakes take from.

use crate::types::throttles::ConnectionThrottle;
use crate::types::{Millis, SplitMix64};

/// What a handshake is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::roles::network) enum Wanted {
    /// A new session of the ensemble.
    Global,
    /// A new session of this server alone.
    Local,
    /// A session that there is.
    Renewal,
}

/// Tokens come back with time; where they are used up, handshakes are refused. With a freeze time
/// a share of them is refused by chance before, which grows while the bucket is empty and falls
/// while it is full (BlueThrottle; BLUE is the method of Feng, Shin, Kandlur and Saha).
#[derive(Debug)]
pub(in crate::roles::network) struct ConnectionBucket {
    settings: ConnectionThrottle,
    tokens: i64,
    filled: Millis,
    drop_share: f64,
    changed: Millis,
    random: SplitMix64,
}

impl ConnectionBucket {
    /// A full one.
    pub(in crate::roles::network) fn new(
        settings: ConnectionThrottle,
        now: Millis,
        seed: u64,
    ) -> ConnectionBucket {
        ConnectionBucket {
            tokens: settings.tokens,
            settings,
            filled: now,
            drop_share: 0.0,
            changed: now,
            random: SplitMix64::new(seed),
        }
    }

    /// Takes what a handshake needs. False: it is refused (BlueThrottle.checkLimit).
    pub(in crate::roles::network) fn take(&mut self, wanted: Wanted, now: Millis) -> bool {
        self.fill(now);
        if let Some(freeze) = self.settings.freeze_ms
            && !self.is_spared(freeze, now)
        {
            return false;
        }
        let weights = &self.settings.weights;
        let need = match wanted {
            Wanted::Global => weights.global,
            Wanted::Local => weights.local,
            Wanted::Renewal => weights.renew,
        };
        if self.tokens < need {
            return false;
        }
        self.tokens -= need;
        true
    }

    /// Tokens in use.
    pub(in crate::roles::network) fn deficit(&self) -> i64 {
        self.settings.tokens - self.tokens
    }

    /// Share of handshakes that are refused by chance, 0 to 1.
    pub(in crate::roles::network) fn drop_share(&self) -> f64 {
        self.drop_share
    }

    fn fill(&mut self, now: Millis) {
        let elapsed = now.0 - self.filled.0;
        if elapsed > self.settings.fill_ms {
            let back = elapsed.saturating_mul(self.settings.fill_count) / self.settings.fill_ms;
            self.tokens = self.tokens.saturating_add(back).min(self.settings.tokens);
            self.filled = now;
        }
    }

    /// BlueThrottle.checkBlue.
    fn is_spared(&mut self, freeze: i64, now: Millis) -> bool {
        let settings = &self.settings;
        let fall_at = (settings.tokens as f64 * settings.decrease_ratio).round() as i64;
        if now.0 - self.changed.0 > freeze {
            if self.tokens == 0 && self.drop_share < 1.0 {
                self.drop_share = (self.drop_share + settings.drop_increase).min(1.0);
            } else if self.deficit() <= fall_at && self.drop_share > 0.0 {
                self.drop_share = (self.drop_share - settings.drop_decrease).max(0.0);
            }
            self.changed = now;
        }
        // 53 bits: as many as a fraction has.
        let chance = (self.random.draw() >> 11) as f64 / (1u64 << 53) as f64;
        chance >= self.drop_share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::throttles::ConnectionWeights;

    const PLAIN: ConnectionThrottle = ConnectionThrottle {
        tokens: 10,
        fill_ms: 100,
        fill_count: 2,
        freeze_ms: None,
        drop_increase: 0.25,
        drop_decrease: 0.05,
        decrease_ratio: 0.5,
        weights: ConnectionWeights { global: 3, local: 1, renew: 2 },
    };

    fn takes(bucket: &mut ConnectionBucket, wanted: Wanted, now: i64) -> usize {
        (0..100).take_while(|_| bucket.take(wanted, Millis(now))).count()
    }

    #[test]
    fn tokens_are_taken_by_weight_and_come_back_with_time() {
        let mut bucket = ConnectionBucket::new(PLAIN, Millis(0), 1);
        assert_eq!(takes(&mut bucket, Wanted::Global, 0), 3);
        assert_eq!((bucket.deficit(), takes(&mut bucket, Wanted::Renewal, 0)), (9, 0));
        assert_eq!(takes(&mut bucket, Wanted::Local, 0), 1);
        assert_eq!(takes(&mut bucket, Wanted::Local, 100), 0, "the time must be over");
        assert_eq!(takes(&mut bucket, Wanted::Local, 101), 2);
        assert_eq!(takes(&mut bucket, Wanted::Local, 100_000), 10, "it is never more than full");
        assert_eq!(takes(&mut bucket, Wanted::Local, i64::MAX), 10, "after any time");
    }

    #[test]
    fn the_share_refused_by_chance_grows_while_it_is_empty_and_falls_while_it_is_not() {
        let settings = ConnectionThrottle { freeze_ms: Some(10), fill_count: 0, ..PLAIN };
        let mut bucket = ConnectionBucket::new(settings, Millis(0), 7);
        assert_eq!(takes(&mut bucket, Wanted::Local, 5), 10);
        for (now, share) in [(10, 0.0), (11, 0.25), (20, 0.25), (22, 0.5), (40, 0.75), (60, 1.0)] {
            assert!(!bucket.take(Wanted::Local, Millis(now)));
            assert!((bucket.drop_share() - share).abs() < 1e-9, "{now}: {}", bucket.drop_share());
        }
        bucket.tokens = 4;
        assert_eq!(takes(&mut bucket, Wanted::Local, 100), 0, "all are refused by chance");
        assert!((bucket.drop_share() - 1.0).abs() < 1e-9, "less than the ratio is free");
        bucket.tokens = 5;
        let mut now = 100;
        for _ in 0..20 {
            now += 11;
            let _ = bucket.take(Wanted::Local, Millis(now));
            bucket.tokens = 5;
        }
        assert!(bucket.drop_share() < 1e-9);
        assert_eq!(takes(&mut bucket, Wanted::Local, now), 5);
    }

    #[test]
    fn as_many_are_refused_as_the_share_says() {
        let settings = ConnectionThrottle { tokens: 1 << 40, freeze_ms: Some(1 << 40), ..PLAIN };
        let mut bucket = ConnectionBucket::new(settings, Millis(0), 3);
        bucket.drop_share = 0.25;
        let taken = (0..100_000).filter(|_| bucket.take(Wanted::Local, Millis(1))).count();
        assert!((74_000..76_000).contains(&taken), "{taken}");
    }
}
