//! The JSON tree of a skops file, as far as it leads to the model's text and the class labels.
//!
//! An object is an `ObjectNode`. Its content is a `DictNode`, whose content maps attribute names to nodes. A plain
//! value is a `JsonNode`, whose content is JSON as text. The reader skips everything else without storing it.

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use std::fmt;
use std::marker::PhantomData;

use crate::labels::{ClassLabel, ClassLabels};
use hydra_base::Result;

/// The tree's root.
#[derive(Deserialize)]
pub(super) struct Root {
    #[serde(rename = "__class__")]
    pub(super) class: String,
    #[serde(rename = "__module__")]
    pub(super) module: String,
    #[serde(rename = "content", deserialize_with = "dictionary")]
    pub(super) attributes: Option<Attributes>,
}

/// The used attributes of an estimator or a booster.
#[derive(Deserialize)]
pub(super) struct Attributes {
    #[serde(rename = "_Booster", default, deserialize_with = "object")]
    pub(super) booster: Option<Box<Attributes>>,
    #[serde(rename = "_handle", default, deserialize_with = "json")]
    pub(super) handle: Option<String>,
    #[serde(default, deserialize_with = "setting")]
    pub(super) best_iteration: Option<Setting>,
    #[serde(default, deserialize_with = "setting")]
    pub(super) pred_early_stop: Option<Setting>,
    #[serde(rename = "_classes", default, deserialize_with = "array")]
    pub(super) classes: Option<Array>,
    #[serde(rename = "_le", default, deserialize_with = "encoder")]
    pub(super) encoder: Option<Array>,
}

/// A setting: a plain value, or one of NumPy's.
pub(super) enum Setting {
    /// JSON; null if it cannot be parsed.
    Plain(serde_json::Value),
    /// The name of an `.npy` member.
    Numpy {
        /// The member.
        file: String,
    },
    /// A node of another kind.
    Other,
}

/// An array node.
pub(super) enum Array {
    /// The name of an `.npy` member.
    Numpy {
        /// The member.
        file: String,
    },
    /// Labels that are Python objects, each as JSON.
    Json {
        /// The labels.
        labels: Vec<serde_json::Value>,
    },
}

/// Labels that are Python objects.
pub(super) fn labels_of(json: &[serde_json::Value]) -> Result<ClassLabels> {
    use serde_json::Value;
    ClassLabels::uniform(json.iter().map(|label| match label {
        Value::String(text) => Some(ClassLabel::String(text)),
        Value::Bool(flag) => Some(ClassLabel::Bool(*flag)),
        Value::Number(number) if number.is_f64() => number.as_f64().map(ClassLabel::Float),
        Value::Number(number) => number.as_i64().map(ClassLabel::Int),
        _ => None,
    }))
}

/// A node with the wanted content, or of any other form.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Node<T> {
    content: Option<Content<T>>,
}

/// The content of a node: JSON as text, or a structure.
enum Content<T> {
    Json(String),
    Structure(T),
    Other,
}

#[derive(Deserialize)]
struct ArrayNode {
    #[serde(rename = "type")]
    kind: Option<String>,
    file: Option<String>,
    content: Option<Content<Labels>>,
}

#[derive(Deserialize)]
struct EncoderAttributes {
    #[serde(rename = "classes_", default, deserialize_with = "array")]
    classes: Option<Array>,
}

/// A sequence of JSON nodes.
struct Labels(Vec<serde_json::Value>);

fn structure<T>(content: Option<Content<T>>) -> Option<T> {
    match content {
        Some(Content::Structure(inner)) => Some(inner),
        _ => None,
    }
}

/// The content of a dictionary node.
fn dictionary<'de, D: Deserializer<'de>, T: DeserializeOwned>(node: D) -> Result<Option<T>, D::Error> {
    Ok(structure(Node::<T>::deserialize(node)?.content))
}

/// The attributes of an object node; empty for other nodes, such as the JSON node of `None`.
fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(node: D) -> Result<Option<T>, D::Error> {
    Ok(structure(Node::<Node<T>>::deserialize(node)?.content).and_then(|dict| structure(dict.content)))
}

/// The value of a JSON node; `None` if the node or the value has another type.
fn json<'de, D: Deserializer<'de>, T: DeserializeOwned>(node: D) -> Result<Option<T>, D::Error> {
    match Node::<IgnoredAny>::deserialize(node)?.content {
        Some(Content::Json(text)) => Ok(serde_json::from_str(&text).ok()),
        _ => Ok(None),
    }
}

fn setting<'de, D: Deserializer<'de>>(node: D) -> Result<Option<Setting>, D::Error> {
    #[derive(Deserialize)]
    struct SettingNode {
        file: Option<String>,
        content: Option<Content<IgnoredAny>>,
    }
    let node = SettingNode::deserialize(node)?;
    Ok(Some(match (node.file, node.content) {
        (Some(file), _) => Setting::Numpy { file },
        (None, Some(Content::Json(text))) => {
            serde_json::from_str(&text).map_or(Setting::Other, Setting::Plain)
        }
        _ => Setting::Other,
    }))
}

fn encoder<'de, D: Deserializer<'de>>(node: D) -> Result<Option<Array>, D::Error> {
    Ok(object::<D, EncoderAttributes>(node)?.and_then(|encoder| encoder.classes))
}

fn array<'de, D: Deserializer<'de>>(node: D) -> Result<Option<Array>, D::Error> {
    let node = ArrayNode::deserialize(node)?;
    Ok(match (node.kind.as_deref(), node.file, node.content) {
        (Some("numpy"), Some(file), _) => Some(Array::Numpy { file }),
        (Some("json"), _, Some(Content::Structure(Labels(labels)))) => Some(Array::Json { labels }),
        _ => None,
    })
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Content<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor<T>(PhantomData<T>);

        impl<'de, T: DeserializeOwned> Visitor<'de> for ContentVisitor<T> {
            type Value = Content<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the content of a skops node")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Json(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Content::Json(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Content::Structure)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Content::Structure)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Content::Other)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Content::Other)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Content::Other)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Content::Other)
            }
        }

        deserializer.deserialize_any(ContentVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct LabelNode {
            #[serde(deserialize_with = "json_text")]
            content: serde_json::Value,
        }

        fn json_text<'de, D: Deserializer<'de>>(text: D) -> Result<serde_json::Value, D::Error> {
            let text = String::deserialize(text)?;
            let label: serde_json::Value = serde_json::from_str(&text).map_err(de::Error::custom)?;
            // A deeper value cannot be a label and is not stored.
            Ok(if label.is_array() || label.is_object() { serde_json::Value::Null } else { label })
        }

        let nodes = Vec::<LabelNode>::deserialize(deserializer)?;
        Ok(Self(nodes.into_iter().map(|node| node.content).collect()))
    }
}
