//! How answers are laid out for people.

use std::fmt;

use clock::Timestamp;

/// Writes rows of cells, every column but the last one padded to its widest cell.
pub(crate) fn table<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    rows: &[[String; N]],
) -> fmt::Result {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A moment to the second.
pub(crate) fn moment(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// `1 credit`, `2 credits`.
pub(crate) fn credits(credits: u64) -> String {
    if credits == 1 { "1 credit".to_owned() } else { format!("{credits} credits") }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown([[String; 2]; 2]);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            table(f, &self.0)
        }
    }

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let rows = [["é", "one"], ["four", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(Shown(rows).to_string(), "é     one\nfour\n");
    }

    #[test]
    fn moments_and_credits_read_well() {
        assert_eq!(moment(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!([credits(1), credits(0)], ["1 credit", "0 credits"]);
    }
}
