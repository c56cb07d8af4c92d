//! Memes that are kept: those that clients make, and those of Memes AI.
//!
//! Memes served from the catalogue are not here: their ids say what they are.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use clock::Timestamp;
use ids::{ClientId, Id, MemeId};
use serde::{Deserialize, Serialize};

use crate::dynamo::{StoreError, read, s, write};

/// The pool is spread over this many partitions.
pub const POOL_SHARDS: u8 = 4;

/// Where a meme's picture is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Picture {
    /// Under `/images/` of the API, drawn when asked for. The path without a slash in front.
    Drawn(String),
    /// In the bucket of pictures, under this key.
    Stored(String),
}

/// A meme as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemeRecord {
    /// Its id.
    #[serde(rename = "meme_id")]
    pub id: MemeId,
    /// Who may read it; none for the service's own, which whoever has Memes AI may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Whether a model painted it.
    pub ai: bool,
    /// Where the picture is.
    pub picture: Picture,
    /// The picture's width in pixels.
    pub width: u32,
    /// The picture's height in pixels.
    pub height: u32,
    /// The template, for memes that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What is written on it, box by box.
    pub captions: Vec<String>,
    /// What is seen and what is written.
    pub alt: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// What painted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How it came about, in IPTC's terms, as the manifest in the picture's file says; none where the
    /// file has no manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    /// What it cost, in credits.
    pub credits: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its partition of the pool, if it is in the pool that subscribers are served from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
}

/// The table of memes.
#[derive(Debug, Clone)]
pub struct MemeStore {
    client: Client,
    table: String,
}

impl MemeStore {
    /// The memes in `table`.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Keeps a meme. Keeping it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn put(&self, meme: &MemeRecord) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(meme)?))
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(())
    }

    /// The part of a transaction that keeps a meme.
    pub(crate) fn transact_put(&self, meme: &MemeRecord) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(write(meme)?))
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Reads a meme; none if there is none of this id.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn find(&self, id: MemeId) -> Result<Option<MemeRecord>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("meme_id", s(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        output.item.map(read).transpose()
    }

    /// The newest memes of one partition of the pool, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn pool(&self, shard: u8, limit: i32) -> Result<Vec<MemeRecord>, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("pool")
            .key_condition_expression("#pool = :shard")
            .expression_attribute_names("#pool", "pool")
            .expression_attribute_values(":shard", s(shard))
            .scan_index_forward(false)
            .limit(limit)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        output.items.unwrap_or_default().into_iter().map(read).collect()
    }
}

/// The partition of the pool that a meme belongs in.
#[must_use]
pub fn pool_shard(id: MemeId) -> String {
    (u128::from(id.ulid()) % u128::from(POOL_SHARDS)).to_string()
}
