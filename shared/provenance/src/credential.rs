//! A key and its certificate, held to what C2PA asks of them before anything is signed.
//!
//! The library would find most of it too, but only with the first picture, and it would say little.

use c2pa::crypto::cose::{CertificateTrustPolicy, check_end_entity_certificate_profile};
use c2pa::status_tracker::StatusTracker;
use c2pa::{BoxedSigner, Signer, SigningAlg, create_signer};
use clock::Timestamp;
use pem::Pem;
use rcgen::{KeyPair, PublicKeyData};
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a certificate may be for beside email: the signing of documents, and of C2PA's claims.
const SIGNING: [&str; 2] = ["1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1"];

/// A key or a certificate that manifests cannot be signed with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The text is no PEM.
    #[error("not PEM; write the key and then the chain of its certificate, one below the other")]
    Text,
    /// The text holds no key that can sign.
    #[error("there must be one private key, in PKCS#8, of P-256, P-384 or Ed25519")]
    Key,
    /// The text holds no certificate.
    #[error("there is no certificate; the key's own must come first, then its issuer's")]
    NoCertificate,
    /// A part of the chain is no certificate.
    #[error("certificate {number} of the chain cannot be read")]
    Unreadable {
        /// Which one, from 1 on.
        number: usize,
    },
    /// A certificate is not followed by its issuer's.
    #[error("certificate {number} of the chain was not issued by the one that follows it")]
    Order {
        /// Which one, from 1 on.
        number: usize,
    },
    /// The certificate is another key's.
    #[error("the key does not belong to the first certificate of the chain")]
    OtherKey,
    /// A certificate is not valid yet.
    #[error("certificate {number} of the chain is not valid before {from}")]
    NotYet {
        /// Which one, from 1 on.
        number: usize,
        /// From when on it is.
        from: Timestamp,
    },
    /// A certificate is not valid any more.
    #[error("certificate {number} of the chain has ended at {until}; have it renewed")]
    Ended {
        /// Which one, from 1 on.
        number: usize,
        /// Until when it was.
        until: Timestamp,
    },
    /// The certificate is not for signing.
    #[error("the certificate's key usage must be digitalSignature, and it must be no authority's")]
    KeyUsage,
    /// The certificate is not for signing manifests.
    #[error(
        "the certificate's extended key usage must name emailProtection, documentSigning or C2PA's \
         claim signing, and not `any`"
    )]
    ExtendedKeyUsage,
    /// Something else is not as C2PA asks for.
    #[error("the certificate is not as C2PA asks for: {0}")]
    Profile(String),
}

/// What signs.
pub(crate) struct Loaded {
    pub(crate) signer: Offline,
    /// The serial number of the key's certificate, in hexadecimal digits.
    pub(crate) serial: String,
    /// When the first of the certificates to end ends.
    pub(crate) until: Timestamp,
}

pub(crate) fn load(text: &str, now: Timestamp) -> Result<Loaded, CredentialError> {
    let parts = pem::parse_many(text).map_err(|_| CredentialError::Text)?;
    let (parts, keys): (Vec<Pem>, Vec<Pem>) =
        parts.into_iter().partition(|part| !part.tag().ends_with("PRIVATE KEY"));
    let [key] = keys.as_slice() else { return Err(CredentialError::Key) };
    let key = KeyPair::from_pem(&pem::encode(key)).map_err(|_| CredentialError::Key)?;
    let algorithm = algorithm(&key)?;
    let chain = certificates(&parts)?;
    let own = chain.first().ok_or(CredentialError::NoCertificate)?;
    if own.public_key().raw != key.subject_public_key_info() {
        return Err(CredentialError::OtherKey);
    }
    check_order(&chain)?;
    let until = check_times(&chain, now)?;
    check_usage(own)?;
    check_profile(parts[0].contents())?;
    let serial = own.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
    let chain = pem::encode_many(&parts);
    let key = key.serialize_pem();
    let signer = create_signer::from_keys(chain.as_bytes(), key.as_bytes(), algorithm, None)
        .map_err(|error| CredentialError::Profile(error.to_string()))?;
    Ok(Loaded { signer: Offline(signer), serial, until })
}

/// A signer that asks no authority for the time. The library's own leaves room for an answer all the
/// same, and four fifths of a manifest would be nothing.
pub(crate) struct Offline(BoxedSigner);

/// What a signature takes beside certificates, in bytes, at most.
const SIGNATURE: usize = 512;

impl Signer for Offline {
    fn sign(&self, data: &[u8]) -> c2pa::Result<Vec<u8>> {
        self.0.sign(data)
    }

    fn alg(&self) -> SigningAlg {
        self.0.alg()
    }

    fn certs(&self) -> c2pa::Result<Vec<Vec<u8>>> {
        self.0.certs()
    }

