//! An augmentation as a suite describes it: a word, or a mapping with its settings.
//!
//! It is part of a run's identity, so each has one form in which it is written: `crop` with the padding it has always had
//! is that word, everything else has its settings written out.

use schemars::{JsonSchema, Schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Value, json};

use super::{Change, ColorJitter, Crop, ResizedCrop, flip::Flip};

/// A random change to training images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", remote = "Self")]
#[schemars(transform = words)]
pub enum Augmentation {
    /// Pad with zero pixels on each side and cut a window of the original size at a uniformly random place.
    Crop(Crop),
    /// A random window, brought back to the image's size (Szegedy et al. 2015).
    ResizedCrop(ResizedCrop),
    /// Mirror left to right with probability one half.
    Flip,
    /// Random brightness, contrast, saturation and hue.
    ColorJitter(ColorJitter),
}

impl Augmentation {
    /// Its name, and what does it: the registry of augmentations.
    pub(super) fn change(&self) -> (&'static str, &dyn Change) {
        match self {
            Self::Crop(crop) => ("crop", crop),
            Self::ResizedCrop(crop) => ("resized-crop", crop),
            Self::Flip => ("flip", &Flip),
            Self::ColorJitter(jitter) => ("color-jitter", jitter),
        }
    }

    /// The change, as a report names it.
    pub fn words(&self) -> String {
        self.change().1.words()
    }

    /// What a word alone stands for: a change without settings, or one with all of them at their defaults.
    fn from_word(word: &str) -> Result<Self, serde_json::Error> {
        Self::deserialize(&json!({ word: {} })).or_else(|_| Self::deserialize(&Value::from(word)))
    }
}

impl Serialize for Augmentation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Crop(crop) if *crop == Crop::default() => serializer.serialize_str("crop"),
            _ => Self::serialize(self, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Augmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrMapping)
    }
}

struct WordOrMapping;

impl<'de> Visitor<'de> for WordOrMapping {
    type Value = Augmentation;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an augmentation: a word, or a mapping with a single key")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Augmentation, E> {
        Augmentation::from_word(word).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Augmentation, A::Error> {
        Augmentation::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Adds the words to the schema: those of changes whose defaults change something.
fn words(schema: &mut Schema) {
    let Some(options) = schema.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    let name = |option: &Value| option["properties"].as_object()?.keys().next().cloned();
    let word = |option: &Value| {
        let name = name(option)?;
        let plain = Augmentation::from_word(&name).ok()?;
        let description = format!("{} With its defaults.", option["description"].as_str()?);
        plain
            .change()
            .1
            .problems()
            .is_empty()
            .then(|| json!({"const": name, "type": "string", "description": description}))
    };
    let found: Vec<Value> = options.iter().filter_map(word).collect();
    options.splice(0..0, found);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn read(yaml: &str) -> Augmentation {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn written(yaml: &str) -> String {
        serde_json::to_string(&read(yaml)).unwrap()
    }

    #[test]
    fn a_crop_is_written_as_it_always_was_however_it_was_put() {
        for text in ["crop", "{crop: {}}", "{crop: {padding: 4}}"] {
            assert_eq!(written(text), r#""crop""#, "{text}");
        }
        assert_eq!(written("flip"), r#""flip""#);
        assert_eq!(written("{crop: {padding: 8}}"), r#"{"crop":{"padding":8}}"#);
    }

    #[test]
    fn a_word_is_the_same_run_as_its_defaults_written_out() {
        let plain = written("resized-crop");
        assert_eq!(plain, r#"{"resized-crop":{"scale":[0.08,1.0],"ratio":[0.75,1.3333333333333333]}}"#);
        assert_eq!(written("{resized-crop: {scale: [0.08, 1]}}"), plain);
        let jitter = r#"{"color-jitter":{"brightness":0.4,"contrast":0.0,"saturation":0.0,"hue":0.0}}"#;
        assert_eq!(written("{color-jitter: {brightness: 0.4}}"), jitter);
        assert_eq!(read(&plain), read("resized-crop"));
    }

    #[test]
    fn a_description_that_makes_no_sense_says_what_there_is() {
        let error = |text: &str| serde_yaml::from_str::<Augmentation>(text).unwrap_err().to_string();
        assert!(
            error("mirror").contains("`crop`, `resized-crop`, `flip`, `color-jitter`"),
            "{}",
            error("mirror")
        );
        assert!(error("{crop: {margin: 3}}").contains("unknown field `margin`, expected `padding`"));
        assert!(error("{crop: {padding: 3}, flip: }").contains("expected map containing 1 entry"));
        assert!(error("3").contains("a word, or a mapping with a single key"));
    }

    #[test]
    fn reports_name_what_was_done() {
        assert_eq!(read("crop").words(), "random crops with padding 4");
        assert_eq!(
            read("resized-crop").words(),
            "random windows of 8 to 100 % of the area, 0.75 to 1.3333 times as wide as high, brought back to the image's size"
        );
        assert_eq!(
            read("{color-jitter: {brightness: 0.4, contrast: 2, hue: 0.1}}").words(),
            "random colours (brightness ×0.6 to ×1.4, contrast ×0 to ×3, hue ±0.1 turns)"
        );
    }

    #[test]
    fn the_schema_offers_words_for_changes_that_need_no_settings() {
        let schema = schemars::schema_for!(Augmentation).to_value();
        let options = schema["oneOf"].as_array().unwrap();
        let words: Vec<&str> = options.iter().filter_map(|option| option["const"].as_str()).collect();
        assert_eq!(words, ["crop", "resized-crop", "flip"]);
    }
}
