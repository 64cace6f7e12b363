//! One walk over a value and its shape: everything that does not fit is reported, and every list that
//! stands where no list is expected is an axis, which splits the value into variants.

use super::{
    issue::{Issue, Span, nearest, suggestion},
    shape::{Choice, Field, Shape},
    tree::{Entry, Node, Value},
};

/// More variants of one cell than any suite needs; a slip of the pen must not fill the memory.
pub(super) const MAX_VARIANTS: usize = 100_000;

/// One of the values of an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AxisValue {
    /// Where the axis is, e.g. `["feedback", "scale"]`.
    pub path: Vec<String>,
    /// The value as a label shows it.
    pub text: String,
    /// Its position among the axis's values.
    pub position: usize,
}

/// A value without axes, and the axis values that led to it, in document order.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    pub node: Node,
    pub axes: Vec<AxisValue>,
}

impl Variant {
    fn plain(node: &Node) -> Vec<Self> {
        vec![Self { node: node.clone(), axes: Vec::new() }]
    }
}

/// Checks `node`, which stands at `at`, and splits it along its axes if `axes` are allowed.
pub(super) fn walk(
    node: &Node,
    at: Span,
    shape: &Shape,
    axes: bool,
    issues: &mut Vec<Issue>,
) -> Vec<Variant> {
    Walker { issues, axes, path: Vec::new() }.value(node, at, shape)
}

struct Walker<'a> {
    issues: &'a mut Vec<Issue>,
    axes: bool,
    path: Vec<String>,
}

