//! Where the end of a command line is: behind which verb, which flags and which words.

use clap::{Arg, Command};

/// Where the end of a command line is.
pub(super) struct Place<'a> {
    /// The verb and those within it, such as `rollout` and `status`.
    pub(super) verbs: Vec<&'a str>,
    /// The innermost of them.
    pub(super) command: &'a Command,
    /// The words before, without verbs and flags.
    pub(super) words: Vec<&'a str>,
    /// The flags before by their ids, with their values; `true` for those that have none.
    pub(super) said: Vec<(String, String)>,
    /// What is being written.
    pub(super) asked: Asked<'a>,
}

/// What is being written.
#[derive(Debug)]
pub(super) enum Asked<'a> {
    /// A flag.
    Flag(&'a str),
    /// The value of a flag, and what of the same word stands before it.
    Value { arg: &'a Arg, begun: &'a str, before: &'a str },
    /// A verb, or what the verb is about.
    Word(&'a str),
    /// A word of another program's command line.
    Foreign,
}

impl<'a> Place<'a> {
    /// The place of the last word, behind the others; `line` was built.
    pub(super) fn of(line: &'a Command, words: &'a [String]) -> Place<'a> {
        let (last, before) = match words.split_last() {
            Some((last, before)) => (last.as_str(), before),
            None => ("", words),
        };
        let mut place = Place {
            verbs: Vec::new(),
            command: line,
            words: Vec::new(),
            said: Vec::new(),
            asked: Asked::Word(last),
        };
        let mut open = None;
        for word in before {
            open = place.past(word, open);
        }
        place.asked = place.asked_by(last, open);
        place
    }

    /// What is written of the candidate itself, and what stands before it in the same word.
    pub(super) fn begun(&self) -> (&'a str, &'a str) {
        match self.asked {
            Asked::Flag(begun) | Asked::Word(begun) => (begun, ""),
            Asked::Value { begun, before, .. } => (begun, before),
            Asked::Foreign => ("", ""),
        }
    }

    /// What was said of a flag last.
    pub(super) fn value(&self, id: &str) -> Option<&str> {
        self.said.iter().rev().find(|(known, _)| known == id).map(|(_, value)| value.as_str())
    }

    /// Goes past a word; the flag whose value comes next, if one does.
    fn past(&mut self, word: &'a str, open: Option<&'a Arg>) -> Option<&'a Arg> {
        if let Some(arg) = open {
            // bash makes a word of its own of it.
            if word == "=" {
                return open;
            }
            self.say(arg, word);
            return None;
        }
        if let Asked::Foreign = self.asked {
            return None;
        }
        if word == "--" {
            self.asked = Asked::Foreign;
            return None;
        }
        if let Some(flag) = word.strip_prefix("--") {
            return self.past_long(flag);
        }
        if let Some(flags) = word.strip_prefix('-').filter(|flags| !flags.is_empty()) {
            return self.past_short(flags);
        }
        match self.command.find_subcommand(word).filter(|_| self.words.is_empty()) {
            Some(verb) => {
                self.verbs.push(verb.get_name());
                self.command = verb;
            }
            None => self.words.push(word),
        }
        None
    }

    fn past_long(&mut self, flag: &'a str) -> Option<&'a Arg> {
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let arg = self.long(name)?;
        match value {
            Some(value) => self.say(arg, value),
            None if takes_value(arg) => return Some(arg),
            None => self.say(arg, "true"),
        }
        None
    }

    /// Several letters in a word are several flags; behind the first that takes a value comes that.
    fn past_short(&mut self, flags: &'a str) -> Option<&'a Arg> {
        for (at, letter) in flags.char_indices() {
            let arg = self.command.get_arguments().find(|arg| arg.get_short() == Some(letter))?;
            let rest = flags.get(at + letter.len_utf8()..).unwrap_or_default();
            match takes_value(arg) {
                true if rest.is_empty() => return Some(arg),
                true => {
                    self.say(arg, rest.trim_start_matches('='));
                    return None;
                }
                false => self.say(arg, "true"),
            }
        }
        None
    }

    fn asked_by(&self, last: &'a str, open: Option<&'a Arg>) -> Asked<'a> {
        if let Some(arg) = open {
            let begun = if last == "=" { "" } else { last };
            return Asked::Value { arg, begun, before: "" };
        }
        if let Asked::Foreign = self.asked {
            return Asked::Foreign;
        }
        let flag = last.strip_prefix("--").and_then(|flag| flag.split_once('='));
        if let Some((name, begun)) = flag {
            let before = &last[..last.len() - begun.len()];
            return match self.long(name) {
                Some(arg) => Asked::Value { arg, begun, before },
                None => Asked::Foreign,
            };
        }
        if last.starts_with('-') { Asked::Flag(last) } else { Asked::Word(last) }
    }

    fn long(&self, name: &str) -> Option<&'a Arg> {
        self.command.get_arguments().find(|arg| {
            let others = arg.get_all_aliases().unwrap_or_default();
            arg.get_long() == Some(name) || others.contains(&name)
        })
    }

    fn say(&mut self, arg: &Arg, value: &str) {
        self.said.push((arg.get_id().as_str().to_owned(), value.to_owned()));
    }
}

/// Whether a flag takes the next word as its value.
fn takes_value(arg: &Arg) -> bool {
    let is_needed = arg.get_num_args().is_none_or(|range| range.min_values() > 0);
    arg.get_action().takes_values() && is_needed && !arg.is_require_equals_set()
}