    fn reserve_size(&self) -> usize {
        self.certs().unwrap_or_default().iter().map(Vec::len).sum::<usize>() + SIGNATURE
    }
}

fn algorithm(key: &KeyPair) -> Result<SigningAlg, CredentialError> {
    let known = [
        (&rcgen::PKCS_ECDSA_P256_SHA256, SigningAlg::Es256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, SigningAlg::Es384),
        (&rcgen::PKCS_ED25519, SigningAlg::Ed25519),
    ];
    let found = known.into_iter().find(|(is, _)| key.algorithm() == *is);
    found.map(|(_, algorithm)| algorithm).ok_or(CredentialError::Key)
}

fn certificates(parts: &[Pem]) -> Result<Vec<X509Certificate<'_>>, CredentialError> {
    let numbered = parts.iter().enumerate();
    numbered
        .map(|(at, part)| match X509Certificate::from_der(part.contents()) {
            Ok(([], certificate)) if part.tag() == "CERTIFICATE" => Ok(certificate),
            _ => Err(CredentialError::Unreadable { number: at + 1 }),
        })
        .collect()
}

/// Whether each certificate names the next one as its issuer. That the issuer signed it is for
/// verifiers to say, who know whom they trust.
fn check_order(chain: &[X509Certificate<'_>]) -> Result<(), CredentialError> {
    for (at, pair) in chain.windows(2).enumerate() {
        if pair[0].issuer() != pair[1].subject() {
            return Err(CredentialError::Order { number: at + 1 });
        }
    }
    Ok(())
}

/// When the first of them ends, if all are valid now.
fn check_times(
    chain: &[X509Certificate<'_>],
    now: Timestamp,
) -> Result<Timestamp, CredentialError> {
    let mut ends = Timestamp::MAX;
    for (at, certificate) in chain.iter().enumerate() {
        let number = at + 1;
        let moment = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp())
                .map_err(|_| CredentialError::Unreadable { number })
        };
        let from = moment(certificate.validity().not_before)?;
        let until = moment(certificate.validity().not_after)?;
        if now < from {
            return Err(CredentialError::NotYet { number, from });
        }
        if until < now {
            return Err(CredentialError::Ended { number, until });
        }
        ends = ends.min(until);
    }
    Ok(ends)
}

fn check_usage(own: &X509Certificate<'_>) -> Result<(), CredentialError> {
    let usage = own.key_usage().ok().flatten();
    let signs = usage.is_some_and(|usage| usage.value.digital_signature());
    if !signs || own.is_ca() {
        return Err(CredentialError::KeyUsage);
    }
    let extended = own.extended_key_usage().ok().flatten();
    let fits = extended.is_some_and(|usage| {
        let named = |oid: &Oid<'_>| SIGNING.contains(&oid.to_id_string().as_str());
        !usage.value.any && (usage.value.email_protection || usage.value.other.iter().any(named))
    });
    if fits { Ok(()) } else { Err(CredentialError::ExtendedKeyUsage) }
}

