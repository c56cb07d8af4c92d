//! Generations: jobs that make pictures, from the request to the last credit.
//!
//! A [`Job`] is a value. A transition takes the job as it was read and gives the job as it should
//! be written, together with what to do about the credits that are held for it. Nothing here reads
//! a clock, a queue or a store: the store writes a transition only if the job still has the
//! [`version`](Job::version) that was read, so of two that race one is lost and reads again.
//!
//! What is guaranteed, whatever the order of calls:
//! - a finished job never changes again;
//! - the hold is resolved exactly once, by the transition that finishes the job, and what is
//!   posted and what is voided add up to what was held;
//! - only the worker whose claim the job carries can hand in its pictures.

mod estimate;
mod job;
mod price;
mod request;
mod stand_in;

pub use estimate::{ServiceTime, eta_s, poll_after_s};
pub use job::{
    ATTEMPTS_MAX, Claim, ClaimToken, Claimed, FallbackReason, HoldOutcome, Job, JobProblem, NewJob,
    Picture, PictureResult, ProblemKind, State, Transition, TransitionError,
};
pub use price::{NORMAL_MEME_CREDITS, POOLED_AI_MEME_CREDITS, picture_credits};
pub use request::{
    COUNT_MAX, DEADLINE_DEFAULT_S, DEADLINE_MAX_S, DEADLINE_MIN_S, Fallback, InvalidRequest,
    PROMPT_CHARS_MAX, Request, Size, UnknownSize, check_deadline_s,
};
pub use stand_in::stand_ins;
