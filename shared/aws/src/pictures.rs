//! Generated pictures in S3, and the signed addresses under which clients read them.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;

use crate::dynamo::StoreError;

/// The bucket of pictures.
#[derive(Debug, Clone)]
pub struct PictureStore {
    client: Client,
    bucket: String,
}

impl PictureStore {
    /// The pictures in `bucket`.
    #[must_use]
    pub const fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// Stores a picture under `key`, unless there is one: a repeated delivery of the same work
    /// keeps the first picture. Says whether it was stored.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn put(
        &self,
        key: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let answer = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .cache_control("private, max-age=31536000, immutable")
            .if_none_match("*")
            .body(ByteStream::from(bytes))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(false),
            Err(error) => Err(StoreError::from_sdk(error)),
        }
    }

    /// An address under which whoever has it can read the picture for `valid`. Made without a
    /// request.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the credentials do not allow signing.
    pub async fn signed_url(&self, key: &str, valid: Duration) -> Result<String, StoreError> {
        let config = PresigningConfig::expires_in(valid)
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .presigned(config)
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(request.uri().to_owned())
    }
}
