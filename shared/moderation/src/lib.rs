//! What may be asked for, written and shown.
//!
//! Texts are checked before anything is charged ([`text::check`], [`text::check_captions`]), pictures
//! before they are stored where a client can reach them (`picture::PictureFilter`, with the feature
//! `picture`). What is refused is refused with a [`text::Refusal`]: a category that programs can read
//! and a sentence that says what to change, without repeating what was said.
//!
//! Nothing here reaches out of the process: the rules are part of the program, and the weights of the
//! picture filter are given to it. No text and no picture makes this crate panic.
//!
//! # What is refused
//!
//! | category | prompts | captions |
//! |---|---|---|
//! | `sexual_minors` | children or teenagers with anything sexual or suggestive | with anything sexual |
//! | `real_person_nudity` | nudity of somebody who exists; undressing anybody | the former |
//! | `self_harm` | telling somebody to, how to, pictures of it | the same |
//! | `hate` | slurs, calls against people, symbols of hate | all but the symbols' names |
//! | `violence` | gore, mutilation, massacres | nothing: no picture shows it |
//! | `sexual` | acts, organs, nudity | acts and organs |
//! | `profanity` | strong swear words | the same |
//!
//! Mild swear words pass: memes say "damn". So does an instruction to the model ("ignore what you
//! were told"): a prompt is data, and what comes out of it is looked at.

#[cfg(feature = "picture")]
pub mod picture;
pub mod text;
