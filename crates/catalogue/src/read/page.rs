//! One file under reading: turns places in its text into lines, and gathers what is wrong.

use super::File;
use crate::date::Date;
use crate::problem::{Fault, MAX_PROBLEMS, Problem};

/// A file and where its problems go.
pub(crate) struct Page<'a> {
    file: File<'a>,
    /// The day it is.
    pub(crate) today: Date,
    /// Where each line begins.
    lines: Vec<usize>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Page<'a> {
    pub(crate) fn new(file: File<'a>, today: Date, problems: &'a mut Vec<Problem>) -> Self {
        let breaks = file.text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Self {
            file,
            today,
            lines: std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
            problems,
        }
    }

    /// The file's name.
    pub(crate) fn name(&self) -> &'a str {
        self.file.name
    }

    /// The line of a place in the text, counted from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at)
    }

    /// How much is wrong so far.
    pub(crate) fn wrong(&self) -> usize {
        self.problems.len()
    }

    /// Notes a problem at a place in the text.
    pub(crate) fn report(&mut self, at: usize, fault: Fault) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem {
                file: self.file.name.to_owned(),
                line: self.line(at),
                fault,
            });
        }
    }
}
