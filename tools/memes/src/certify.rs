//! `memes keys certify`: brings in the key that manifests of pictures are signed with.
//!
//! The newest one signs; workers see it within ten minutes. Those before stay in the table until they
//! are taken away by hand, for nothing that was signed with them depends on it.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clock::Timestamp;
use maas_aws::keys::{Half, StoredKey};
use provenance::{Development, Signer};
use serde::Serialize;

use crate::stack::Stack;
use crate::target::{Stage, Target};
use crate::text::moment;

/// A key that was brought in.
#[derive(Debug, Clone, Serialize)]
pub struct Certified {
    /// The serial number of its certificate.
    serial: String,
    /// When the first of its certificates to end ends.
    until: Timestamp,
    /// The certificate of who issued a key that was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<String>,
}

impl fmt::Display for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = moment(self.until);
        writeln!(f, "{} signs manifests within ten minutes, until {until}", self.serial)?;
        match &self.anchor {
            None => Ok(()),
            Some(anchor) => {
                write!(f, "Only who trusts this certificate trusts what it signs:\n{anchor}")
            }
        }
    }
}

/// Brings in the key in `file`, in PEM, with the chain of its certificate below it.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn certify(stack: &Stack, file: &Path) -> Result<Certified> {
    let pem = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    keep(stack, pem, None).await.with_context(|| format!("{} is not used", file.display()))
}

/// Makes a key and a certificate that nobody trusts of themselves. Not for customers' stages.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn develop(stack: &Stack) -> Result<Certified> {
    if matches!(stack.target, Target::Aws { stage: Stage::Uat | Stage::Prod, .. }) {
        bail!("{} takes a certificate that others trust; name its file", stack.target);
    }
    let Development { pem, anchor_pem } = Development::new(stack.core.clock.now())?;
    keep(stack, pem, Some(anchor_pem)).await
}

async fn keep(stack: &Stack, document: String, anchor: Option<String>) -> Result<Certified> {
    let created_at = stack.core.clock.now();
    let signer = Signer::from_pem(&document, created_at)?;
    let key = StoredKey { kid: signer.serial().to_owned(), created_at, document };
    let kept = stack.core.aws.keys().put(Half::Manifests, &key).await;
    kept.map_err(|error| stack.explain(error))?;
    Ok(Certified { serial: key.kid, until: signer.until(), anchor })
}
