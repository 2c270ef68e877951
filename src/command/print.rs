//! Standard output: plain text, and columns.

use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

/// Prints a text and a line end. A reader that has heard enough (`| head`) is no error.
pub fn line(text: impl Display) {
    // Nobody is left to tell.
    let _ = writeln!(io::stdout(), "{text}");
}

/// A heading of a column, and on which side its cells stand.
pub enum Column {
    /// For words.
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
}

/// Rows in columns, without a line end after the last.
pub fn columns<const N: usize>(
    headings: [Column; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> impl Display {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings.iter().map(|h| match h {
        Column::Left(text) | Column::Right(text) => *text,
    }));
    table.add_rows(rows);
    for (column, heading) in table.column_iter_mut().zip(&headings) {
        column.set_padding((0, 2));
        if let Column::Right(_) = heading {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