/// What else C2PA asks for, in the library's words.
fn check_profile(der: &[u8]) -> Result<(), CredentialError> {
    let policy = CertificateTrustPolicy::default();
    let mut log = StatusTracker::default();
    check_end_entity_certificate_profile(der, &policy, &mut log, None).map_err(|error| {
        let logged = log.logged_items().first().map(|item| item.description.to_string());
        CredentialError::Profile(logged.unwrap_or_else(|| error.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use clock::{Clock, SystemClock};
    use proptest::prelude::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa,
        KeyUsagePurpose, SignatureAlgorithm,
    };

    use super::*;
    use crate::Development;
    use crate::development::{authority, end_entity};

    fn now() -> Timestamp {
        SystemClock::new().now()
    }

    /// The error of a text.
    fn error(text: &str) -> CredentialError {
        load(text, now()).err().unwrap()
    }

    /// A key of a kind, and a certificate that differs from a good one.
    fn issued(
        kind: &'static SignatureAlgorithm,
        differ: impl FnOnce(&mut CertificateParams),
    ) -> String {
        let key = KeyPair::generate_for(kind).unwrap();
        let issuer = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(authority(now()).unwrap(), issuer).unwrap();
        let mut params = end_entity(now()).unwrap();
        differ(&mut params);
        key.serialize_pem() + &params.signed_by(&key, &issuer).unwrap().pem()
    }

    fn differing(differ: impl FnOnce(&mut CertificateParams)) -> CredentialError {
        error(&issued(&rcgen::PKCS_ECDSA_P256_SHA256, differ))
    }

    #[test]
    fn the_algorithm_follows_from_the_key() {
        for (kind, algorithm) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, SigningAlg::Es256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, SigningAlg::Es384),
            (&rcgen::PKCS_ED25519, SigningAlg::Ed25519),
        ] {
            let loaded = load(&issued(kind, |_| {}), now()).unwrap();
            assert_eq!(loaded.signer.alg(), algorithm);
        }
    }

    #[test]
    fn what_a_certificate_may_be_for() {
        for purpose in [
            ExtendedKeyUsagePurpose::EmailProtection,
            ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 36]),
            ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 62_558, 2, 1]),
        ] {
            let text = issued(&rcgen::PKCS_ED25519, |params| {
                params.extended_key_usages = vec![purpose.clone()];
            });
            assert!(load(&text, now()).is_ok(), "{purpose:?}");
        }
        for purposes in [
            vec![],
            vec![ExtendedKeyUsagePurpose::ServerAuth],
            vec![ExtendedKeyUsagePurpose::Any, ExtendedKeyUsagePurpose::EmailProtection],
        ] {
            let error = differing(|params| params.extended_key_usages = purposes);
            assert_eq!(error, CredentialError::ExtendedKeyUsage);
        }
    }

    #[test]
    fn a_certificate_must_be_for_signing() {
        let error = differing(|params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
        assert_eq!(error, CredentialError::KeyUsage);
        assert_eq!(differing(|params| params.key_usages.clear()), CredentialError::KeyUsage);
        let authority = IsCa::Ca(BasicConstraints::Unconstrained);
        assert_eq!(differing(|params| params.is_ca = authority), CredentialError::KeyUsage);
    }

    #[test]
    fn a_certificate_must_name_its_issuer_s_key() {
        let error = differing(|params| params.use_authority_key_identifier_extension = false);
        let CredentialError::Profile(why) = error else { panic!("{error}") };
        assert!(why.contains("params"), "{why}");
    }

    #[test]
    fn a_certificate_is_good_for_its_time() {
        let made = Development::new(now()).unwrap();
        let load_at = |at| load(&made.pem, at).map(|loaded| loaded.until);
        let until = load_at(now()).unwrap();
        let second = std::time::Duration::from_secs(1);
        assert_eq!(load_at(until), Ok(until));
        assert_eq!(
            load_at(until.checked_add(second).unwrap()),
            Err(CredentialError::Ended { number: 1, until })
        );
        let early = Timestamp::UNIX_EPOCH;
        let Err(CredentialError::NotYet { number: 1, from }) = load_at(early) else { panic!() };
        assert!(load_at(from).is_ok());
    }

    /// The key and the certificates of a text.
    fn parts(text: &str) -> (String, String) {
        let (key, chain) = text.split_at(text.find("-----BEGIN CERTIFICATE").unwrap());
        (key.to_owned(), chain.to_owned())
    }

    #[test]
    fn a_key_fits_its_certificate_alone() {
        let made = [(); 2].map(|()| parts(&Development::new(now()).unwrap().pem));
        let [(key, chain), (other, _)] = made;
        // Where the key stands is no matter.
        assert!(load(&format!("{chain}{key}"), now()).is_ok());
        assert_eq!(error(&format!("{other}{chain}")), CredentialError::OtherKey);
        assert_eq!(error(&format!("{key}{other}{chain}")), CredentialError::Key);
        assert_eq!(error(&chain), CredentialError::Key);
        assert_eq!(error("no PEM at all"), CredentialError::Key);
        assert_eq!(error(&key.replace("-----END", "-----END OF")), CredentialError::Text);
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(error(&format!("{no_key}{chain}")), CredentialError::Key);
    }

    #[test]
    fn a_chain_goes_from_the_key_s_own_certificate_upwards() {
        let made = Development::new(now()).unwrap();
        let (key, chain) = parts(&made.pem);
        let (_, stranger) = parts(&issued(&rcgen::PKCS_ED25519, |_| {}));
        let anchor = made.anchor_pem;
        assert!(load(&format!("{key}{chain}{anchor}"), now()).is_ok());
        assert_eq!(error(&key), CredentialError::NoCertificate);
        assert_eq!(error(&format!("{key}{anchor}{chain}")), CredentialError::OtherKey);
        let order = CredentialError::Order { number: 1 };
        assert_eq!(error(&format!("{key}{chain}{stranger}")), order);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let unreadable = CredentialError::Unreadable { number: 2 };
        assert_eq!(error(&format!("{key}{chain}{broken}")), unreadable);
        let renamed = anchor.replace("CERTIFICATE", "SOMETHING");
        assert_eq!(error(&format!("{key}{chain}{renamed}")), unreadable);
    }

    proptest! {
        #[test]
        fn any_text_may_be_offered(text in ".{0,300}", body in "[A-Za-z0-9+/]{0,80}") {
            prop_assert!(load(&text, now()).is_err());
            let block = |tag| format!("-----BEGIN {tag}-----\n{body}\n-----END {tag}-----\n");
            let text = block("PRIVATE KEY") + &block("CERTIFICATE");
            prop_assert!(load(&text, now()).is_err());
        }
    }
}
