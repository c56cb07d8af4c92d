use local::stores::{Ports, Stores, StoresConfig, StoresError};

use super::{clients, dynamodb, s3, sqs};

#[tokio::test]
async fn tables_and_objects_outlive_the_stores_and_queues_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = StoresConfig {
        data_dir: Some(folder.path().join("not/there/yet")),
        ..StoresConfig::default()
    };
    {
        let (stores, clients) = clients::start_with(config.clone()).await;
        dynamodb::create_table(&clients.dynamodb).await;
        dynamodb::put_balance(&clients.dynamodb, 7).await;
        s3::create_bucket(&clients.s3).await;
        s3::put(&clients.s3, "kept.jpg", b"a picture").await;
        sqs::create_queue(&clients.sqs, "jobs", &[]).await;
        stores.shutdown().await;
    }
    let (stores, clients) = clients::start_with(config.clone()).await;
    let seven = aws_sdk_dynamodb::types::AttributeValue::N("7".to_owned());
    assert_eq!(dynamodb::balance(&clients.dynamodb).await, seven);
    assert_eq!(s3::get(&clients.s3, "kept.jpg").await, b"a picture");
    let queues = clients.sqs.list_queues().send().await.expect("an answer");
    assert!(queues.queue_urls().is_empty());

    // Dropping without a word keeps it as well.
    dynamodb::put_balance(&clients.dynamodb, 8).await;
    drop(stores);
    let (_stores, clients) = clients::start_with(config).await;
    let eight = aws_sdk_dynamodb::types::AttributeValue::N("8".to_owned());
    assert_eq!(dynamodb::balance(&clients.dynamodb).await, eight);
}

#[tokio::test]
async fn one_folder_has_one_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let config =
        StoresConfig { data_dir: Some(folder.path().to_owned()), ..StoresConfig::default() };
    let first = Stores::start(config.clone()).await.expect("it starts");
    let second = Stores::start(config.clone()).await;
    assert!(matches!(second, Err(StoresError::InUse { .. })));
    drop(first);
    Stores::start(config).await.expect("the folder is free");
}

#[tokio::test]
async fn fixed_ports_are_used_and_a_taken_one_is_named() {
    let (first, _clients) = clients::start().await;
    let taken = first.endpoints().s3.port().expect("a port");
    let config = StoresConfig {
        ports: Some(Ports { s3: taken, ..Ports::default() }),
        ..StoresConfig::default()
    };
    let refused = Stores::start(config.clone()).await;
    assert!(matches!(
        refused,
        Err(StoresError::Bind { store: "S3", address, .. }) if address.port() == taken
    ));
    drop(first);
    let second = Stores::start(config).await.expect("the port is free");
    assert_eq!(second.endpoints().s3.port(), Some(taken));
}
