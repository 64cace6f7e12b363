//! The shape that a JSON Schema gives a value, in the few forms that our configuration types have.
//!
//! Checking a suite against the schemas of the types themselves keeps the two from drifting apart: a new
//! field or rule is known here, with its bounds and choices, as soon as it derives `JsonSchema`.

use serde_json::Value;
use std::rc::Rc;

/// What a value may look like.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// Anything.
    Any,
    Bool,
    Text,
    Integer {
        min: Option<i128>,
        max: Option<i128>,
    },
    Number(Range),
    /// The shape, or nothing.
    Nullable(Rc<Shape>),
    /// Values of one shape, and how many where that is fixed.
    List(Rc<Shape>, Option<usize>),
    /// A single one, or a list of them.
    OneOrMany(Rc<Shape>),
    /// Any keys, values of one shape.
    Map(Rc<Shape>),
    /// These keys and no others.
    Struct(Rc<Vec<Field>>),
    /// A word, or a mapping with a single key: an externally tagged enum.
    Choice(Rc<Choice>),
}

/// The bounds of a number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Range {
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// What it must be greater than.
    pub above: Option<f64>,
    /// What it must be less than.
    pub below: Option<f64>,
}

impl Range {
    /// The bound that a value violates, in words.
    pub fn violated_by(self, value: f64) -> Option<String> {
        let violated = |bound: Option<f64>, holds: fn(&f64, &f64) -> bool, words: &str| {
            bound.filter(|bound| !holds(&value, bound)).map(|bound| format!("must be {words} {bound}"))
        };
        violated(self.min, f64::ge, "at least")
            .or_else(|| violated(self.max, f64::le, "at most"))
            .or_else(|| violated(self.above, f64::gt, "greater than"))
            .or_else(|| violated(self.below, f64::lt, "less than"))
    }
}

/// A key of a [`Shape::Struct`].
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub name: String,
    pub shape: Shape,
    pub required: bool,
}

/// The variants of an enum.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    /// Those without contents, written as a word.
    pub words: Vec<String>,
    /// Those with contents, written as a key.
    pub tagged: Vec<(String, Shape)>,
}

impl Choice {
    /// The names of all variants, each once: some can be written either way.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let tagged = || self.tagged.iter().map(|(name, _)| name.as_str());
        let plain =
            self.words.iter().map(String::as_str).filter(move |word| tagged().all(|name| name != *word));
        tagged().chain(plain)
    }
}

impl Shape {
    /// The shape that a whole schema describes.
    pub fn of(schema: &schemars::Schema) -> Self {
        compile(schema.as_value(), schema.as_value())
    }

    /// The same with one more optional key, or with a key that need not be given.
    #[must_use]
    pub fn with_optional(self, name: &str, shape: Self) -> Self {
        let Self::Struct(fields) = self else { return self };
        let mut fields = (*fields).clone();
        fields.retain(|field| field.name != name);
        fields.push(Field { name: name.to_owned(), shape, required: false });
        Self::Struct(Rc::new(fields))
    }

    /// Whether a list is what is expected here, so that one is no axis.
    pub fn takes_lists(&self) -> bool {
        match self {
            Self::Any | Self::List(..) | Self::OneOrMany(_) => true,
            Self::Nullable(inner) => inner.takes_lists(),
            _ => false,
        }
    }

    /// What is expected, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Any => "its settings".into(),
            Self::Bool => "`true` or `false`".into(),
            Self::Text => "text".into(),
            Self::Integer { .. } => "a whole number".into(),
            Self::Number(_) => "a number".into(),
            Self::Nullable(inner) => inner.words(),
            Self::List(_, None) => "a list".into(),
            Self::List(_, Some(length)) => format!("a list of {length}"),
            Self::OneOrMany(inner) => format!("{} or a list of them", inner.words()),
            Self::Map(_) | Self::Struct(_) => "a mapping".into(),
            Self::Choice(choice) => match (choice.words.is_empty(), choice.tagged.is_empty()) {
                (_, true) => "a word".into(),
                (true, false) => "a mapping with a single key".into(),
                (false, false) => "a word, or a mapping with a single key".into(),
            },
        }
    }
}

