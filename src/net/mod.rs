//! One core's transport: listeners, connections in and out, and their bytes. No protocol.
//!
//! A [`Net`] lives on one thread. Its role fills outputs, calls [`Net::turn`], and works off the
//! events; all that was queued leaves in that turn, one send a connection. What was received
//! stands in [`Net::input`] until the role consumes it, usually still in the buffer that the
//! kernel wrote. It touches the kernel only through [`crate::runtime`].
//!
//! A connection with TLS has a [`crate::tls::Session`] between its bytes and `input` and `output`; its
//! role knows nothing of it, and hears of the first plain bytes.
//!
//! Back-pressure, in the order in which it sets in: the role throttles or pauses what it cannot work
//! off; a connection with too much input is not read; one with too much output is told of when it has
//! less; one with far too much is closed if its peer takes nothing of it. [`NetSettings`] has the
//! bounds, and [`NetEvent`] what a role may rely on.

mod transport;

mod event;
mod settings;
mod socket;

mod conn;
mod deadlines;
mod input;
mod outgoing;
mod secure;
mod sessions;
mod spare;
mod table;

mod listener;
mod taken;

pub use event::{CloseReason, How, NetEvent};
pub use listener::{Bound, bind};
pub use settings::{ConnOptions, NetSettings, Security};
pub use taken::{NotTaken, TakenPort, take_all};
pub use transport::Net;
