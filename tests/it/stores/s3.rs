use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::create_bucket::CreateBucketError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::clients;

pub(crate) async fn create_bucket(client: &Client) {
    client.create_bucket().bucket("memes").send().await.expect("the bucket is made");
}

pub(crate) async fn put(client: &Client, key: &str, body: &'static [u8]) {
    client
        .put_object()
        .bucket("memes")
        .key(key)
        .content_type("image/jpeg")
        .metadata("job", "gen_1")
        .body(ByteStream::from_static(body))
        .send()
        .await
        .expect("the object is written");
}

pub(crate) async fn get(client: &Client, key: &str) -> Vec<u8> {
    let output = client.get_object().bucket("memes").key(key).send().await;
    let body = output.expect("the object is read").body;
    body.collect().await.expect("all of it").into_bytes().into()
}

/// The status and the body that a client without any SDK gets for `url`.
async fn plain_get(url: &str) -> (String, Vec<u8>) {
    let rest = url.strip_prefix("http://").expect("plain HTTP");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).await.expect("a connection");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answered");
    let head_len = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..head_len]).to_lowercase();
    (head, answer[head_len + 4..].to_vec())
}

#[tokio::test]
async fn an_object_comes_back_with_its_headers() {
    let (_stores, clients) = clients::start().await;
    create_bucket(&clients.s3).await;
    put(&clients.s3, "ai/gen_1/0.jpg", b"a picture").await;
    assert_eq!(get(&clients.s3, "ai/gen_1/0.jpg").await, b"a picture");
    let head = clients
        .s3
        .head_object()
        .bucket("memes")
        .key("ai/gen_1/0.jpg")
        .send()
        .await
        .expect("the head is read");
    assert_eq!(head.content_type(), Some("image/jpeg"));
    assert_eq!(head.content_length(), Some(9));
    assert_eq!(head.metadata().expect("metadata")["job"], "gen_1");
    let part = clients
        .s3
        .get_object()
        .bucket("memes")
        .key("ai/gen_1/0.jpg")
        .range("bytes=2-4")
        .send()
        .await
        .expect("a range is read");
    let part = part.body.collect().await.expect("all of it").into_bytes();
    assert_eq!(&part[..], b"pic");
    let missing = clients.s3.get_object().bucket("memes").key("none").send();
    assert!(matches!(
        missing.await.expect_err("missing").into_service_error(),
        GetObjectError::NoSuchKey(_)
    ));
}

#[tokio::test]
async fn a_presigned_url_needs_no_sdk_and_bears_no_change() {
    let (_stores, clients) = clients::start().await;
    create_bucket(&clients.s3).await;
    put(&clients.s3, "a b/ö.jpg", b"a picture").await;
    let presigned = clients
        .s3
        .get_object()
        .bucket("memes")
        .key("a b/ö.jpg")
        .presigned(PresigningConfig::expires_in(Duration::from_secs(60)).expect("a minute"))
        .await
        .expect("a URL");
    let (head, body) = plain_get(presigned.uri()).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("content-type: image/jpeg"), "{head}");
    assert_eq!(body, b"a picture");

    let (head, _) =
        plain_get(&presigned.uri().replace("X-Amz-Expires=60", "X-Amz-Expires=61")).await;
    assert!(head.starts_with("http/1.1 403 "), "{head}");
    let (unsigned, _) = presigned.uri().split_once('?').expect("a query");
    let (head, _) = plain_get(unsigned).await;
    assert!(head.starts_with("http/1.1 403 "), "{head}");
}

/// One of many writers makes the object; the others are told, and what they sent is nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_sixteen_conditional_writers_wins() {
    let (_stores, clients) = clients::start().await;
    create_bucket(&clients.s3).await;
    for round in 0..8 {
        let key = format!("pictures/{round}");
        let mut writers = JoinSet::new();
        for writer in 0..16_u8 {
            let put = clients
                .s3
                .put_object()
                .bucket("memes")
                .key(&key)
                .if_none_match("*")
                // Different lengths, so that a mixture would show.
                .body(vec![writer; 20_000 + usize::from(writer)].into());
            writers.spawn(async move { (writer, put.send().await) });
        }
        let mut winners = Vec::new();
        while let Some(result) = writers.join_next().await {
            let (writer, result) = result.expect("no panic");
            match result {
                Ok(_) => winners.push(writer),
                Err(error) => {
                    let status = error.raw_response().map(|answer| answer.status().as_u16());
                    assert_eq!(status, Some(412), "{error:?}");
                }
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let kept = get(&clients.s3, &key).await;
        assert_eq!(kept, vec![winners[0]; 20_000 + usize::from(winners[0])]);
    }
}

#[tokio::test]
async fn parts_become_one_object() {
    let (_stores, clients) = clients::start().await;
    create_bucket(&clients.s3).await;
    let upload = clients
        .s3
        .create_multipart_upload()
        .bucket("memes")
        .key("large")
        .send()
        .await
        .expect("an upload");
    let upload_id = upload.upload_id().expect("an id");
    let mut parts = CompletedMultipartUpload::builder();
    for number in 1..=2_u8 {
        let part = clients
            .s3
            .upload_part()
            .bucket("memes")
            .key("large")
            .upload_id(upload_id)
            .part_number(i32::from(number))
            .body(vec![number; 5 * 1024 * 1024].into())
            .send()
            .await
            .expect("a part");
        parts = parts.parts(
            CompletedPart::builder().part_number(i32::from(number)).set_e_tag(part.e_tag).build(),
        );
    }
    clients
        .s3
        .complete_multipart_upload()
        .bucket("memes")
        .key("large")
        .upload_id(upload_id)
        .multipart_upload(parts.build())
        .send()
        .await
        .expect("the parts are joined");
    let whole = get(&clients.s3, "large").await;
    assert_eq!(whole.len(), 10 * 1024 * 1024);
    assert_eq!((whole[0], whole[whole.len() - 1]), (1, 2));
}

#[tokio::test]
async fn buckets_behave_as_their_owner_expects() {
    let (_stores, clients) = clients::start().await;
    create_bucket(&clients.s3).await;
    let again = clients.s3.create_bucket().bucket("memes").send().await;
    assert!(matches!(
        again.expect_err("it is there").into_service_error(),
        CreateBucketError::BucketAlreadyOwnedByYou(_)
    ));

    put(&clients.s3, "kept", b"1").await;
    let delete = || clients.s3.delete_bucket().bucket("memes").send();
    assert!(delete().await.is_err(), "it is not empty");
    clients
        .s3
        .delete_object()
        .bucket("memes")
        .key("kept")
        .send()
        .await
        .expect("the object is deleted");
    delete().await.expect("it is empty");
}
