//! Texts into types, with faults that a caller can act on.
//!
//! `serde_json` tells faults in the words of Rust's types and takes the last of two equal keys.
//! Here a body first becomes a tree that knows each key it was given, and then the type; every
//! fault on the way is a cure in plain words and the place that it applies to.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_path_to_error::{Path, Segment};

use crate::problem::FieldError;

/// How much of a name that a caller made up is told back, in characters.
const NAME_CHARS_MAX: usize = 80;

/// What is wrong with a value, as the end of a sentence that begins with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The words are complete.
    Cure(String),
    /// A field that must be there is not.
    Missing(&'static str),
    /// A field that nobody knows.
    Unknown(String),
}

impl Fault {
    fn cure(&self) -> String {
        match self {
            Self::Cure(text) | Self::Unknown(text) => text.clone(),
            Self::Missing(_) => "is required".to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cure())
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Cure(message.to_string())
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::Cure(format!(
            "must be {}, not {}",
            plain(expected),
            match found {
                de::Unexpected::Unit | de::Unexpected::Option => "null",
                de::Unexpected::Bool(_) => "true or false",
                de::Unexpected::Unsigned(_)
                | de::Unexpected::Signed(_)
                | de::Unexpected::Float(_) => "a number",
                de::Unexpected::Seq => "an array",
                de::Unexpected::Map => "an object",
                _ => "a text",
            }
        ))
    }

    fn invalid_value(_found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::Cure(format!("must be {}", plain(expected)))
    }

    fn invalid_length(_length: usize, expected: &dyn de::Expected) -> Self {
        Self::Cure(format!("must be {}", plain(expected)))
    }

    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        Self::Cure(format!("must be {}", one_of(expected)))
    }

    fn unknown_field(_field: &str, expected: &'static [&'static str]) -> Self {
        Self::Unknown(match expected {
            [] => "is not known here; remove it, nothing is taken".to_owned(),
            [only] => format!("is not known here; remove it, only `{only}` is taken"),
            several => format!("is not known here; remove it, or use {}", one_of(several)),
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// What serde expects, without the names of types.
fn plain(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => {
            "a whole number".to_owned()
        }
        "f32" | "f64" => "a number".to_owned(),
        "a string" | "a borrowed string" | "a character" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "an object".to_owned(),
        other if other.starts_with("struct ") => "an object".to_owned(),
        other if other.starts_with("enum ") => "one of the values that are listed".to_owned(),
        _ => text,
    }
}

fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => "left out".to_owned(),
    }
}

/// JSON with every key that was given, in order.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
                Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
            }

            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Text(value.to_owned()))
            }

            fn visit_string<E>(self, value: String) -> Result<Json, E> {
                Ok(Json::Text(value))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::Array(items))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Object(members))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

impl Json {
    /// The pointer of the first key that an object has twice.
    fn repeated_key(&self) -> Option<String> {
        let below = |segment: &str, inner: &Self| {
            inner.repeated_key().map(|pointer| format!("{}{pointer}", token(segment)))
        };
        match self {
            Self::Array(items) => {
                items.iter().enumerate().find_map(|(at, item)| below(&at.to_string(), item))
            }
            Self::Object(members) => {
                let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
                names.sort_unstable();
                names
                    .windows(2)
                    .find(|pair| pair[0] == pair[1])
                    .map(|pair| token(pair[0]))
                    .or_else(|| members.iter().find_map(|(name, inner)| below(name, inner)))
            }
            _ => None,
        }
    }
}

/// The reference token of a JSON Pointer for `name`, its slash in front.
fn token(name: &str) -> String {
    format!("/{}", short(name).replace('~', "~0").replace('/', "~1"))
}

