//! The names of templates and topics in addresses.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::pack::is_slug;

/// A text that is not a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 40 lower-case letters and digits, in words joined by single hyphens")]
pub struct InvalidSlug;

macro_rules! slugs {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(Cow<'static, str>);

            impl $name {
                /// Wraps a slug of the embedded data, which the build script has checked.
                pub(crate) const fn checked(slug: &'static str) -> Self {
                    Self(Cow::Borrowed(slug))
                }

                /// The slug as text.
                #[must_use]
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl FromStr for $name {
                type Err = InvalidSlug;

                fn from_str(text: &str) -> Result<Self, InvalidSlug> {
                    if is_slug(text) {
                        Ok(Self(Cow::Owned(text.to_owned())))
                    } else {
                        Err(InvalidSlug)
                    }
                }
            }

            impl AsRef<str> for $name {
                fn as_ref(&self) -> &str {
                    &self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(&self.0)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = Cow::<'de, str>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                }
            }
        )*
    };
}

slugs! {
    /// Names a template. Well formed, which does not mean that the template exists.
    TemplateId;
    /// Names a topic. Well formed, which does not mean that the topic exists.
    TopicId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slugs_are_taken() {
        for good in ["two-buttons", "a", "then-now-2"] {
            assert_eq!(good.parse::<TemplateId>().unwrap().as_str(), good);
        }
        let long = "a".repeat(41);
        for bad in ["", "-", "a-", "-a", "a--b", "A", "é", "a b", "../x", &long] {
            assert_eq!(bad.parse::<TopicId>(), Err(InvalidSlug), "{bad:?}");
        }
    }
}
