//! What memes cost, in credits.

use crate::request::Size;

/// A normal meme, from the catalogue or with a client's captions.
pub const NORMAL_MEME_CREDITS: u64 = 1;

/// An AI meme that was made beforehand and is served from the pool.
pub const POOLED_AI_MEME_CREDITS: u64 = 2;

/// One picture that is made for one request. A bigger picture keeps a GPU busy for longer.
#[must_use]
pub const fn picture_credits(size: Size) -> u64 {
    match size {
        Size::Landscape1024 | Size::Portrait1024 => 4,
        Size::Square1024 => 5,
        Size::Square1200 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_pixels_cost_no_less_and_waiting_costs_more_than_the_pool() {
        let mut sizes = Size::ALL;
        sizes.sort_by_key(|size| size.width_px() * size.height_px());
        let prices = sizes.map(picture_credits);
        assert!(prices.is_sorted());
        assert!(prices[0] > POOLED_AI_MEME_CREDITS);
        const { assert!(POOLED_AI_MEME_CREDITS > NORMAL_MEME_CREDITS) };
    }
}
