//! The tables: their names, keys and indexes. `template.yaml` and Terraform declare the same, and
//! a test holds them to this list; the local stack creates its tables from it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};

use crate::dynamo::StoreError;

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Text.
    String,
    /// A number.
    Number,
}

/// A key attribute.
pub type Key = (&'static str, KeyKind);

/// A secondary index. All attributes are projected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// Its partition key. An item without it is not in the index.
    pub partition: Key,
    /// Its sort key.
    pub sort: Key,
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name without the stage.
    pub name: &'static str,
    /// Its partition key.
    pub partition: Key,
    /// Its sort key, if it has one.
    pub sort: Option<Key>,
    /// Its secondary indexes.
    pub indexes: &'static [Index],
    /// The attribute by which DynamoDB deletes old items, in seconds since the Unix epoch. Nothing
    /// relies on when it does.
    pub ttl: Option<&'static str>,
    /// Whether its stream hands on what each item has become.
    pub stream: bool,
}

use KeyKind::{Number, String};

/// Who may do what: profiles, secrets, subscriptions, entitlements.
pub const CLIENTS: Table = Table {
    name: "clients",
    partition: ("client_id", String),
    sort: Some(("sk", String)),
    indexes: &[],
    ttl: None,
    stream: false,
};

/// Balances, holds, grants. Each change of a balance carries its entry; the stream hands these on.
pub const LEDGER: Table = Table {
    name: "ledger",
    partition: ("client_id", String),
    sort: Some(("sk", String)),
    indexes: &[Index { name: "due", partition: ("due_shard", String), sort: ("due_at", Number) }],
    ttl: None,
    stream: true,
};

/// What this Region holds of the credits of clients who are at home in another: a ledger of escrows.
pub const STOCK: Table = Table { name: "stock", stream: false, ..LEDGER };

/// The entries of the ledger, each for good until its time is over.
pub const JOURNAL: Table = Table {
    name: "journal",
    partition: ("client_id", String),
    sort: Some(("seq", Number)),
    indexes: &[],
    ttl: Some("ttl"),
    stream: false,
};

/// Jobs.
pub const GENERATIONS: Table = Table {
    name: "generations",
    partition: ("job_id", String),
    sort: None,
    indexes: &[
        Index { name: "by-client", partition: ("client_id", String), sort: ("job_id", String) },
        Index { name: "unfinished", partition: ("unfinished", String), sort: ("job_id", String) },
    ],
    ttl: Some("ttl"),
    stream: false,
};

/// Memes made by clients and by Memes AI.
pub const MEMES: Table = Table {
    name: "memes",
    partition: ("meme_id", String),
    sort: None,
    indexes: &[Index { name: "pool", partition: ("pool", String), sort: ("meme_id", String) }],
    ttl: Some("ttl"),
    stream: false,
};

/// Idempotency keys, with the answers to be replayed.
pub const IDEMPOTENCY: Table = Table {
    name: "idempotency",
    partition: ("key", String),
    sort: None,
    indexes: &[],
    ttl: Some("ttl"),
    stream: false,
};

/// What clients used: hours, and what was counted of which source.
pub const USAGE: Table = Table {
    name: "usage",
    partition: ("client_id", String),
    sort: Some(("sk", String)),
    indexes: &[],
    ttl: Some("ttl"),
    stream: false,
};

/// Where clients want to be told, and what they are told.
pub const WEBHOOKS: Table = Table {
    name: "webhooks",
    partition: ("client_id", String),
    sort: Some(("sk", String)),
    indexes: &[Index { name: "due", partition: ("due_shard", String), sort: ("due_at", Number) }],
    ttl: Some("ttl"),
    stream: false,
};

/// The keys that tokens are signed with: `public` halves for everybody, `private` ones for the
/// issuer alone. And those of `manifests`, for the workers. IAM tells them apart by partition key.
pub const SIGNING_KEYS: Table = Table {
    name: "signing-keys",
    partition: ("half", String),
    sort: Some(("kid", String)),
    indexes: &[],
    ttl: None,
    stream: false,
};

/// Every table.
pub const TABLES: &[Table] = &[
    CLIENTS,
    LEDGER,
    STOCK,
    JOURNAL,
    USAGE,
    GENERATIONS,
    MEMES,
    WEBHOOKS,
    IDEMPOTENCY,
    SIGNING_KEYS,
];

impl Table {
    /// The table's name in a stage.
    #[must_use]
    pub fn in_stage(&self, stage: &str) -> std::string::String {
        format!("memes-{stage}-{}", self.name)
    }

    /// Creates the table, unless it is there.
    ///
    /// # Errors
    /// [`StoreError`] if the store refuses.
    pub async fn create(&self, client: &Client, stage: &str) -> Result<(), StoreError> {
        let failed =
            |error: aws_sdk_dynamodb::error::BuildError| StoreError::Failed(error.to_string());
        let mut keys = vec![self.partition];
        keys.extend(self.sort);
        for index in self.indexes {
            keys.extend([index.partition, index.sort]);
        }
        keys.sort_unstable_by_key(|(name, _)| *name);
        keys.dedup();
        let mut request = client
            .create_table()
            .table_name(self.in_stage(stage))
            .billing_mode(BillingMode::PayPerRequest)
            .set_stream_specification(self.stream_specification()?)
            .key_schema(element(self.partition, KeyType::Hash).map_err(failed)?);
        if let Some(sort) = self.sort {
            request = request.key_schema(element(sort, KeyType::Range).map_err(failed)?);
        }
        for (name, kind) in keys {
            let kind = match kind {
                KeyKind::String => ScalarAttributeType::S,
                KeyKind::Number => ScalarAttributeType::N,
            };
            let attribute =
                AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
            request = request.attribute_definitions(attribute.build().map_err(failed)?);
        }
        for index in self.indexes {
            let built = GlobalSecondaryIndex::builder()
                .index_name(index.name)
                .key_schema(element(index.partition, KeyType::Hash).map_err(failed)?)
                .key_schema(element(index.sort, KeyType::Range).map_err(failed)?)
                .projection(Projection::builder().projection_type(ProjectionType::All).build())
                .build()
                .map_err(failed)?;
            request = request.global_secondary_indexes(built);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(StoreError::from_sdk(error)),
        }
    }
}

impl Table {
    /// Starts the stream of a table that was made without one. Says whether it had none.
    ///
    /// # Errors
    /// [`StoreError`] if the store refuses.
    pub async fn start_stream(&self, client: &Client, stage: &str) -> Result<bool, StoreError> {
        let name = self.in_stage(stage);
        let Some(specification) = self.stream_specification()? else { return Ok(false) };
        let table = client.describe_table().table_name(&name).send().await;
        let table = table.map_err(StoreError::from_sdk)?.table;
        if table.is_some_and(|table| table.stream_specification.is_some_and(|it| it.stream_enabled))
        {
            return Ok(false);
        }
        let request = client.update_table().table_name(&name).stream_specification(specification);
        request.send().await.map_err(StoreError::from_sdk)?;
        Ok(true)
    }

    fn stream_specification(&self) -> Result<Option<StreamSpecification>, StoreError> {
        let specification = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewImage)
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(self.stream.then_some(specification))
    }
}

fn element(
    (name, _): Key,
    kind: KeyType,
) -> Result<KeySchemaElement, aws_sdk_dynamodb::error::BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}

impl KeyKind {
    /// The letter by which DynamoDB calls the type.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::String => 'S',
            Self::Number => 'N',
        }
    }
}
