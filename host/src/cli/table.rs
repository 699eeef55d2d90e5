//! A table for people: headings and aligned columns. In a pipe nothing is cut; on a terminal the
//! least needed columns are shortened until a line fits. Prints nothing.

/// Between two columns.
const GAP: &str = "  ";
/// Shortest form of a shortened column.
const WIDTH_MIN: usize = 8;

/// A table with `N` columns.
pub struct Table<const N: usize> {
    headings: [&'static str; N],
    rows: Vec<[String; N]>,
    /// Columns that may be shortened, the least needed first.
    shortened: &'static [usize],
}

impl<const N: usize> Table<N> {
    /// Creates a table without rows.
    pub const fn new(headings: [&'static str; N], shortened: &'static [usize]) -> Self {
        Self {
            headings,
            rows: Vec::new(),
            shortened,
        }
    }

    /// Adds a row. A cell is one line.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// Returns the headings and the rows, each cell filled to its column: joined they are a line.
    /// Lines are cut to `columns` where that is possible; `None` cuts nothing.
    pub fn lines(&self, columns: Option<usize>) -> Vec<[String; N]> {
        let widths = self.widths(columns);
        let headings = self.headings.map(str::to_owned);
        let lines = std::iter::once(&headings).chain(&self.rows);
        lines.map(|cells| filled(cells, &widths)).collect()
    }

    fn widths(&self, columns: Option<usize>) -> [usize; N] {
        let mut widths = self.headings.map(str::len);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if let Some(columns) = columns {
            for &column in self.shortened {
                let all = widths.iter().sum::<usize>() + GAP.len() * (N - 1);
                let excess = all.saturating_sub(columns);
                let least = widths[column].min(WIDTH_MIN);
                widths[column] = (widths[column] - excess.min(widths[column])).max(least);
            }
        }
        widths
    }
}

fn filled<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> [String; N] {
    std::array::from_fn(|column| {
        let (cell, width) = (&cells[column], widths[column]);
        let gap = if column + 1 < N { GAP } else { "" };
        if cell.chars().count() > width {
            let start: String = cell.chars().take(width - 1).collect();
            format!("{start}…{gap}")
        } else {
            format!("{cell:<width$}{gap}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new(["ID", "KIND", "NAME"], &[2, 1]);
        table.row([
            "1".into(),
            "of a long kind".into(),
            "a/path/to/mission.json".into(),
        ]);
        table.row(["22".into(), "short".into(), String::new()]);
        table
    }

    impl<const N: usize> Table<N> {
        fn text(&self, columns: Option<usize>) -> String {
            let lines = self.lines(columns);
            let lines = lines.iter().map(|cells| cells.concat());
            let lines = lines.map(|line| line.trim_end().to_owned() + "\n");
            lines.collect()
        }
    }

    #[test]
    fn in_a_pipe_nothing_is_cut() {
        assert_eq!(
            table().text(None),
            "ID  KIND            NAME\n\
             1   of a long kind  a/path/to/mission.json\n\
             22  short\n"
        );
    }

    #[test]
    fn on_a_terminal_the_least_needed_columns_are_shortened() {
        assert_eq!(
            table().text(Some(30)),
            "ID  KIND            NAME\n\
             1   of a long kind  a/path/to…\n\
             22  short\n"
        );
        assert_eq!(
            table().text(Some(24)),
            "ID  KIND        NAME\n\
             1   of a long…  a/path/…\n\
             22  short\n"
        );
        // Nothing becomes unreadable, however narrow the terminal is.
        assert_eq!(table().text(Some(0)), table().text(Some(22)));
    }

    #[test]
    fn a_line_is_never_wider_than_the_terminal_if_it_can_be_shorter() {
        for columns in 22..60 {
            for line in table().text(Some(columns)).lines() {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
        }
    }
}
