//! Pictures and words of models that run beside the worker.
//!
//! [`Images`] and [`Chat`] call services that speak OpenAI's API, as SGLang and vLLM serve it. Such a
//! service is a neighbour, not a friend: it may be slow, sick, restarted, misconfigured or replaced.
//!
//! # What is promised
//!
//! - Every call ends within the time that its caller gives it, retries and pauses included.
//! - What may be better the next time is tried again, after a pause with jitter, or the pause that
//!   the service asks for. All calls of a client share a budget of retries, so that a sick service
//!   gets little more than the calls themselves.
//! - No answer is read past a limit on its bytes, and no picture is decoded whose header says that it
//!   has too many pixels.
//! - A picture has the size that was asked for. A larger one is scaled down and cropped around its
//!   middle; a smaller one is an error, since enlarging would pass off a blur as what was ordered.
//! - A picture that the service only gives the address of is fetched from the service itself and
//!   from nowhere else. Redirects are not followed.
//! - Errors and logs hold no prompt, no key, and no text that a service wrote.
//!
//! # What services take
//!
//! | field | SGLang | vLLM | what is sent |
//! |---|---|---|---|
//! | `model` | ignored | must be the served one | where one is configured |
//! | `n` | 1 to 10, more is cut to 10 | 1 to 10, more is refused | 1 to [`COUNT_MAX`] |
//! | `size` | yes | yes | always |
//! | `response_format` | `url` only with a store of its own | `b64_json` or `file` | `b64_json` |
//! | `seed` | yes; without one always the same | yes; without one by chance | always |
//!
//! A service without `seed`, such as OpenAI's own, refuses the request: the same order would not give
//! the same picture there, and retried jobs rely on that.

mod chat;
mod error;
mod http;
mod images;
mod retry;
mod service;
#[cfg(feature = "testing")]
pub mod testing;

pub use chat::{ANSWER_BYTES_MAX, Chat, Question};
pub use error::CallError;
pub use images::{COUNT_MAX, ImageRequest, Images, PICTURE_BYTES_MAX, PIXELS_MAX};
pub use retry::RetryPolicy;
pub use service::{Key, Service, ServiceFault};
