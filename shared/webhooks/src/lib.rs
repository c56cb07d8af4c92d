//! Webhooks: what a client is told without asking, as Standard Webhooks has it.
//!
//! An [`Endpoint`] is an address of the client's that is told of [`Event`]s. For each event and each
//! endpoint that wants it there is one [`Delivery`], a value like a job: a transition takes it as it
//! was read and gives it as it should be written, and the store writes it only over the version that
//! was read. Nothing here reads a clock, resolves a name or opens a connection.
//!
//! What is guaranteed, whatever is lost or repeated:
//! - a delivery that is pending always has a time at which somebody looks after it
//!   ([`Delivery::swept_at`]), so none is forgotten;
//! - it is attempted [`ATTEMPTS_MAX`] times at most, then it is given up;
//! - all attempts have one id, that of the event, by which a receiver knows a repetition.

mod address;
mod delivery;
mod endpoint;
mod event;
mod schedule;
mod secret;

pub use address::{EndpointUrl, InvalidUrl, Targets, URL_BYTES_MAX, is_public};
pub use delivery::{
    Answer, Attempt, Claimed, Delivery, Failure, NotClaimed, PATIENCE, State, StillPending,
};
pub use endpoint::{Disabled, Endpoint, OLD_SECRET_FOR, Secret};
pub use event::{Event, EventKind, UnknownEvent};
pub use schedule::{ATTEMPTS_MAX, MESSAGE_DELAY_MAX, retry_after};
pub use secret::{MalformedSecret, SECRET_BYTES, SigningSecret};
