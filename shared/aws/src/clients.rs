//! Who the clients are: profiles, secrets, subscriptions and what follows from them.
//!
//! One partition per client. The entitlement is derived from the profile and the subscriptions and
//! written in the same transaction as they are, under a new epoch, so that a decision is one read.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use clock::Timestamp;
use entitlements::{Entitlement, Product, Profile, Subscription};
use ids::{ClientId, SecretId};
use serde::{Deserialize, Serialize};

use crate::dynamo::{Item, StoreError, attribute, n, read, s, write};

const PROFILE: &str = "PROFILE";
const ENTITLEMENT: &str = "ENTITLEMENT";
const SECRET: &str = "SECRET#";
const SUBSCRIPTION: &str = "SUBSCRIPTION#";

/// How often a change is made again when another one came first.
const CHANGES_MAX: u32 = 5;

/// A client as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ProfileItem {
    name: String,
    home: String,
    revoked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burst_per_second: Option<u32>,
    created_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct EntitlementItem {
    epoch: u64,
    entitlement: Entitlement,
}

/// A client to be made.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Its id.
    pub client: ClientId,
    /// What people call it.
    pub name: String,
    /// The Region that writes its balance.
    pub home: String,
    /// The id of its first secret.
    pub secret: SecretId,
    /// The first secret's Argon2id hash, in PHC form.
    pub secret_hash: String,
    /// What it has subscribed to.
    pub subscriptions: Vec<Subscription>,
}

/// All that is known of a client but its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// Who it is.
    pub profile: Profile,
    /// Since when.
    pub created_at: Timestamp,
    /// What it has subscribed to.
    pub subscriptions: Vec<Subscription>,
    /// What follows from that.
    pub entitlement: Entitlement,
}

/// The table of clients.
#[derive(Debug, Clone)]
pub struct ClientStore {
    client: Client,
    table: String,
}

impl ClientStore {
    /// The clients in `table`.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Makes a client.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is one with this id.
    pub async fn create(&self, new: NewClient, now: Timestamp) -> Result<(), StoreError> {
        let profile = Profile {
            client: new.client,
            name: new.name,
            home: new.home,
            revoked: false,
            burst_per_second: None,
        };
        let mut secret = Self::key(new.client, &format!("{SECRET}{}", new.secret));
        secret.insert("hash".to_owned(), s(new.secret_hash));
        secret.insert("created_at".to_owned(), s(now));
        let mut parts = vec![self.put(secret, None)?];
        parts.extend(self.derived(&profile, now, &new.subscriptions, 0, now)?);
        self.transact(parts).await
    }

