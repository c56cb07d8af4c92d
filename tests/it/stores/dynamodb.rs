use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, Put, ReturnValuesOnConditionCheckFailure,
    ScalarAttributeType, TransactWriteItem, Update,
};

use super::clients;

fn s(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn n(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key")
}

pub(crate) async fn create_table(client: &Client) {
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .expect("an attribute")
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("by-state")
        .key_schema(key("state", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .expect("an index");
    client
        .create_table()
        .table_name("ledger")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk"))
        .attribute_definitions(attribute("sk"))
        .attribute_definitions(attribute("state"))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index)
        .send()
        .await
        .expect("the table is made");
}

pub(crate) async fn put_balance(client: &Client, available: i64) {
    client
        .put_item()
        .table_name("ledger")
        .item("pk", s("cl_1"))
        .item("sk", s("BALANCE"))
        .item("available", n(available))
        .send()
        .await
        .expect("the balance is written");
}

pub(crate) async fn balance(client: &Client) -> AttributeValue {
    let output = client
        .get_item()
        .table_name("ledger")
        .key("pk", s("cl_1"))
        .key("sk", s("BALANCE"))
        .consistent_read(true)
        .send()
        .await
        .expect("the balance is read");
    output.item.expect("there is a balance")["available"].clone()
}

#[tokio::test]
async fn a_lost_condition_tells_what_was_there() {
    let (_stores, clients) = clients::start().await;
    create_table(&clients.dynamodb).await;
    put_balance(&clients.dynamodb, 5).await;
    let spend = |credits: i64| {
        clients
            .dynamodb
            .update_item()
            .table_name("ledger")
            .key("pk", s("cl_1"))
            .key("sk", s("BALANCE"))
            .update_expression("SET available = available - :n")
            .condition_expression("available >= :n")
            .expression_attribute_values(":n", n(credits))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    spend(3).await.expect("three of five can be spent");
    let error = spend(3).await.expect_err("three of two cannot");
    let UpdateItemError::ConditionalCheckFailedException(lost) = error.into_service_error() else {
        panic!("another error");
    };
    assert_eq!(lost.item.expect("the item comes along")["available"], n(2));
    assert_eq!(balance(&clients.dynamodb).await, n(2));
}

#[tokio::test]
async fn a_cancelled_transaction_changes_nothing_and_says_why() {
    let (_stores, clients) = clients::start().await;
    create_table(&clients.dynamodb).await;
    put_balance(&clients.dynamodb, 5).await;
    let transact = |credits: i64| {
        let hold = Put::builder()
            .table_name("ledger")
            .item("pk", s("cl_1"))
            .item("sk", s("HOLD#1"))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("a put");
        let debit = Update::builder()
            .table_name("ledger")
            .key("pk", s("cl_1"))
            .key("sk", s("BALANCE"))
            .update_expression("SET available = available - :n")
            .condition_expression("available >= :n")
            .expression_attribute_values(":n", n(credits))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("an update");
        clients
            .dynamodb
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(hold).build())
            .transact_items(TransactWriteItem::builder().update(debit).build())
            .send()
    };
    let error = transact(9).await.expect_err("nine of five cannot be held");
    let TransactWriteItemsError::TransactionCanceledException(canceled) =
        error.into_service_error()
    else {
        panic!("another error");
    };
    let reasons = canceled.cancellation_reasons();
    assert_eq!(reasons[0].code(), Some("None"));
    assert_eq!(reasons[1].code(), Some("ConditionalCheckFailed"));
    let item = reasons[1].item().expect("the item comes along");
    assert_eq!(item["available"], n(5));
    assert_eq!(balance(&clients.dynamodb).await, n(5));

    transact(4).await.expect("four of five can be held");
    assert_eq!(balance(&clients.dynamodb).await, n(1));
    let error = transact(1).await.expect_err("the hold is there already");
    let TransactWriteItemsError::TransactionCanceledException(canceled) =
        error.into_service_error()
    else {
        panic!("another error");
    };
    assert_eq!(canceled.cancellation_reasons()[0].code(), Some("ConditionalCheckFailed"));
}

#[tokio::test]
async fn an_index_holds_only_the_items_that_have_its_key() {
    let (_stores, clients) = clients::start().await;
    create_table(&clients.dynamodb).await;
    put_balance(&clients.dynamodb, 5).await;
    for (hold, state) in [("HOLD#1", "open"), ("HOLD#2", "done"), ("HOLD#3", "open")] {
        clients
            .dynamodb
            .put_item()
            .table_name("ledger")
            .item("pk", s("cl_1"))
            .item("sk", s(hold))
            .item("state", s(state))
            .send()
            .await
            .expect("the hold is written");
    }
    let mut pages = clients
        .dynamodb
        .query()
        .table_name("ledger")
        .index_name("by-state")
        .key_condition_expression("#state = :open")
        .expression_attribute_names("#state", "state")
        .expression_attribute_values(":open", s("open"))
        .limit(1)
        .into_paginator()
        .items()
        .send();
    let mut open = Vec::new();
    while let Some(item) = pages.next().await {
        open.push(item.expect("a page")["sk"].clone());
    }
    assert_eq!(open, [s("HOLD#1"), s("HOLD#3")]);
}
