//! Made-up English: sentences of common words, each a token or little more.

use crate::dice::Dice;
use crate::tokenizer;

const WORDS: &str = "the of and to in a is that for it was on are as with they at be this from or \
    one had by word but not what all were when we there can use your which their if do will each \
    about how up out them then she many some so these would other into has more her two like him \
    see time could no make than first been its who now people my made over did down only way find \
    water may long little very after called just where most know river house light table morning \
    engine careful simple answer question number story garden letter music open small large early \
    late north south winter summer stone field paper quiet bright slow quick together because \
    between through before again always often never";

/// Sentences of at least `tokens` tokens, as (token, what it adds) pairs; whole sentences only.
pub(crate) fn sentences(dice: &mut Dice, tokens: usize) -> Vec<(u32, String)> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut pieces = Vec::with_capacity(tokens + 16);
    while pieces.len() < tokens.max(1) {
        let mut sentence = String::new();
        if !pieces.is_empty() {
            sentence.push(' ');
        }
        for place in 0..6 + dice.below(8) {
            let word = words[dice.below(words.len())];
            match place {
                0 => {
                    sentence.push_str(&word[..1].to_uppercase());
                    sentence.push_str(&word[1..]);
                }
                _ => {
                    sentence.push(' ');
                    sentence.push_str(word);
                }
            }
        }
        sentence.push('.');
        pieces.extend(tokenizer::split(&sentence));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_prompt_gives_the_same_text_and_another_seed_another() {
        let text = |seed| {
            let pieces = sentences(&mut Dice::new(&[1, 2, 3], seed, 0), 40);
            pieces.into_iter().map(|(_, text)| text).collect::<String>()
        };
        assert_eq!(text(0), text(0));
        assert_ne!(text(0), text(1));
        assert!(text(0).ends_with('.'), "{}", text(0));
    }
}
