//! Windows of several subjects, taken in turns, and their medians.

use anyhow::{Result, bail};

/// How often a window may be invalid before its subject is given up, in all of a scenario.
const INVALID_LIMIT: u32 = 5;

/// A subject's figures of one kind, one for each valid window.
pub(crate) type Figures<T> = Vec<T>;

/// Takes `windows` valid windows of every subject in turns, after one of each that warms up and is not counted.
/// A subject with too many invalid windows yields an error that names the last reason; the others go on.
pub(crate) fn in_turns<S, T>(
    subjects: &[S],
    windows: u32,
    name: impl Fn(&S) -> String,
    mut measure: impl FnMut(&S, &str) -> Result<T>,
) -> Vec<Result<Figures<T>>> {
    let mut taken: Vec<Taken<T>> = subjects.iter().map(|_| Taken::default()).collect();
    // Warm-up is round 0; each further round that some subject still needs is taken by those alone.
    for round in 0..=windows + INVALID_LIMIT {
        for (subject, taken) in subjects.iter().zip(&mut taken) {
            if taken.figures.len() >= windows as usize || taken.invalid > INVALID_LIMIT {
                continue;
            }
            match measure(
                subject,
                &format!("{}-{}-{round}", std::process::id(), name(subject)),
            ) {
                Ok(_) if round == 0 => {}
                Ok(figure) => taken.figures.push(figure),
                Err(reason) => {
                    eprintln!("bench: an invalid window of {}: {reason:#}", name(subject));
                    taken.invalid += 1;
                    taken.reason = format!("{reason:#}");
                }
            }
        }
    }
    taken
        .into_iter()
        .map(|taken| taken.finish(windows))
        .collect()
}

struct Taken<T> {
    figures: Figures<T>,
    invalid: u32,
    reason: String,
}

impl<T> Default for Taken<T> {
    fn default() -> Self {
        Self {
            figures: Vec::new(),
            invalid: 0,
            reason: String::new(),
        }
    }
}

impl<T> Taken<T> {
    fn finish(self, windows: u32) -> Result<Figures<T>> {
        if self.figures.len() < windows as usize {
            bail!(
                "{} windows were invalid, the last with {}",
                self.invalid,
                self.reason
            );
        }
        Ok(self.figures)
    }
}

/// The median; of an even number, the mean of the middle two. None of nothing.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(figures[middle]),
        _ => Some(f64::midpoint(figures[middle - 1], figures[middle])),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::{in_turns, median};

    #[test]
    fn subjects_take_turns_and_the_first_round_is_not_counted() {
        let mut order = String::new();
        let figures = in_turns(
            &["a", "b"],
            2,
            |s| (*s).into(),
            |s, _| {
                order.push_str(s);
                Ok(order.len())
            },
        );
        assert_eq!(order, "ababab");
        assert_eq!(figures[0].as_ref().unwrap(), &[3, 5]);
    }

    #[test]
    fn an_invalid_window_is_taken_again() {
        let mut tries = 0;
        let figures = in_turns(
            &["a"],
            2,
            |s| (*s).into(),
            |_, _| {
                tries += 1;
                if tries == 2 {
                    bail!("a failed request")
                } else {
                    Ok(tries)
                }
            },
        );
        assert_eq!(figures[0].as_ref().unwrap(), &[3, 4]);
    }

    #[test]
    fn a_subject_that_never_succeeds_is_given_up_with_its_reason() {
        let mut tries = 0;
        let figures: Vec<anyhow::Result<Vec<u32>>> = in_turns(
            &["a"],
            5,
            |s| (*s).into(),
            |_, _| {
                tries += 1;
                bail!("no route")
            },
        );
        assert!(
            figures[0]
                .as_ref()
                .unwrap_err()
                .to_string()
                .contains("no route")
        );
        assert!(tries < 10);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }
}
