//! YAML text becomes a tree in which every key and every value knows its place.
//!
//! serde keeps no positions, and a mapping forgets a key that is given twice; so the parser's events are
//! read directly. What a plain scalar means (`1e-4`, `true`, `~`) is left to `serde_yaml`.

use super::issue::{Issue, Span};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};
use serde_json::Number;
use std::collections::BTreeMap;

/// More nodes than any honest suite has: aliases that multiply are refused here.
const MAX_NODES: usize = 100_000;
const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it begins.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// A value of the YAML data model, mappings in document order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Node,
}

impl Node {
    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entry of this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of this key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Where the value at the end of a dotted path stands, or the last part of the path that exists.
    pub fn span_at(&self, path: &str) -> Option<Span> {
        let mut node = self;
        let mut span = None;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let next = match &node.value {
                Value::Map(_) => node.get(part),
                Value::List(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            span = Some(node.entry(part).map_or(next.span, Entry::place));
            node = next;
        }
        span
    }

    /// The same value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
            _ => 0,
        }
    }
}

impl Entry {
    /// Where to point for a wrong value: at a scalar itself, at the key of anything larger.
    pub fn place(&self) -> Span {
        match self.value.value {
            Value::List(_) | Value::Map(_) | Value::Null => self.key_span,
            _ => self.value.span,
        }
    }
}

/// Reads one YAML document: its value, unless the syntax is wrong, and everything that is wrong with it so far.
/// A key that comes a second time, or is a list or a mapping, is left out; what else is refused keeps its place.
pub(super) fn read(text: &str) -> (Option<Node>, Vec<Issue>) {
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0, issues: Vec::new() };
    let node = reader.document().map_err(|fatal| reader.issues.push(with_tab_remedy(fatal, text))).ok();
    (node, reader.issues)
}

fn with_tab_remedy(issue: Issue, text: &str) -> Issue {
    let near = text.lines().skip(issue.span.line.saturating_sub(2)).take(2);
    let tab = near.into_iter().any(|line| {
        line.chars().take_while(|character| character.is_whitespace()).any(|character| character == '\t')
    });
    if tab { issue.help("indent with spaces: YAML does not allow tabs there") } else { issue }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    issues: Vec<Issue>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Issue> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, from_markers(span.start, span.end))),
            Some(Err(error)) => {
                let at = from_markers(*error.marker(), *error.marker());
                Err(Issue::new(at, format!("this is not valid YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, Span::START)),
        }
    }

    fn document(&mut self) -> Result<Node, Issue> {
        let empty = || {
            Issue::new(Span::START, "the suite is empty").help(
                "a suite needs at least `name`, `datasets`, `architectures`, `algorithms` and `training`",
            )
        };
        let node = loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd | Event::DocumentEnd => return Err(empty()),
                event => break self.node(event, span, 0)?,
            }
        };
        if node.value == Value::Null {
            return Err(empty());
        }
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(node),
                Event::DocumentStart(_) => {
                    return Err(Issue::new(span, "a second YAML document begins here")
                        .help("a suite is one document: put the second in a file of its own"));
                }
                _ => {}
            }
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Issue> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(Issue::new(span, format!("the suite comes to more than {MAX_NODES} values"))
                .help("aliases of aliases multiply: write out what is meant"));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Issue> {
        self.count(1, span)?;
        if depth > MAX_DEPTH {
            return Err(Issue::new(span, format!("more than {MAX_DEPTH} levels of nesting")));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(tag) = &tag
                    && !(tag.is_yaml_core_schema() && tag.suffix == "str")
                {
                    self.refuse_tag(span);
                }
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if plain { self.plain(&text, span) } else { Value::Text(text.into_owned()) };
                (value, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                if tag.is_some() {
                    self.refuse_tag(span);
                }
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                if tag.is_some() {
                    self.refuse_tag(span);
                }
                (self.map(depth)?, anchor)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Issue::new(span, "this alias stands inside the value that it refers to"));
                };
                self.count(size, span)?;
                return Ok(node);
            }
            _ => return Err(Issue::new(span, "a value is missing here")),
        };
        let node = Node { span, value };
        if anchor != 0 {
            let size = node.size();
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn refuse_tag(&mut self, span: Span) {
        self.issues
            .push(Issue::new(span, "YAML tags (`!…`) are not used in suites").help("leave the tag out"));
    }

    fn plain(&mut self, text: &str, span: Span) -> Value {
        if text.is_empty() {
            return Value::Null;
        }
        match serde_yaml::from_str(text) {
            Ok(serde_yaml::Value::Null) => Value::Null,
            Ok(serde_yaml::Value::Bool(value)) => Value::Bool(value),
            Ok(serde_yaml::Value::Number(number)) => {
                let number_of = if let Some(value) = number.as_u64() {
                    Some(value.into())
                } else if let Some(value) = number.as_i64() {
                    Some(value.into())
                } else {
                    number.as_f64().and_then(Number::from_f64)
                };
                number_of.map_or_else(
                    || {
                        self.issues.push(Issue::new(span, format!("`{text}` is not a finite number")));
                        Value::Number(0.into())
                    },
                    Value::Number,
                )
            }
            _ => Value::Text(text.to_owned()),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Issue> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Issue> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, span, depth + 1)?;
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            if merge {
                self.merge(span, &value, &mut merged);
                continue;
            }
            let key = match key.value {
                Value::Text(key) => key,
                Value::List(_) | Value::Map(_) => {
                    self.issues.push(Issue::new(span, "a key must be text"));
                    continue;
                }
                scalar => {
                    let found = Node { span, value: scalar }.to_json().to_string();
                    let issue = Issue::new(span, format!("a key must be text, and `{found}` is not"));
                    self.issues.push(issue.help(format!("put it in quotes: \"{found}\"")));
                    found
                }
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let line = first.key_span.line;
                self.issues.push(
                    Issue::new(span, format!("`{key}` is given twice; first on line {line}"))
                        .help("keep one of them, or rename one"),
                );
                continue;
            }
            entries.push(Entry { key, key_span: span, value });
        }
        for entry in merged {
            if entries.iter().all(|own| own.key != entry.key) {
                entries.push(entry);
            }
        }
        Ok(Value::Map(entries))
    }

    fn merge(&mut self, span: Span, value: &Node, merged: &mut Vec<Entry>) {
        let sources = match &value.value {
            Value::Map(_) => std::slice::from_ref(value),
            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_))) => items,
            _ => {
                self.issues
                    .push(Issue::new(span, "`<<` merges a mapping or a list of mappings, nothing else"));
                return;
            }
        };
        for entry in sources.iter().flat_map(Node::entries) {
            if merged.iter().all(|known| known.key != entry.key) {
                merged.push(entry.clone());
            }
        }
    }
}

fn from_markers(start: Marker, end: Marker) -> Span {
    let length = if end.line() == start.line() { end.col().saturating_sub(start.col()) } else { 0 };
    Span { line: start.line().max(1), column: start.col() + 1, length: length.max(1) }
}
