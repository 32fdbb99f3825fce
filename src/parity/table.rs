//! Text in columns, for people.

/// No column is wider; what is longer, as images with digests are, pushes the rest of its own line only.
const WIDEST: usize = 72;

/// Lines of cells, every column as wide as its widest cell up to [`WIDEST`], with two spaces before and between. The last
/// cell of a line is not padded, and empty cells at a line's end leave nothing behind.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().min(WIDEST).max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("  {cell:width$}"));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}