impl Walker<'_> {
    fn refuse(&mut self, span: Span, message: impl Into<String>) {
        self.issues.push(Issue::new(span, message));
    }

    fn refuse_with(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.issues.push(Issue::new(span, message).help(help));
    }

    fn value(&mut self, node: &Node, at: Span, shape: &Shape) -> Vec<Variant> {
        if let Value::List(items) = &node.value
            && self.is_axis(items, shape)
        {
            return self.axis(items, at, shape);
        }
        match (shape, &node.value) {
            (Shape::Any, _)
            | (Shape::Nullable(_), Value::Null)
            | (Shape::Bool, Value::Bool(_))
            | (Shape::Text, Value::Text(_)) => Variant::plain(node),
            (Shape::Integer { min, max }, Value::Number(number)) => {
                self.integer(number, node.span, *min, *max);
                Variant::plain(node)
            }
            (Shape::Number(range), Value::Number(number)) => {
                if let Some(bound) = range.violated_by(number.as_f64().unwrap_or_default()) {
                    self.refuse(node.span, format!("`{number}` is out of range: {bound}"));
                }
                Variant::plain(node)
            }
            (Shape::List(inner, length), Value::List(items)) => {
                if length.is_some_and(|length| length != items.len()) {
                    self.refuse(at, format!("expected {}, found {}", shape.words(), items.len()));
                }
                self.list(node, items, inner)
            }
            (Shape::OneOrMany(inner), Value::List(items)) => {
                if items.is_empty() {
                    self.refuse(at, "the list is empty");
                }
                self.list(node, items, inner)
            }
            (Shape::Nullable(inner) | Shape::OneOrMany(inner), _) => self.value(node, at, inner),
            (Shape::Map(inner), Value::Map(entries)) => {
                let fields: Vec<_> = entries.iter().map(|entry| (entry, Some(&**inner))).collect();
                self.map(node, &fields)
            }
            (Shape::Struct(fields), Value::Map(entries)) => self.structure(node, at, fields, entries),
            (Shape::Struct(fields), Value::Null) if fields.iter().all(|field| !field.required) => {
                Variant::plain(&Node { span: node.span, value: Value::Map(Vec::new()) })
            }
            (Shape::Choice(choice), _) => self.choice(node, at, choice),
            _ => {
                self.wrong_type(node, at, shape);
                Variant::plain(node)
            }
        }
    }

    /// Whether this list lists alternatives: a list where none is expected, or a list of lists where a
    /// list of something else is.
    fn is_axis(&self, items: &[Node], shape: &Shape) -> bool {
        if !self.axes {
            return false;
        }
        match shape {
            Shape::List(inner, _) => {
                !inner.takes_lists()
                    && !items.is_empty()
                    && items.iter().all(|item| matches!(item.value, Value::List(_)))
            }
            Shape::Nullable(inner) => self.is_axis(items, inner),
            other => !other.takes_lists(),
        }
    }

    fn axis(&mut self, items: &[Node], at: Span, shape: &Shape) -> Vec<Variant> {
        if items.is_empty() {
            self.refuse_with(
                at,
                "an empty list of values leaves nothing to run",
                format!("give {}, or a list of at least one", shape.words()),
            );
            return Vec::new();
        }
        let names = names(items);
        let mut all = Vec::new();
        for (position, item) in items.iter().enumerate() {
            if matches!(item.value, Value::List(_)) && !shape.takes_lists() {
                self.refuse(item.span, "a list of values can't contain a list");
                continue;
            }
            let value = AxisValue { path: self.path.clone(), text: names[position].clone(), position };
            // A list inside a list of lists is the value itself.
            let outer = self.axes;
            self.axes = outer && !shape.takes_lists();
            for mut variant in self.value(item, item.span, shape) {
                variant.axes.insert(0, value.clone());
                all.push(variant);
            }
            self.axes = outer;
        }
        all
    }

    fn integer(&mut self, number: &serde_json::Number, span: Span, min: Option<i128>, max: Option<i128>) {
        let value = number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from));
        let Some(value) = value else {
            let as_float = number.as_f64().unwrap_or_default();
            let message = format!("expected a whole number, found `{number}`");
            if as_float.fract() == 0.0 && as_float.abs() < 9e15 {
                self.refuse_with(span, message, format!("write `{}`", as_float as i64));
            } else {
                self.refuse(span, message);
            }
            return;
        };
        if min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max) {
            self.refuse(span, format!("`{number}` is out of range: {}", range(value, min, max)));
        }
    }

    fn list(&mut self, node: &Node, items: &[Node], inner: &Shape) -> Vec<Variant> {
        let lists = items.iter().filter(|item| matches!(item.value, Value::List(_))).count();
        if self.axes && !inner.takes_lists() && lists > 0 {
            let odd = items.iter().find(|item| !matches!(item.value, Value::List(_)));
            if let Some(odd) = odd {
                self.refuse_with(
                    odd.span,
                    "this list holds both lists and single values",
                    "one list is the value itself; a list of lists is an axis, one list for each value",
                );
                return Variant::plain(node);
            }
        }
        let mut columns = Vec::new();
        for (index, item) in items.iter().enumerate() {
            self.path.push(index.to_string());
            let axes = self.axes;
            self.axes = axes && !matches!(item.value, Value::List(_));
            columns.push(self.value(item, item.span, inner));
            self.axes = axes;
            self.path.pop();
        }
        let span = node.span;
        self.cross(columns, span, |nodes| Node { span, value: Value::List(nodes) })
    }

    fn structure(&mut self, node: &Node, at: Span, fields: &[Field], entries: &[Entry]) -> Vec<Variant> {
        let (mut known, mut meant) = (Vec::new(), Vec::new());
        for entry in entries {
            if let Some(field) = fields.iter().find(|field| field.name == entry.key) {
                known.push((entry, Some(&field.shape)));
            } else {
                let given = |name: &str| entries.iter().any(|entry| entry.key == name);
                let names = || fields.iter().map(|field| field.name.as_str());
                let help = match nearest(&entry.key, names()) {
                    Some(near) if given(near) => format!("`{near}` is given already"),
                    _ if names().all(given) => "nothing more can be set here".to_owned(),
                    _ => suggestion(&entry.key, names().filter(|name| !given(name))),
                };
                meant.extend(nearest(&entry.key, names()));
                self.refuse_with(entry.key_span, format!("unknown key `{}`", entry.key), help);
            }
        }
        for field in fields.iter().filter(|field| field.required) {
            // A misspelt key has been reported as such.
            let misspelt = meant.contains(&field.name.as_str());
            if !misspelt && entries.iter().all(|entry| entry.key != field.name) {
                self.refuse_with(
                    at,
                    format!("`{}` is missing", field.name),
                    format!("add `{}:` with {}", field.name, field.shape.words()),
                );
            }
        }
        self.map(node, &known)
    }

    fn map(&mut self, node: &Node, entries: &[(&Entry, Option<&Shape>)]) -> Vec<Variant> {
        let mut columns = Vec::new();
        for (entry, shape) in entries {
            self.path.push(entry.key.clone());
            columns.push(self.value(&entry.value, entry.place(), shape.unwrap_or(&Shape::Any)));
            self.path.pop();
        }
        let span = node.span;
        self.cross(columns, span, |nodes| {
            let entries = entries.iter().zip(nodes).map(|((entry, _), value)| Entry {
                key: entry.key.clone(),
                key_span: entry.key_span,
                value,
            });
            Node { span, value: Value::Map(entries.collect()) }
        })
    }

    fn choice(&mut self, node: &Node, at: Span, choice: &Choice) -> Vec<Variant> {
        let unknown = |name: &str| {
            (format!("`{name}` is not one of the choices here"), suggestion(name, choice.names()))
        };
        match &node.value {
            Value::Text(word) if choice.words.contains(word) => {}
            Value::Text(word) => {
                if choice.tagged.iter().any(|(name, _)| name == word) {
                    let message = format!("`{word}` is a key here, with its settings below it");
                    self.refuse_with(node.span, message, format!("write `{{{word}: {{…}}}}`"));
                } else {
                    let (message, help) = unknown(word);
                    self.refuse_with(node.span, message, help);
                }
            }
            Value::Map(entries) => {
                let [entry] = entries.as_slice() else {
                    let message = if entries.is_empty() {
                        "expected a single key that names the kind, found none".to_owned()
                    } else {
                        let found: Vec<_> = entries.iter().map(|entry| format!("`{}`", entry.key)).collect();
                        format!("expected a single key that names the kind, found {}", found.join(" and "))
                    };
                    let place = entries.last().map_or(at, |entry| entry.key_span);
                    self.refuse_with(place, message, suggestion("", choice.names()));
                    return Variant::plain(node);
                };
                if let Some((_, shape)) = choice.tagged.iter().find(|(name, _)| *name == entry.key) {
                    return self.map(node, &[(entry, Some(shape))]);
                }
                if choice.words.contains(&entry.key) {
                    let message = format!("`{}` has no settings", entry.key);
                    self.refuse_with(entry.key_span, message, format!("write just `{}`", entry.key));
                } else {
                    let (message, help) = unknown(&entry.key);
                    self.refuse_with(entry.key_span, message, help);
                }
            }
            _ => self.wrong_type(node, at, &Shape::Choice(choice.clone().into())),
        }
        Variant::plain(node)
    }

    fn wrong_type(&mut self, node: &Node, at: Span, shape: &Shape) {
        if let (Shape::Integer { max, .. }, Some(digits)) = (shape, node.text())
            && let Some(size) = beyond_64_bits(digits)
        {
            let message = format!("`{digits}` is too {size}");
            let most = max.unwrap_or_else(|| u64::MAX.into());
            self.refuse_with(node.span, message, format!("whole numbers go up to {most} here"));
            return;
        }
        let span =
            if matches!(node.value, Value::Map(_) | Value::List(_) | Value::Null) { at } else { node.span };
        let found = found(node);
        let issue = Issue::new(span, format!("expected {}, found {found}", shape.words()));
        let quoted_number = matches!(shape, Shape::Integer { .. } | Shape::Number(_))
            && node.text().is_some_and(|text| text.parse::<f64>().is_ok());
        self.issues.push(match shape {
            _ if quoted_number => issue.help("leave the quotes out"),
            Shape::Text => issue.help("put it in quotes"),
            Shape::Choice(choice) => issue.help(suggestion("", choice.names())),
            _ => issue,
        });
    }

    /// Every combination of the columns' variants, the last column varying fastest.
    fn cross(
        &mut self,
        columns: Vec<Vec<Variant>>,
        span: Span,
        build: impl Fn(Vec<Node>) -> Node,
    ) -> Vec<Variant> {
        let count = columns.iter().try_fold(1usize, |product, column| {
            product.checked_mul(column.len()).filter(|count| *count <= MAX_VARIANTS)
        });
        if count.is_none() {
            self.refuse_with(
                span,
                format!("the lists of values here cross to more than {MAX_VARIANTS} combinations"),
                "list fewer values",
            );
            return Vec::new();
        }
        let mut rows: Vec<(Vec<Node>, Vec<AxisValue>)> = vec![(Vec::new(), Vec::new())];
        for column in columns {
            if let [only] = column.as_slice() {
                for (nodes, axes) in &mut rows {
                    nodes.push(only.node.clone());
                    axes.extend(only.axes.iter().cloned());
                }
                continue;
            }
            let mut next = Vec::with_capacity(rows.len() * column.len());
            for (nodes, axes) in &rows {
                for variant in &column {
                    let (mut nodes, mut axes) = (nodes.clone(), axes.clone());
                    nodes.push(variant.node.clone());
                    axes.extend(variant.axes.iter().cloned());
                    next.push((nodes, axes));
                }
            }
            rows = next;
        }
        rows.into_iter().map(|(nodes, axes)| Variant { node: build(nodes), axes }).collect()
    }
}

