//! How large a text can be in its box, and where its lines break.

use std::ops::Range;

use crate::shape::Shaped;

/// Sizes are tried in steps of one percent below the largest. The steps do not depend on the box, so
/// that a larger box never gets smaller text.
const STEP: f32 = 0.99;
/// The last step: a hundred-thousandth of the largest size, where nothing can be seen any more.
const STEPS: u32 = 1_146;

/// Words of a paragraph beyond which lines are filled rather than balanced; the work is quadratic.
const BALANCED_WORDS_MAX: usize = 400;

/// How far the tails of Latin letters and commas go below the line, in units of the size.
const TAIL: f32 = 0.3;

/// What a text has to fit. Pixels unless said otherwise.
pub(crate) struct Room {
    pub(crate) width: f32,
    pub(crate) height: f32,
    pub(crate) size_max: f32,
    /// The size up to which breaking inside a word is better than being smaller.
    pub(crate) size_readable: f32,
    /// From baseline to baseline in units of the size, when nothing needs more.
    pub(crate) pitch: f32,
    /// The least that stays free between two lines, in units of the size.
    pub(crate) gap: f32,
    /// How far the outline reaches beyond the letters.
    pub(crate) outline: fn(f32) -> f32,
}

/// A text in lines.
pub(crate) struct Laid {
    /// In pixels.
    pub(crate) size: f32,
    /// In units of the size.
    pub(crate) pitch: f32,
    pub(crate) lines: Vec<Line>,
}

/// The clusters of a line, without blanks at its ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) clusters: Range<usize>,
    /// In units of the size.
    pub(crate) width: f32,
}