    /// The hashes of a client's secrets, in PHC form; none if there is no such client.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn secret_hashes(&self, client: ClientId) -> Result<Vec<String>, StoreError> {
        let items = self.query(client, SECRET).await?;
        Ok(items
            .into_iter()
            .filter_map(|mut item| match item.remove("hash") {
                Some(AttributeValue::S(hash)) => Some(hash),
                _ => None,
            })
            .collect())
    }

    /// What a client may do; none if there is no such client.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn entitlement(&self, client: ClientId) -> Result<Option<Entitlement>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(client, ENTITLEMENT)))
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        let Some(item) = output.item else {
            return Ok(None);
        };
        Ok(Some(read::<EntitlementItem>(item)?.entitlement))
    }

    /// All that is known of a client; none if there is no such client.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn find(&self, client: ClientId) -> Result<Option<ClientRecord>, StoreError> {
        let mut profile = None;
        let mut entitlement = None;
        let mut subscriptions = Vec::new();
        for item in self.query(client, "").await? {
            match item.get("sk") {
                Some(AttributeValue::S(sk)) if sk == PROFILE => {
                    profile = Some(read::<ProfileItem>(item)?);
                }
                Some(AttributeValue::S(sk)) if sk == ENTITLEMENT => {
                    entitlement = Some(read::<EntitlementItem>(item)?.entitlement);
                }
                Some(AttributeValue::S(sk)) if sk.starts_with(SUBSCRIPTION) => {
                    subscriptions.push(read::<Subscription>(item)?);
                }
                _ => {}
            }
        }
        let (Some(profile), Some(entitlement)) = (profile, entitlement) else {
            return Ok(None);
        };
        Ok(Some(ClientRecord {
            profile: Profile {
                client,
                name: profile.name,
                home: profile.home,
                revoked: profile.revoked,
                burst_per_second: profile.burst_per_second,
            },
            created_at: profile.created_at,
            subscriptions,
            entitlement,
        }))
    }

    /// Changes a client's profile or subscriptions, and its entitlement with them.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is no such client, or if others keep changing it.
    pub async fn change(
        &self,
        client: ClientId,
        now: Timestamp,
        change: impl Fn(&mut Profile, &mut Vec<Subscription>) + Send,
    ) -> Result<Entitlement, StoreError> {
        for _ in 0..CHANGES_MAX {
            let mut record = self.find(client).await?.ok_or(StoreError::Conflict)?;
            change(&mut record.profile, &mut record.subscriptions);
            let epoch = record.entitlement.epoch;
            let parts = self.derived(
                &record.profile,
                record.created_at,
                &record.subscriptions,
                epoch,
                now,
            )?;
            match self.transact(parts).await {
                Ok(()) => {
                    return Ok(Entitlement::materialise(
                        record.profile,
                        &record.subscriptions,
                        epoch,
                        now,
                    ));
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// The profile, the subscriptions and the entitlement that follows from them, on condition
    /// that the entitlement's epoch is still `epoch` (0: that there is no such client).
    fn derived(
        &self,
        profile: &Profile,
        created_at: Timestamp,
        subscriptions: &[Subscription],
        epoch: u64,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let client = profile.client;
        let entitlement = Entitlement::materialise(profile.clone(), subscriptions, epoch, now);
        let mut item = Self::key(client, ENTITLEMENT);
        item.insert("epoch".to_owned(), n(entitlement.epoch));
        item.insert("entitlement".to_owned(), attribute(&entitlement)?);
        let mut parts = vec![self.put(item, Some(epoch))?];

        let mut item = write(&ProfileItem {
            name: profile.name.clone(),
            home: profile.home.clone(),
            revoked: profile.revoked,
            burst_per_second: profile.burst_per_second,
            created_at,
        })?;
        item.extend(Self::key(client, PROFILE));
        parts.push(self.put(item, None)?);

        for subscription in subscriptions {
            let mut item = write(subscription)?;
            let product = match subscription.product {
                Product::Memes(_) => "memes",
                Product::MemesAi => "memes-ai",
            };
            item.extend(Self::key(client, &format!("{SUBSCRIPTION}{product}")));
            parts.push(self.put(item, None)?);
        }
        Ok(parts)
    }

    fn key(client: ClientId, sort: &str) -> Item {
        HashMap::from([("client_id".to_owned(), s(client)), ("sk".to_owned(), s(sort))])
    }

    fn put(&self, item: Item, epoch: Option<u64>) -> Result<TransactWriteItem, StoreError> {
        let mut put = Put::builder().table_name(&self.table).set_item(Some(item));
        put = match epoch {
            None => put,
            Some(0) => put.condition_expression("attribute_not_exists(client_id)"),
            Some(epoch) => put
                .condition_expression("epoch = :epoch")
                .expression_attribute_values(":epoch", n(epoch)),
        };
        let put = put.build().map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    async fn query(&self, client: ClientId, prefix: &str) -> Result<Vec<Item>, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("client_id = :client")
            .expression_attribute_values(":client", s(client));
        if !prefix.is_empty() {
            query = query
                .key_condition_expression("client_id = :client AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", s(prefix));
        }
        // A client's partition is a few items: far below a page of 1 MB.
        let output = query.send().await.map_err(StoreError::from_sdk)?;
        Ok(output.items.unwrap_or_default())
    }

    async fn transact(&self, parts: Vec<TransactWriteItem>) -> Result<(), StoreError> {
        let answer =
            self.client.transact_write_items().set_transact_items(Some(parts)).send().await;
        match answer {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error))
                if error.err().is_transaction_canceled_exception() =>
            {
                Err(StoreError::Conflict)
            }
            Err(error) => Err(StoreError::from_sdk(error)),
        }
    }
}
