//! Markdown tables. comfy-table lays them out; it neither escapes a cell nor marks a column as right-aligned,
//! so both are done here.

use comfy_table::{Table, presets};

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table in markdown, with a blank line behind it.
pub fn markdown(header: &[(&str, Align)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header.iter().map(|(title, _)| escape(title)));
    for row in rows {
        table.add_row(row.iter().map(|cell| escape(cell)));
    }
    for (index, (_, align)) in header.iter().enumerate() {
        if let (Align::Right, Some(column)) = (align, table.column_mut(index)) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let mut lines: Vec<String> = table.lines().collect();
    if let Some(rule) = lines.get_mut(1) {
        let marked: Vec<String> = rule
            .trim_matches('|')
            .split('|')
            .zip(header)
            .map(|(dashes, (_, align))| match align {
                Align::Left => dashes.to_owned(),
                Align::Right => format!("{}:", &dashes[..dashes.len().saturating_sub(1)]),
            })
            .collect();
        *rule = format!("|{}|", marked.join("|"));
    }
    lines.push(String::new());
    lines.push(String::new());
    lines.join("\n")
}

/// A text that a markdown table shows as it is: a bar would end its cell, a line end its row, an angle bracket
/// begin a tag. Emphasis, links and code pass, since cells are written with them.
pub fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}

/// A label or other text from a suite as inert code.
pub fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_in_a_cell_does_not_end_it() {
        let table =
            markdown(&[("rule", Align::Left), ("x", Align::Right)], [vec!["a|b".to_owned(), "1".to_owned()]]);
        assert_eq!(table, "| rule | x |\n|------|--:|\n| a\\|b | 1 |\n\n");
    }

    #[test]
    fn a_line_end_or_a_tag_in_a_cell_is_harmless() {
        let table = markdown(&[("why", Align::Left)], [vec!["two\nlines <b>".to_owned()]]);
        assert_eq!(table.trim_end().lines().count(), 3, "{table}");
        assert!(table.contains("two lines &lt;b>"), "{table}");
    }
}