/// The largest size at which `shaped` fits `room`, in the fewest lines at that size, balanced.
/// Nothing when the text has no ink, or the room no area.
pub(crate) fn fit(shaped: &Shaped, room: &Room) -> Option<Laid> {
    if shaped.glyphs.is_empty() || room.size_max.is_nan() || room.size_max <= 0.0 {
        return None;
    }
    let text = Measured::new(shaped);
    // The tails of commas seldom meet the accents of the next line; lines need not stand apart for
    // both. Scripts with more below the line than tails need all of it.
    let below = if shaped.descent <= TAIL { 0.4 * shaped.descent } else { shaped.descent };
    let pitch = room.pitch.max(shaped.ascent + below + room.gap);
    let at = |step: u32| room.size_max * STEP.powi(step as i32);
    let lines_at = |step: u32| -> Option<(f32, f64, Vec<Line>)> {
        let size = at(step);
        let outlines = 2.0 * (room.outline)(size);
        let limit = f64::from((room.width - outlines) / size - 2.0 * shaped.overhang);
        if limit.is_nan() || limit <= 0.0 {
            return None;
        }
        let lines = text.filled(limit, size <= room.size_readable)?;
        let gaps = lines.len().saturating_sub(1) as f32;
        let height = (gaps * pitch + shaped.ascent + shaped.descent) * size + outlines;
        (height <= room.height).then_some((size, limit, lines))
    };

    // The first step that fits. A size that fits stays fitting when it shrinks.
    let (mut low, mut high) = (0, STEPS);
    let mut best = lines_at(high)?;
    while low < high {
        let middle = u32::midpoint(low, high);
        if let Some(found) = lines_at(middle) {
            best = found;
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let (size, limit, filled) = best;
    let lines = text.balanced(limit, &filled).unwrap_or(filled);
    Some(Laid { size, pitch, lines })
}

/// A text with its widths added up.
struct Measured<'a> {
    shaped: &'a Shaped,
    /// The advance of all clusters before each; one longer than the clusters. In double precision,
    /// so that differences in a long text are exact enough to compare.
    before: Vec<f64>,
    paragraphs: Vec<Vec<Word>>,
}

/// What no line breaks, and the blanks behind it.
#[derive(Debug, Clone)]
struct Word {
    clusters: Range<usize>,
}

impl<'a> Measured<'a> {
    fn new(shaped: &'a Shaped) -> Self {
        let mut total = 0.0;
        let mut before = Vec::with_capacity(shaped.clusters.len() + 1);
        before.push(total);
        for cluster in &shaped.clusters {
            total += f64::from(cluster.advance);
            before.push(total);
        }
        let paragraphs =
            shaped.paragraphs.iter().map(|paragraph| words(shaped, paragraph.clone())).collect();
        Self { shaped, before, paragraphs }
    }

    fn width(&self, clusters: &Range<usize>) -> f64 {
        self.before[clusters.end] - self.before[clusters.start]
    }

    /// The line from the first to the last cluster, less the blanks behind it.
    fn line(&self, clusters: Range<usize>) -> Line {
        let clusters = clusters.start..self.visible_end(&clusters);
        let width = self.width(&clusters) as f32;
        Line { clusters, width }
    }

    fn visible_end(&self, clusters: &Range<usize>) -> usize {
        let blanks = self.shaped.clusters[clusters.clone()]
            .iter()
            .rev()
            .take_while(|cluster| cluster.blank)
            .count();
        clusters.end - blanks
    }

    fn visible_width(&self, clusters: &Range<usize>) -> f64 {
        self.width(&(clusters.start..self.visible_end(clusters)))
    }

    /// As few lines as possible, each filled before the next is begun. Nothing when a word is wider
    /// than `limit`, or, where words may be `split`, a single cluster is.
    fn filled(&self, limit: f64, split: bool) -> Option<Vec<Line>> {
        let mut lines = Vec::new();
        for words in &self.paragraphs {
            let mut current: Option<Range<usize>> = None;
            for word in words {
                let joined = current.as_ref().map_or(word.clusters.start, |line| line.start)
                    ..word.clusters.end;
                if self.visible_width(&joined) <= limit {
                    current = Some(joined);
                } else if self.visible_width(&word.clusters) <= limit {
                    lines.extend(current.replace(word.clusters.clone()).map(|l| self.line(l)));
                } else if split {
                    for cluster in word.clusters.clone() {
                        let joined =
                            current.as_ref().map_or(cluster, |line| line.start)..cluster + 1;
                        if self.visible_width(&joined) <= limit {
                            current = Some(joined);
                        } else if self.visible_width(&(cluster..cluster + 1)) <= limit {
                            lines.extend(
                                current.replace(cluster..cluster + 1).map(|l| self.line(l)),
                            );
                        } else {
                            return None;
                        }
                    }
                } else {
                    return None;
                }
            }
            // A paragraph without words is an empty line.
            lines.push(self.line(current.unwrap_or(0..0)));
        }
        Some(lines)
    }

    /// As many lines as `filled` has, of widths as equal as can be. Nothing when that would need
    /// more lines, or is not worth the work.
    fn balanced(&self, limit: f64, filled: &[Line]) -> Option<Vec<Line>> {
        let mut lines = Vec::with_capacity(filled.len());
        for (paragraph, words) in self.shaped.paragraphs.iter().zip(&self.paragraphs) {
            let count = filled
                .iter()
                .filter(|line| {
                    !line.clusters.is_empty()
                        && paragraph.start <= line.clusters.start
                        && line.clusters.end <= paragraph.end
                })
                .count();
            if count == 0 {
                lines.push(self.line(0..0));
                continue;
            }
            let units = self.split_evenly(words, limit);
            if units.len() > BALANCED_WORDS_MAX {
                return None;
            }
            lines.extend(self.balanced_paragraph(&units, count, limit)?);
        }
        (lines.len() == filled.len()).then_some(lines)
    }

    /// The words, those wider than `limit` in pieces of about equal width.
    fn split_evenly(&self, words: &[Word], limit: f64) -> Vec<Range<usize>> {
        let mut units = Vec::with_capacity(words.len());
        for word in words {
            let width = self.visible_width(&word.clusters);
            if width <= limit {
                units.push(word.clusters.clone());
                continue;
            }
            let piece = width / (width / limit).ceil();
            let start = self.before[word.clusters.start];
            let mut from = word.clusters.start;
            let mut done = 1.0;
            for cluster in word.clusters.clone() {
                let end = self.before[cluster + 1] - start;
                let too_wide = self.visible_width(&(from..cluster + 1)) > limit;
                // Half of a cluster on either side of the mark is as near as it gets.
                let half = self.width(&(cluster..cluster + 1)) / 2.0;
                if cluster > from && (too_wide || end - half > piece * done) {
                    units.push(from..cluster);
                    from = cluster;
                    done += 1.0;
                }
            }
            units.push(from..word.clusters.end);
        }
        units
    }

    /// The breaks into `count` lines for which the sum of the squares of their widths is least.
    fn balanced_paragraph(
        &self,
        units: &[Range<usize>],
        count: usize,
        limit: f64,
    ) -> Option<Vec<Line>> {
        let n = units.len();
        let line = |from: usize, to: usize| units[from].start..units[to - 1].end;
        // cost[k][i]: the first i units in k lines; from[k][i]: where the last of them starts.
        let mut cost = vec![f64::INFINITY; n + 1];
        cost[0] = 0.0;
        let mut from = vec![vec![0; n + 1]; count + 1];
        for starts in from.iter_mut().skip(1) {
            let mut next = vec![f64::INFINITY; n + 1];
            for end in 1..=n {
                for start in (0..end).rev() {
                    let width = self.visible_width(&line(start, end));
                    if width > limit {
                        break;
                    }
                    let sum = cost[start] + width * width;
                    if sum < next[end] {
                        next[end] = sum;
                        starts[end] = start;
                    }
                }
            }
            cost = next;
        }
        if !cost[n].is_finite() {
            return None;
        }
        let mut lines = Vec::with_capacity(count);
        let mut end = n;
        for starts in from.iter().skip(1).rev() {
            let start = starts[end];
            lines.push(self.line(line(start, end)));
            end = start;
        }
        lines.reverse();
        Some(lines)
    }
}

/// The words of a paragraph. Blanks at its start belong to none.
fn words(shaped: &Shaped, paragraph: Range<usize>) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (index, cluster) in shaped.clusters[paragraph.clone()].iter().enumerate() {
        let index = paragraph.start + index;
        if start.is_none() && cluster.blank {
            continue;
        }
        let from = *start.get_or_insert(index);
        if cluster.break_after || index + 1 == paragraph.end {
            words.push(Word { clusters: from..index + 1 });
            start = None;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::shape;

    fn room(width: f32, height: f32) -> Room {
        Room {
            width,
            height,
            size_max: 100.0,
            size_readable: 20.0,
            pitch: 1.1,
            gap: 0.05,
            outline: |_| 0.0,
        }
    }

    fn laid(text: &str, width: f32, height: f32) -> (f32, Vec<String>) {
        let shaped = shape(text, 0.0);
        let laid = fit(&shaped, &room(width, height)).unwrap();
        // One character a cluster in these tests.
        let flat: Vec<char> = text.chars().filter(|&c| c != '\n').collect();
        let lines =
            laid.lines.iter().map(|line| flat[line.clusters.clone()].iter().collect()).collect();
        (laid.size, lines)
    }

    #[test]
    fn one_line_while_it_fits_at_the_largest_size() {
        let (size, lines) = laid("SHORT ONE", 1_000.0, 500.0);
        assert_eq!((size, lines), (100.0, vec!["SHORT ONE".to_owned()]));
    }

    #[test]
    fn lines_are_balanced_and_leave_no_orphan() {
        let (_, lines) = laid("AAAA AAAA AAAA AAAA A", 900.0, 500.0);
        assert_eq!(lines, ["AAAA AAAA", "AAAA AAAA A"]);
    }

    #[test]
    fn more_lines_when_that_makes_it_larger() {
        let (two, lines) = laid("WHEN THE BUILD IS GREEN", 500.0, 300.0);
        assert!(lines.len() >= 2);
        let (one, _) = laid("WHEN\u{a0}THE\u{a0}BUILD\u{a0}IS\u{a0}GREEN", 500.0, 300.0);
        assert!(two > one);
    }

    #[test]
    fn a_word_is_broken_only_when_it_would_be_unreadable() {
        let (size, lines) = laid(&"N".repeat(20), 500.0, 300.0);
        assert!(size > 20.0);
        assert_eq!(lines.len(), 1);
        let (size, lines) = laid(&"N".repeat(90), 500.0, 300.0);
        assert!((18.0..=20.0).contains(&size), "{size}");
        assert_eq!(lines.concat().len(), 90);
        let (shortest, longest) =
            (lines.iter().map(String::len).min(), lines.iter().map(String::len).max());
        assert!(longest.unwrap() - shortest.unwrap() <= 1, "{lines:?}");
    }

    #[test]
    fn the_lines_of_the_text_stay() {
        let (_, lines) = laid("A\n\nB", 500.0, 500.0);
        assert_eq!(lines, ["A", "", "B"]);
    }

    #[test]
    fn a_text_of_any_length_fits() {
        for count in [200, 2_000, 20_000] {
            let text = "WORDS ".repeat(count);
            let (size, lines) = laid(&text, 300.0, 100.0);
            assert!(size > 0.0);
            let shown: usize = lines.iter().map(|line| line.replace(' ', "").len()).sum();
            assert_eq!(shown, count * 5);
        }
    }

    #[test]
    fn no_room_and_no_ink_are_nothing() {
        assert!(fit(&shape("A", 0.0), &room(0.0, 100.0)).is_none());
        assert!(fit(&shape("A", 0.0), &room(f32::NAN, 100.0)).is_none());
        assert!(fit(&shape(" \n ", 0.0), &room(100.0, 100.0)).is_none());
    }
}