/// As much of a name as is told back.
pub(crate) fn short(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => Cow::Borrowed(name),
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Json {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self {
                // 2.0 is a whole number to JSON, and to JSON Schema. Below 2^53 the conversion
                // loses nothing.
                #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
                Self::Number(number) => match number.as_f64() {
                    Some(value)
                        if number.is_f64() && value.fract() == 0.0 && value.abs() < 9e15 =>
                    {
                        visitor.visit_i64(value as i64)
                    }
                    _ => Self::Number(number).deserialize_any(visitor),
                },
                other => other.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Json {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Self::Text(text) => visitor.visit_string(text),
            Self::Array(items) => {
                let mut seq = SeqDeserializer::new(items.into_iter());
                let value = visitor.visit_seq(&mut seq)?;
                seq.end()?;
                Ok(value)
            }
            Self::Object(members) => {
                let mut map = MapDeserializer::new(members.into_iter());
                let value = visitor.visit_map(&mut map)?;
                map.end()?;
                Ok(value)
            }
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self {
            // A derived type also takes its fields in order, as an array. The API does not.
            Self::Array(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &"an object")),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self {
            Self::Text(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(de::Error::unknown_variant("", variants)),
        }
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A value of a query: a text that may stand for a number.
#[derive(Debug, Clone, Copy)]
struct Raw<'a>(&'a str);

impl<'a, 'de> IntoDeserializer<'de, Fault> for Raw<'a>
where
    'a: 'de,
{
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! digits {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let digits = self.0.strip_prefix('-').unwrap_or(self.0);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            match self.0.parse::<i64>() {
                Ok(value) if plain => visitor.visit_i64(value),
                _ => Err(de::Error::invalid_value(de::Unexpected::Str(self.0), &visitor)),
            }
        })*
    };
}

impl<'a: 'de, 'de> Deserializer<'de> for Raw<'a> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.0)
    }

    digits! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(StrDeserializer::new(self.0))
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The value that a body stands for.
pub(crate) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, FieldError> {
    let whole = |cure: String| FieldError::body("", cure);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(whole("is empty; send a JSON object".to_owned()));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        whole(format!("must be UTF-8, and is not from byte {} on", error.valid_up_to()))
    })?;
    let tree: Json = serde_json::from_str(text)
        .map_err(|error| whole(format!("must be one JSON object: {error}")))?;
    if let Some(pointer) = tree.repeated_key() {
        return Err(FieldError::body(pointer, "is given more than once; give it once"));
    }
    serde_path_to_error::deserialize(tree).map_err(|error| {
        let fault = error.inner();
        let mut pointer = String::new();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => pointer.push_str(&token(&index.to_string())),
                Segment::Map { key } => pointer.push_str(&token(key)),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        if let Fault::Missing(field) = fault {
            pointer.push_str(&token(field));
        }
        FieldError::body(pointer, fault.cure())
    })
}

/// The value that the parameters of a query stand for.
pub(crate) fn from_pairs<T: DeserializeOwned>(pairs: &[(&str, &str)]) -> Result<T, FieldError> {
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(FieldError::parameter(short(pair[0]), "is given more than once; give it once"));
    }
    let unreadable = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    if let Some((name, _)) =
        pairs.iter().find(|(name, value)| unreadable(name) || unreadable(value))
    {
        return Err(FieldError::parameter(short(name), "must be percent-encoded UTF-8"));
    }
    let map = MapDeserializer::new(pairs.iter().map(|(name, value)| (*name, Raw(value))));
    serde_path_to_error::deserialize(map).map_err(|error| {
        let fault = error.inner();
        let name = match fault {
            Fault::Missing(field) => (*field).to_owned(),
            _ => first_key(error.path()),
        };
        FieldError::parameter(short(&name), fault.cure())
    })
}

