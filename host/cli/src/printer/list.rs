//! Lists: one JSON document whose items are written as they come, JSON lines, or text.

use std::io::{self, Write as _};

use serde::Serialize;

use super::Printer;
use crate::args::OutputFormat;
use hydra_base::names::ModelName;
use hydra_base::text::escape_json;

/// The list that is being printed.
#[derive(Debug)]
pub(super) struct List {
    /// The document up to its first item.
    head: String,
    has_items: bool,
}

impl Printer {
    /// Begins a list, about `model` or about several models. In JSON it becomes a document of `schema` with its items in `field`.
    pub fn begin_list<'a>(
        &mut self,
        schema: &'static str,
        model: impl Into<Option<&'a ModelName>>,
        field: &'static str,
    ) -> io::Result<()> {
        if self.format == OutputFormat::Json {
            let model = match model.into() {
                Some(model) => format!("\n  \"model\": {},", serde_json::to_string(model.as_str())?),
                None => String::new(),
            };
            let head = format!("{{\n  \"schema\": \"{schema}\",{model}\n  \"{field}\": [");
            self.list = Some(List { head, has_items: false });
        }
        Ok(())
    }

    /// Prints one item of a list, or of a stream: in JSON on a line of its own.
    pub fn item<R: Serialize>(&mut self, item: &R, text: impl FnOnce(&R) -> String) -> io::Result<()> {
        if !self.is_json() {
            return self.line(&text(item));
        }
        let Some(list) = &mut self.list else { return self.json_line(item) };
        let json = serde_json::to_string(item)?;
        let before = if list.has_items { "," } else { list.head.as_str() };
        write!(self.out, "{}\n    {}", escape_json(before), escape_json(&json))?;
        list.has_items = true;
        Ok(())
    }

    /// Ends the list.
    pub fn end_list(&mut self) -> io::Result<()> {
        let Some(list) = self.list.take() else { return Ok(()) };
        if list.has_items {
            writeln!(self.out, "\n  ]\n}}")
        } else {
            writeln!(self.out, "{}]\n}}", escape_json(&list.head))
        }
    }
}
