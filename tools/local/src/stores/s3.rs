//! S3: s3s in front of a folder, with what the folder alone does not promise.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::pin::Pin;

use http_body_util::{BodyExt, Limited};
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::stream::ByteStream;
use s3s::{Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::StoresError;

/// Bodies up to this many bytes are read before the key's lock is taken, so that a slow upload
/// holds up nobody. SDKs send larger objects in parts.
const BUFFERED: usize = 16 * 1024 * 1024;

/// Keys share this many locks.
const STRIPES: usize = 64;

/// The HTTP service over the objects in `folder`, open to the one key given.
pub(super) fn service(
    folder: &Path,
    access_key_id: &str,
    secret_access_key: &str,
) -> Result<S3Service, StoresError> {
    let files =
        FileSystem::new(folder).map_err(|error| StoresError::Objects(format!("{error:?}")))?;
    let mut builder = S3ServiceBuilder::new(Objects {
        files,
        hasher: RandomState::new(),
        stripes: std::array::from_fn(|_| RwLock::new(())),
        buckets: RwLock::new(()),
    });
    builder.set_auth(SimpleAuth::from_single(access_key_id, secret_access_key));
    Ok(builder.build())
}

/// The folder, with one writer at a time for each key.
///
/// The folder checks `If-None-Match` and `If-Match`, then writes: two writers can both pass the
/// check. It also writes an object and its headers one after the other, so that a reader could see
/// the new bytes under the old ETag. Both need a lock per key; this process is the only one that
/// has the folder open, so a lock in memory is enough.
struct Objects {
    files: FileSystem,
    hasher: RandomState,
    stripes: [RwLock<()>; STRIPES],
    buckets: RwLock<()>,
}

impl Objects {
    fn stripe(&self, bucket: &str, key: &str) -> &RwLock<()> {
        let hash = self.hasher.hash_one((bucket, key)) as usize;
        &self.stripes[hash % STRIPES]
    }

    async fn write(&self, bucket: &str, key: &str) -> RwLockWriteGuard<'_, ()> {
        self.stripe(bucket, key).write().await
    }

    async fn read(&self, bucket: &str, key: &str) -> RwLockReadGuard<'_, ()> {
        self.stripe(bucket, key).read().await
    }
}

/// Operations that the folder does well enough by itself.
macro_rules! forward {
    ($($operation:ident($input:ident) -> $output:ident;)*) => {$(
        // The shape that `async_trait` gives a method, since it does not look into macros.
        fn $operation<'life0, 'async_trait>(
            &'life0 self,
            request: S3Request<$input>,
        ) -> Pin<Box<dyn Future<Output = S3Result<S3Response<$output>>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            self.files.$operation(request)
        }
    )*};
}

#[async_trait::async_trait]
impl S3 for Objects {
    forward! {
        abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
        delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
        create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
        get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
        head_bucket(HeadBucketInput) -> HeadBucketOutput;
        list_buckets(ListBucketsInput) -> ListBucketsOutput;
        list_objects(ListObjectsInput) -> ListObjectsOutput;
        list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
        list_parts(ListPartsInput) -> ListPartsOutput;
        upload_part(UploadPartInput) -> UploadPartOutput;
        upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
    }

    /// Every bucket here is the caller's, and S3 tells an owner so; the folder answers
    /// `BucketAlreadyExists`, which means somebody else's and stops whoever creates at each start.
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let _one = self.buckets.write().await;
        self.files.create_bucket(request).await.map_err(|error| {
            if *error.code() == S3ErrorCode::BucketAlreadyExists {
                s3_error!(
                    BucketAlreadyOwnedByYou,
                    "Your previous request to create the named bucket succeeded and you already own it."
                )
            } else {
                error
            }
        })
    }

    /// The folder removes a bucket with all that is in it; S3 refuses.
    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let _one = self.buckets.write().await;
        let mut list = ListObjectsV2Input::default();
        list.bucket.clone_from(&request.input.bucket);
        list.max_keys = Some(1);
        let listing = self
            .files
            .list_objects_v2(S3Request {
                input: list,
                method: request.method.clone(),
                uri: request.uri.clone(),
                headers: request.headers.clone(),
                extensions: http::Extensions::new(),
                credentials: request.credentials.clone(),
                region: request.region.clone(),
                service: request.service.clone(),
                trailing_headers: None,
            })
            .await?;
        if listing.output.contents.is_some_and(|contents| !contents.is_empty()) {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty."));
        }
        self.files.delete_bucket(request).await
    }

    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        if let Some(body) = request.input.body.take() {
            request.input.body = Some(buffered(body).await?);
        }
        let _one = self.write(&request.input.bucket, &request.input.key).await;
        self.files.put_object(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let _one = self.write(&request.input.bucket, &request.input.key).await;
        self.files.complete_multipart_upload(request).await
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let _one = self.write(&request.input.bucket, &request.input.key).await;
        self.files.copy_object(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let _one = self.write(&request.input.bucket, &request.input.key).await;
        self.files.delete_object(request).await
    }

    /// The lock covers opening the file and reading its headers, not the sending: an upload puts
    /// another file in its place and leaves the open one as it was.
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let _shared = self.read(&request.input.bucket, &request.input.key).await;
        self.files.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let _shared = self.read(&request.input.bucket, &request.input.key).await;
        self.files.head_object(request).await
    }
}

/// The same body, read into memory when it is known to be small enough.
async fn buffered(body: StreamingBlob) -> S3Result<StreamingBlob> {
    let length = body.remaining_length().exact();
    if length.is_none_or(|length| length > BUFFERED) {
        return Ok(body);
    }
    let bytes = Limited::new(Body::from(body), BUFFERED)
        .collect()
        .await
        .map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?
        .to_bytes();
    Ok(Body::from(bytes).into())
}