fn compile(schema: &Value, root: &Value) -> Shape {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Shape::Any, |target| compile(target, root));
    }
    if let Some(options) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        return alternatives(options, root);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words = words.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        return Shape::Choice(Rc::new(Choice { words, tagged: Vec::new() }));
    }
    match schema.get("type") {
        Some(Value::String(kind)) => of_type(kind, schema, root),
        Some(Value::Array(kinds)) => {
            let kind = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null");
            let shape = kind.map_or(Shape::Any, |kind| of_type(kind, schema, root));
            Shape::Nullable(Rc::new(shape))
        }
        _ => Shape::Any,
    }
}

fn of_type(kind: &str, schema: &Value, root: &Value) -> Shape {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    match kind {
        "boolean" => Shape::Bool,
        "string" => Shape::Text,
        "number" => Shape::Number(Range {
            min: bound("minimum"),
            max: bound("maximum"),
            above: bound("exclusiveMinimum"),
            below: bound("exclusiveMaximum"),
        }),
        "integer" => {
            let width = match schema.get("format").and_then(Value::as_str) {
                Some("uint8") => Some(i128::from(u8::MAX)),
                Some("uint32") => Some(i128::from(u32::MAX)),
                Some("int32") => Some(i128::from(i32::MAX)),
                _ => None,
            };
            let bound = |key| bound(key).map(|bound| bound as i128);
            Shape::Integer { min: bound("minimum"), max: bound("maximum").or(width) }
        }
        "array" => {
            let items = schema.get("items").map_or(Shape::Any, |items| compile(items, root));
            let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
            let length = bound("minItems").filter(|least| bound("maxItems") == Some(*least));
            Shape::List(Rc::new(items), length.map(|length| length as usize))
        }
        "object" => object(schema, root),
        _ => Shape::Any,
    }
}

fn object(schema: &Value, root: &Value) -> Shape {
    let properties = schema.get("properties").and_then(Value::as_object);
    match (properties, schema.get("additionalProperties")) {
        (None, Some(values)) if values.is_object() || *values == Value::Bool(true) => {
            Shape::Map(Rc::new(compile(values, root)))
        }
        (properties, _) => {
            let required = |name: &str| {
                let names = schema.get("required").and_then(Value::as_array);
                names.is_some_and(|names| names.iter().any(|required| required == name))
            };
            let fields = properties.into_iter().flatten().map(|(name, property)| Field {
                name: name.clone(),
                shape: compile(property, root),
                required: required(name),
            });
            Shape::Struct(Rc::new(fields.collect()))
        }
    }
}

fn alternatives(options: &[Value], root: &Value) -> Shape {
    let is_null = |option: &&Value| option.get("type").and_then(Value::as_str) == Some("null");
    if let [inner, null] = options
        && is_null(&null)
    {
        return Shape::Nullable(Rc::new(compile(inner, root)));
    }
    if let [one, many] = options
        && many.get("type").and_then(Value::as_str) == Some("array")
    {
        return Shape::OneOrMany(Rc::new(compile(one, root)));
    }
    let mut choice = Choice::default();
    for option in options {
        if let Some(word) = option.get("const").and_then(Value::as_str) {
            choice.words.push(word.to_owned());
        } else if let Some(words) = option.get("enum").and_then(Value::as_array) {
            choice.words.extend(words.iter().filter_map(Value::as_str).map(str::to_owned));
        } else if let Some(properties) = option.get("properties").and_then(Value::as_object) {
            choice.tagged.extend(properties.iter().map(|(name, inner)| (name.clone(), compile(inner, root))));
        } else {
            return Shape::Any;
        }
    }
    Shape::Choice(Rc::new(choice))
}