fn first_key(path: &Path) -> String {
    path.iter()
        .find_map(|segment| match segment {
            Segment::Map { key } => Some(key.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

/// Takes a whole number from `MIN` to `MAX`; for `#[serde(deserialize_with)]`.
pub(crate) fn whole<'de, D, T, const MIN: u32, const MAX: u32>(
    deserializer: D,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u32>,
{
    struct Whole(u32, u32);

    impl Whole {
        fn check<E: de::Error>(&self, value: Option<u32>) -> Result<u32, E> {
            value
                .filter(|value| (self.0..=self.1).contains(value))
                .ok_or_else(|| E::invalid_value(de::Unexpected::Other("number"), self))
        }
    }

    impl Visitor<'_> for &Whole {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from {} to {}", self.0, self.1)
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<u32, E> {
            self.check(value.try_into().ok())
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<u32, E> {
            self.check(value.try_into().ok())
        }

        fn visit_f64<E: de::Error>(self, _value: f64) -> Result<u32, E> {
            self.check(None)
        }
    }

    impl de::Expected for Whole {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            Visitor::expecting(&self, f)
        }
    }

    let bounds = Whole(MIN, MAX);
    let value = deserializer.deserialize_u32(&bounds)?;
    T::try_from(value)
        .map_err(|_| de::Error::invalid_value(de::Unexpected::Unsigned(value.into()), &bounds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        template: String,
        #[serde(default)]
        captions: Vec<String>,
        #[serde(default, deserialize_with = "whole::<_, _, 1, 4>")]
        count: u8,
        colour: Option<Colour>,
        inner: Option<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        DarkBlue,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        on: bool,
    }

    fn fault(json: &str) -> (String, String) {
        let error = from_json::<Body>(json.as_bytes()).unwrap_err();
        (error.pointer.unwrap(), error.detail)
    }

    #[test]
    fn a_good_body() {
        let json = r#" {"template":"x","captions":["a","b"],"count":2.0,"colour":"dark_blue",
            "inner":{"on":true}} "#;
        let body: Body = from_json(json.as_bytes()).unwrap();
        assert_eq!(body.count, 2);
        assert_eq!(body.captions, ["a", "b"]);
        assert_eq!(body.colour, Some(Colour::DarkBlue));
        assert_eq!(body.inner, Some(Inner { on: true }));
        let body: Body = from_json(br#"{"template":"x","colour":null}"#).unwrap();
        assert_eq!((body.colour, body.count), (None, 0));
    }

    #[test]
    fn every_fault_has_a_place_and_a_cure() {
        let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
        for (json, pointer, cure) in [
            ("", "", "is empty; send a JSON object"),
            ("{}", "/template", "is required"),
            ("[]", "", "must be an object, not an array"),
            ("null", "", "must be an object, not null"),
            (r#"{"template":1}"#, "/template", "must be a text, not a number"),
            (r#"{"template":"x","captions":"y"}"#, "/captions", "must be an array, not a text"),
            (
                r#"{"template":"x","captions":["a",{}]}"#,
                "/captions/1",
                "must be a text, not an object",
            ),
            (r#"{"template":"x","count":5}"#, "/count", "must be a whole number from 1 to 4"),
            (r#"{"template":"x","count":-1}"#, "/count", "must be a whole number from 1 to 4"),
            (r#"{"template":"x","count":1.5}"#, "/count", "must be a whole number from 1 to 4"),
            (r#"{"template":"x","count":1e99}"#, "/count", "must be a whole number from 1 to 4"),
            (
                r#"{"template":"x","count":"2"}"#,
                "/count",
                "must be a whole number from 1 to 4, not a text",
            ),
            (
                r#"{"template":"x","count":null}"#,
                "/count",
                "must be a whole number from 1 to 4, not null",
            ),
            (r#"{"template":"x","colour":"pink"}"#, "/colour", "must be `red` or `dark_blue`"),
            (r#"{"template":"x","colour":7}"#, "/colour", "must be `red` or `dark_blue`"),
            (
                r#"{"template":"x","inner":{"on":true,"a/b~c":1}}"#,
                "/inner/a~1b~0c",
                "is not known here; remove it, only `on` is taken",
            ),
            (r#"{"template":"x","inner":{}}"#, "/inner/on", "is required"),
            (r#"{"template":"x","inner":[true]}"#, "/inner", "must be an object, not an array"),
            (
                r#"{"template":"x","template":"y"}"#,
                "/template",
                "is given more than once; give it once",
            ),
            (
                r#"{"captions":[{"a":1,"b":2,"a":3}]}"#,
                "/captions/0/a",
                "is given more than once; give it once",
            ),
            (
                r#"{"template":"x"} {}"#,
                "",
                "must be one JSON object: trailing characters at line 1 column 18",
            ),
            (
                r#"{"template":"\ud800"}"#,
                "",
                "must be one JSON object: unexpected end of hex escape at line 1 column 20",
            ),
            (&deep, "", "must be one JSON object: recursion limit exceeded at line 1 column 128"),
        ] {
            assert_eq!(fault(json), (pointer.to_owned(), cure.to_owned()), "{json}");
        }
        let error = from_json::<Body>(b"{\"template\":\"\xff\"}").unwrap_err();
        assert_eq!(error.detail, "must be UTF-8, and is not from byte 13 on");
    }

    #[test]
    fn a_made_up_name_is_told_back_in_part() {
        let json = format!("{{\"{}\":1}}", "é".repeat(5_000));
        let (pointer, cure) = fault(&json);
        assert_eq!(pointer.chars().count(), 1 + NAME_CHARS_MAX + 1);
        assert_eq!(
            cure,
            "is not known here; remove it, or use `template`, `captions`, `count`, `colour` or \
             `inner`"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_type_is_named(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Err(error) = from_json::<Body>(&bytes) {
                prop_assert!(!error.detail.contains("struct") && !error.detail.contains("u8"));
            }
        }

        #[test]
        fn what_serde_json_takes_is_read_the_same(
            template in ".{0,10}",
            captions in proptest::collection::vec(".{0,5}", 0..3),
            count in 1_u8..=4,
        ) {
            let value = serde_json::json!({
                "template": template, "captions": captions, "count": count
            });
            let text = value.to_string();
            let body: Body = from_json(text.as_bytes()).unwrap();
            prop_assert_eq!(body, serde_json::from_str(&text).unwrap());
        }
    }
}
