//! Results as text: aligned columns, the first to the left.

use std::fmt;
use std::io::{self, Write as _};

/// Rows under a head.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with that head.
    pub fn new(head: &[&str]) -> Table {
        Table { rows: vec![head.iter().map(|&text| text.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints it to standard output.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn print(&self) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{self}")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "{cell:<width$}")?,
                    _ => write!(f, "  {cell:>width$}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A quotient with that many digits after the point; a dash when there is nothing to divide by.
pub fn per(sum: u64, count: u64, digits: usize) -> String {
    if count == 0 {
        return "-".to_owned();
    }
    // Six digits after the point are enough for a table, and integers are exact.
    let micros = u128::from(sum) * 1_000_000 / u128::from(count);
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    let end = text.len() - 6 + digits.min(6);
    text[..if digits == 0 { end - 1 } else { end }].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        let mut table = Table::new(&["step", "Ir"]);
        table.row(["read".to_owned(), "1200".to_owned()]);
        assert_eq!(table.to_string(), "step    Ir\nread  1200\n");
    }

    #[test]
    fn quotients_are_cut_to_their_digits() {
        assert_eq!((per(10, 4, 1), per(10, 4, 0), per(1, 0, 1)), ("2.5".into(), "2".into(), "-".into()));
        assert_eq!(per(1_000, 3, 2), "333.33");
    }
}
