//! What a network core may rely on (it is written where `NetEvent` stands), held by both transports
//! that there are: the kernel's ring over sockets, and the simulator's. With the feature `mutants`
//! the suite must find what was once different.

#![allow(clippy::unwrap_used)]

mod contract;

use contract::{Real, Simulated};

/// Each promise, asked of both.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        mod of_the_kernels_ring {
            $(#[test] fn $promise() { super::contract::$promise::<super::Real>(); })*
        }
        mod of_the_simulators {
            $(#[test] fn $promise() { super::contract::$promise::<super::Simulated>(); })*
        }
    };
}

promises!(
    the_end_comes_behind_all_bytes_and_takes_no_answer_away,
    bytes_stay_until_they_are_consumed,
    a_reset_takes_nothing_away,
    a_send_that_fails_takes_nothing_away,
    a_slot_is_taken_until_it_is_released,
    whoever_stops_at_the_bound_is_told_when_to_go_on,
    a_throttled_connection_is_heard,
    a_close_is_told_once,
    whatever_happens_nothing_is_lost,
);

/// What the real transport did once must be found.
#[cfg(feature = "mutants")]
mod planted {
    use super::{Real, contract};
    use ringkeeper::mutants::{self, Mutant};

    fn is_found(mutant: Mutant, promise: fn()) {
        let found = std::thread::spawn(move || {
            mutants::choose(Some(mutant));
            promise();
        });
        assert!(found.join().is_err(), "{} is not found", mutant.name());
    }

    #[test]
    fn a_slot_that_is_reused_before_its_end_was_looked_at() {
        is_found(
            Mutant::SlotReusedUnreleased,
            contract::a_slot_is_taken_until_it_is_released::<Real>,
        );
        is_found(Mutant::SlotReusedUnreleased, contract::whatever_happens_nothing_is_lost::<Real>);
    }

    #[test]
    fn a_slot_that_is_never_used_again() {
        is_found(Mutant::SlotsNeverReused, contract::a_slot_is_taken_until_it_is_released::<Real>);
    }

    #[test]
    fn an_id_that_two_connections_have() {
        is_found(Mutant::IdGivenTwice, contract::a_slot_is_taken_until_it_is_released::<Real>);
        is_found(Mutant::IdGivenTwice, contract::whatever_happens_nothing_is_lost::<Real>);
    }

    #[test]
    fn input_that_is_dropped_behind_the_end() {
        is_found(Mutant::InputDroppedAtEnd, contract::bytes_stay_until_they_are_consumed::<Real>);
    }

    #[test]
    fn another_comparison_than_the_roles() {
        let promise = contract::whoever_stops_at_the_bound_is_told_when_to_go_on::<Real>;
        is_found(Mutant::ChokedBeyondThePause, promise);
    }
}
