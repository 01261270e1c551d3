//! The mesh of connections over which elections are held: one between every two servers
//! (QuorumCnxManager), as a pure core.
//!
//! ```text
//!   smaller id                                   larger id
//!       │ ── connect, header, close: "call me" ────► │      (a knock)
//!       │ ◄──────────── connect, header ──────────── │      (the connection both keep)
//!       │ ◄═══════════ notifications ══════════════► │
//! ```
//!
//! Of two servers the one with the larger id opens the connection that lasts. The other can only
//! ask for it. Whoever asks or calls while a connection stands is believed when that one has ended or
//! is silent: it is written to, and if its peer has given it up that ends it at once.
//!
//! One message waits for a peer at most, and the newest replaces it: an old vote is worth nothing.
//! A peer that comes back is told the current vote at once, so nothing lost with a connection
//! matters. A peer that is slow, silent or hostile costs only itself: each has its own timers and
//! bounded buffers.
//!
//! It knows the wire's form (`codec::election`) and the configuration's addresses, and no socket:
//! the shell answers each effect with an input.

mod settings;

mod effect;
mod mesh;

mod conn;
mod peer;

pub use effect::{CloseReason, Dial, LinksEffect, LinksInput};
pub use mesh::Links;
pub use settings::LinkSettings;
