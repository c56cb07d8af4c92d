//! A key and a certificate for where there are none yet: a laptop, a test.
//!
//! The authority that issues the certificate is made for it and forgotten: its key signs this one
//! certificate and is dropped. Who wants to trust such manifests can, by its certificate; nobody else
//! has to.

use std::time::Duration;

use clock::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

/// For how many days a certificate for development is good.
pub const DEVELOPMENT_DAYS: u64 = 365;

/// Two machines' clocks differ by less.
const CLOCKS_DIFFER: Duration = Duration::from_secs(3_600);

const DAY: Duration = Duration::from_secs(86_400);

/// Names whose certificate this is; C2PA asks for one.
const ORGANISATION: &str = "Memes as a Service, for development";

/// A certificate for development was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no certificate for development could be made: {0}")]
pub struct DevelopmentError(String);

/// A key with a certificate that C2PA's rules fit, and that nobody trusts of themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct Development {
    /// The key, of P-256, and its certificate: what [`Signer::from_pem`](crate::Signer::from_pem)
    /// takes. The issuer's is not there: verifiers have it or do not trust it.
    pub pem: String,
    /// The issuer's certificate, for those who want to trust what the key signs.
    pub anchor_pem: String,
}

// A private key must not end up in a log by accident.
impl std::fmt::Debug for Development {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Development").finish_non_exhaustive()
    }
}

impl Development {
    /// A new one, good for [`DEVELOPMENT_DAYS`] from `now` on. The randomness is the operating
    /// system's, by way of the library.
    ///
    /// # Errors
    /// [`DevelopmentError`] when the library fails.
    pub fn new(now: Timestamp) -> Result<Self, DevelopmentError> {
        let key = KeyPair::generate()?;
        let anchor = CertifiedIssuer::self_signed(authority(now)?, KeyPair::generate()?)?;
        let certificate = end_entity(now)?.signed_by(&key, &anchor)?;
        Ok(Self { pem: key.serialize_pem() + &certificate.pem(), anchor_pem: anchor.pem() })
    }
}

impl From<rcgen::Error> for DevelopmentError {
    fn from(error: rcgen::Error) -> Self {
        Self(error.to_string())
    }
}

pub(crate) fn authority(now: Timestamp) -> Result<CertificateParams, DevelopmentError> {
    let mut params = dated("Memes development root", now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

pub(crate) fn end_entity(now: Timestamp) -> Result<CertificateParams, DevelopmentError> {
    let mut params = dated("Memes development signer", now)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn dated(name: &str, now: Timestamp) -> Result<CertificateParams, DevelopmentError> {
    let moment = |at: Result<Timestamp, _>| {
        let at = at.map_err(|_| DevelopmentError("the clock is out of range".to_owned()))?;
        OffsetDateTime::from_unix_timestamp(at.as_second())
            .map_err(|error| DevelopmentError(error.to_string()))
    };
    let days = u32::try_from(DEVELOPMENT_DAYS).unwrap_or(u32::MAX);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = moment(now.checked_sub(CLOCKS_DIFFER))?;
    params.not_after = moment(now.checked_add(DAY.saturating_mul(days)))?;
    Ok(params)
}
