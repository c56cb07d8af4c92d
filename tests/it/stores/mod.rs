//! The embedded stores and the event source, as clients of AWS's own SDKs see them.

mod clients;
mod dynamodb;
mod event_source;
mod restart;
mod s3;
mod sqs;
mod stream_source;
