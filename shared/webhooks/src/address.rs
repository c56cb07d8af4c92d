//! Where deliveries may go. An address that a client names must not lead into the network that the
//! service runs in, nor to the machine itself, nor to the provider's own addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The longest address, in bytes.
pub const URL_BYTES_MAX: usize = 2_000;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// IANA's special-purpose registry, and what is not unicast.
const NOT_PUBLIC_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),       // this host
    v4(10, 0, 0, 0, 8),      // private
    v4(100, 64, 0, 0, 10),   // shared by carriers (CGNAT)
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link-local, the provider's metadata among it
    v4(172, 16, 0, 0, 12),   // private
    v4(192, 0, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 88, 99, 0, 24),  // relays of 6to4
    v4(192, 168, 0, 0, 16),  // private
    v4(198, 18, 0, 0, 15),   // benchmarks
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved, and broadcast
];

/// All that is unicast and global. Loopback, unique local and link-local addresses, multicast, IPv4
/// in its mapped and translated forms (`::ffff:0:0/96`, `64:ff9b::/96`) are outside of it.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// What is not for everybody within that.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),     // protocol assignments: Teredo, ORCHID and others
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4, which has any IPv4 address in it
    v6(0x3fff, 0, 20),     // documentation
];

/// Whether everybody on the Internet means the same host by `ip`.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => {
            GLOBAL_V6.contains(&ip) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&ip))
        }
    }
}

/// Where an operator lets deliveries go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Targets {
    /// To public addresses, over TLS.
    #[default]
    Public,
    /// Anywhere, without TLS too: for a service on a developer's own machine.
    Anywhere,
}

impl Targets {
    /// Whether a connection to `ip` may be opened.
    #[must_use]
    pub fn admit(self, ip: IpAddr) -> bool {
        self == Self::Anywhere || is_public(ip)
    }
}

/// A text that cannot be an endpoint's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is no absolute URL.
    #[error("must be an absolute URL, such as `https://example.com/hooks`")]
    Malformed,
    /// It is too long.
    #[error("must have no more than {URL_BYTES_MAX} bytes")]
    Long,
    /// It is not `https`.
    #[error("must begin with `https://`")]
    Scheme,
    /// It has a user's name or a password in it.
    #[error("must have no user's name or password in it; deliveries are signed instead")]
    Credentials,
    /// It has a fragment.
    #[error("must have no fragment (`#`); it would not be sent")]
    Fragment,
    /// It names a host by an address that is not public.
    #[error("must lead to a public address; private, loopback and other special ones are refused")]
    NotPublic,
}