/// Whether digits are a whole number of more than 64 bits, which YAML reads as text: `large`, or with a
/// minus `small`.
fn beyond_64_bits(text: &str) -> Option<&'static str> {
    let digits = text.trim_start_matches(['-', '+']);
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let fits = text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok();
    let size = if text.starts_with('-') { "small" } else { "large" };
    (whole && !fits).then_some(size)
}

/// The bound that a value outside of a range violates.
fn range(value: i128, min: Option<i128>, max: Option<i128>) -> String {
    match (min, max) {
        (Some(min), _) if value < min => format!("must be at least {min}"),
        (_, Some(max)) => format!("must be at most {max}"),
        _ => "it has no bounds".to_owned(),
    }
}

fn found(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".into(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::Text(text) => format!("the text `{text}`"),
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a mapping".into(),
    }
}

/// How the values of an axis appear in labels: by the names of their kinds where these tell them apart.
fn names(items: &[Node]) -> Vec<String> {
    let kind = |node: &Node| match (&node.value, node.entries()) {
        (Value::Text(word), _) => Some(word.clone()),
        (_, [entry]) => Some(entry.key.clone()),
        _ => None,
    };
    let kinds: Option<Vec<String>> = items.iter().map(kind).collect();
    let distinct =
        |kinds: &Vec<String>| kinds.iter().enumerate().all(|(index, kind)| !kinds[..index].contains(kind));
    kinds.filter(distinct).unwrap_or_else(|| items.iter().map(flow).collect())
}

/// A value on one line, without quotes.
fn flow(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(",")),
        Value::Map(entries) => {
            let entry = |entry: &Entry| format!("{}:{}", entry.key, flow(&entry.value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
        }
    }
}
