//! Aligned columns for people. Rows stream: the first ones decide the widths.

use crate::exit::Failure;
use crate::output::Output;
use crate::text;

/// So many rows are kept back to see how wide they are.
const LOOK_AHEAD: usize = 1_000;

pub struct Table<'a, const N: usize> {
    output: &'a Output,
    kept: Vec<[String; N]>,
    widths: Option<[usize; N]>,
    right: [bool; N],
}

impl<'a, const N: usize> Table<'a, N> {
    /// A table with these headings. A heading that begins with `>` has its column aligned to
    /// the right.
    pub fn new(output: &'a Output, headings: [&str; N]) -> Self {
        let right = headings.map(|heading| heading.starts_with('>'));
        let headings = headings.map(|heading| heading.trim_start_matches('>').to_owned());
        Self { output, kept: vec![headings], widths: None, right }
    }

    /// Adds a row. What would drive a terminal is escaped.
    pub fn row(&mut self, cells: [&str; N]) -> Result<(), Failure> {
        if self.output.is_json() {
            return Ok(());
        }
        let cells = cells.map(|cell| text::safe(cell).into_owned());
        if let Some(widths) = self.widths {
            return self.print(&cells, &widths);
        }
        self.kept.push(cells);
        if self.kept.len() > LOOK_AHEAD { self.settle() } else { Ok(()) }
    }

    /// Ends the table. One without rows prints nothing.
    pub fn end(mut self) -> Result<(), Failure> {
        if self.kept.len() == 1 { Ok(()) } else { self.settle() }
    }

    fn settle(&mut self) -> Result<(), Failure> {
        let kept = std::mem::take(&mut self.kept);
        let mut widths = [0; N];
        for cells in &kept {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        self.widths = Some(widths);
        kept.iter().try_for_each(|cells| self.print(cells, &widths))
    }

    fn print(&self, cells: &[String; N], widths: &[usize; N]) -> Result<(), Failure> {
        let mut line = String::new();
        for ((cell, width), right) in cells.iter().zip(widths).zip(self.right) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = if right { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line.extend([before, cell, after]);
        }
        self.output.say(line.trim_end())
    }
}