/// An endpoint's address, in its normal form. It may have a secret of the client's in its path, so
/// `Debug` prints the host alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// Reads an address, by the rules that need no resolver. Which addresses a host's name has is
    /// looked at by whoever opens the connection, each time.
    ///
    /// # Errors
    /// [`InvalidUrl`] says what is wrong with it.
    pub fn parse(text: &str, targets: Targets) -> Result<Self, InvalidUrl> {
        if text.len() > URL_BYTES_MAX {
            return Err(InvalidUrl::Long);
        }
        let url = Self(Url::parse(text).map_err(|_| InvalidUrl::Malformed)?);
        url.check(targets)?;
        Ok(url)
    }

    /// The same rules for an address that was kept, before it is used: they may be others by now.
    ///
    /// # Errors
    /// [`InvalidUrl`] says what is wrong with it.
    pub fn check(&self, targets: Targets) -> Result<(), InvalidUrl> {
        let plain = targets == Targets::Anywhere && self.0.scheme() == "http";
        if self.0.scheme() != "https" && !plain {
            return Err(InvalidUrl::Scheme);
        }
        if !self.0.username().is_empty() || self.0.password().is_some() {
            return Err(InvalidUrl::Credentials);
        }
        if self.0.fragment().is_some() {
            return Err(InvalidUrl::Fragment);
        }
        let address = match self.0.host().ok_or(InvalidUrl::Malformed)? {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(ip) => IpAddr::V4(ip),
            Host::Ipv6(ip) => IpAddr::V6(ip),
        };
        if targets.admit(address) { Ok(()) } else { Err(InvalidUrl::NotPublic) }
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name of its host; none where the address has the host's own number.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.0.domain()
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({}://{}/…)", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> Option<InvalidUrl> {
        EndpointUrl::parse(text, Targets::Public).err()
    }

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_neighbours_of_special_ranges_are_public() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db9::1",
            "2606:4700::1111",
            "3fff:1000::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn an_address_is_https_and_names_a_public_host() {
        for text in ["https://example.com/hooks?a=b", "https://8.8.8.8:8443/", "HTTPS://É.example"]
        {
            assert_eq!(refused(text), None, "{text}");
        }
        for (text, why) in [
            ("", InvalidUrl::Malformed),
            ("example.com/hooks", InvalidUrl::Malformed),
            ("/hooks", InvalidUrl::Malformed),
            ("https://", InvalidUrl::Malformed),
            ("http://example.com/", InvalidUrl::Scheme),
            ("ftp://example.com/", InvalidUrl::Scheme),
            ("file:///etc/passwd", InvalidUrl::Scheme),
            ("https://me@example.com/", InvalidUrl::Credentials),
            ("https://:word@example.com/", InvalidUrl::Credentials),
            ("https://example.com/#top", InvalidUrl::Fragment),
            ("https://127.0.0.1/", InvalidUrl::NotPublic),
            ("https://[::1]/", InvalidUrl::NotPublic),
            ("https://[::ffff:10.0.0.1]/", InvalidUrl::NotPublic),
            // The same number in the other ways that a URL can have it.
            ("https://2130706433/", InvalidUrl::NotPublic),
            ("https://0x7f.1/", InvalidUrl::NotPublic),
            ("https://0177.0.0.1/", InvalidUrl::NotPublic),
            ("https://127.1/", InvalidUrl::NotPublic),
            ("https://１２７.0.0.1/", InvalidUrl::NotPublic),
        ] {
            assert_eq!(refused(text), Some(why), "{text}");
        }
        let long = format!("https://example.com/{}", "x".repeat(URL_BYTES_MAX));
        assert_eq!(refused(&long), Some(InvalidUrl::Long));
    }

    #[test]
    fn a_developers_machine_takes_plain_and_private_ones_and_nothing_else() {
        let parse = |text| EndpointUrl::parse(text, Targets::Anywhere);
        assert!(parse("http://127.0.0.1:9000/hooks").is_ok());
        assert_eq!(parse("ftp://127.0.0.1/"), Err(InvalidUrl::Scheme));
        assert_eq!(parse("http://me@127.0.0.1/"), Err(InvalidUrl::Credentials));
        // What was registered there is refused where the operator does not let it be.
        let kept = parse("http://127.0.0.1:9000/hooks").unwrap();
        assert_eq!(kept.check(Targets::Public), Err(InvalidUrl::Scheme));
        let kept = parse("https://10.0.0.1/").unwrap();
        assert_eq!(kept.check(Targets::Public), Err(InvalidUrl::NotPublic));
    }

    #[test]
    fn the_path_is_not_printed() {
        let url = EndpointUrl::parse("https://example.com/T0/B0/secret", Targets::Public).unwrap();
        assert_eq!(format!("{url:?}"), "EndpointUrl(https://example.com/…)");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_taken_again(text in "\\PC{0,60}") {
            if let Ok(url) = EndpointUrl::parse(&text, Targets::Public) {
                prop_assert_eq!(EndpointUrl::parse(url.as_str(), Targets::Public), Ok(url));
            }
        }

        #[test]
        fn ipv4_within_ipv6_is_never_public(ip: u32) {
            let ip = Ipv4Addr::from(ip);
            prop_assert!(!is_public(ip.to_ipv6_mapped().into()));
            let [a, b, c, d] = ip.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            prop_assert!(!is_public(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into()));
            prop_assert!(!is_public(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into()));
        }
    }
}
