//! Fast leader election: who leads, decided among the voters.
