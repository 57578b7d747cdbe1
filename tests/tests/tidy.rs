//! Habits of the house that no compiler checks: each check is a function from files to findings,
//! and each finding names file, line and remedy.
//!
//! Absent: formatting (`cargo fmt`) and what clippy already finds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room holds one idea; a longer file holds two. Counted before its `#[cfg(test)]` module.
const FILE_LINES_MAX: usize = 500;

/// Words that only mean something on one machine. Split, so that this file does not name them.
const MACHINE_WORDS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Kinds of files whose lines are checked for tabs and trailing blanks.
const TEXT_KINDS: &[&str] = &["rs", "md", "toml", "yml", "yaml", "avsc", "service", "json"];

/// Folders that hold no text of ours.
const FOLDERS_SKIPPED: &[&str] = &["target", "node_modules"];

/// A file of the checkout: its path from the root with `/`, and its text.
struct File {
    path: String,
    text: String,
}

/// One check: all files in, findings out.
type Check = fn(&[File]) -> Vec<String>;

#[test]
fn no_file_is_too_long() {
    run(too_long);
}

#[test]
fn every_source_file_says_what_it_is() {
    run(without_header);
}

#[test]
fn every_bound_says_its_reason() {
    run(undocumented_bounds);
}

#[test]
fn no_tabs_and_no_trailing_blanks() {
    run(blanks);
}

#[test]
fn every_ignored_test_says_why() {
    run(ignored_without_reason);
}

#[test]
fn nothing_names_one_machine() {
    run(machine_words);
}

#[test]
fn every_link_in_the_papers_leads_somewhere() {
    run(dead_links);
}

#[test]
fn every_path_that_a_paper_names_exists() {
    run(dead_paths);
}

#[test]
fn every_decision_record_is_linked() {
    run(unlinked_decisions);
}

#[test]
fn every_source_file_is_part_of_its_crate() {
    run(orphans);
}

#[test]
fn each_check_finds_what_it_is_for() {
    let long = "//! x\n".repeat(FILE_LINES_MAX + 1);
    let nowhere = concat!("see [x](no", "where.md)");
    let cases: &[(Check, &str, &str, &str)] = &[
        (too_long, "a/src/x.rs", &long, "a/src/x.rs: 501 lines, at most 500"),
        (without_header, "a/src/lib.rs", "mod b;\n", "a/src/lib.rs:1: "),
        (
            undocumented_bounds,
            "a/src/x.rs",
            "//! x\n\nconst DEPTH_MAX: usize = 4;\n",
            "a/src/x.rs:3: ",
        ),
        (blanks, "a/x.md", "one\ntwo \n", "a/x.md:2: trailing blank"),
        (blanks, "a/src/x.rs", "//! x\n\tlet\n", "a/src/x.rs:2: tab"),
        (ignored_without_reason, "a/src/x.rs", concat!("#[ign", "ore]\n"), "a/src/x.rs:1: "),
        (machine_words, "a/x.md", concat!("in /wo", "rk/main\n"), "a/x.md:1: "),
        (dead_links, "a/x.md", nowhere, "a/x.md:1: link to nowhere.md"),
        (dead_links, "a/x.md", concat!("# One\n[x](", "#two)"), "a/x.md:2: no heading"),
        (dead_paths, "x.md", "read `a/src/no.rs`\n", "x.md:1: no file a/src/no.rs"),
        (dead_paths, "x.md", "one\nthe folder `no/`\n", "x.md:2: no file in a folder no/"),
        (unlinked_decisions, "docs/decisions/0042-x.md", "# x\n", "docs/decisions/0042-x.md: "),
        (orphans, "a/src/x.rs", "//! x\n", "a/src/x.rs: "),
    ];
    for (check, path, text, expected) in cases {
        let file = File { path: (*path).to_owned(), text: (*text).to_owned() };
        let findings = check(&[file]);
        assert!(findings.iter().any(|f| f.starts_with(expected)), "{expected}: {findings:?}");
    }
}

#[test]
fn what_is_tidy_passes_every_check() {
    let clean = [
        ("a/src/lib.rs", "//! A.\nmod b;\n"),
        ("a/src/b.rs", "//! B.\n/// Four, because.\n#[must_use]\nconst DEPTH_MAX: usize = 4;\n"),
        ("x.md", "# One Two\n[b](a/src/b.rs) [1](#one-two) [y](docs/decisions/0001-y.md)\n"),
        (
            "z.md",
            "`src/` has `b.rs`, beside `a/src/lib.rs`; `web/node-1` and `x.rs --y` are no paths\n",
        ),
        ("docs/decisions/0001-y.md", "# Y\n"),
    ];
    let file = |(path, text): (&str, &str)| File { path: path.into(), text: text.into() };
    let files: Vec<File> = clean.into_iter().map(file).collect();
    let checks: &[Check] = &[
        too_long,
        without_header,
        undocumented_bounds,
        blanks,
        ignored_without_reason,
        machine_words,
        dead_links,
        dead_paths,
        unlinked_decisions,
        orphans,
    ];
    for check in checks {
        assert_eq!(check(&files), Vec::<String>::new());
    }
}

/// Source files above the bound; tests are data and may be longer.
fn too_long(files: &[File]) -> Vec<String> {
    let code = |f: &File| f.text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
    let long = rust(files).filter(|f| !is_test(&f.path) && code(f) > FILE_LINES_MAX);
    long.map(|f| {
        format!(
            "{}: {} lines, at most {FILE_LINES_MAX}; give its second idea a file",
            f.path,
            code(f)
        )
    })
    .collect()
}

/// Rust files that do not begin with `//!`; a test file's names are its header.
fn without_header(files: &[File]) -> Vec<String> {
    let bare = rust(files).filter(|f| !is_test(&f.path) && !f.text.starts_with("//!"));
    bare.map(|f| format!("{}:1: begin with `//!`: meaning, guarantee, absence", f.path)).collect()
}

/// Constants named `…_MAX` or `…_MIN` without a `///` line.
fn undocumented_bounds(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in rust(files) {
        let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = bound_name(line) else { continue };
            let above = lines[..at].iter().rev().find(|line| !line.starts_with("#["));
            if !above.is_some_and(|line| line.starts_with("///")) {
                let place = place(file, at);
                found.push(format!(
                    "{place}: {name} is a bound; say above it in `///` why that much"
                ));
            }
        }
    }
    found
}

/// The name of the bound that a line declares.
fn bound_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
    let (name, _) = line.strip_prefix("const ")?.split_once(':')?;
    (name.ends_with("_MAX") || name.ends_with("_MIN")).then_some(name)
}

/// Tabs and trailing blanks.
fn blanks(files: &[File]) -> Vec<String> {
    let text = files.iter().filter(|f| TEXT_KINDS.contains(&kind(&f.path)) && !is_golden(&f.path));
    lines(text)
        .filter_map(|(file, at, line)| {
            let place = place(file, at);
            if line.ends_with([' ', '\t']) {
                Some(format!("{place}: trailing blank"))
            } else {
                line.contains('\t')
                    .then(|| format!("{place}: tab; write blanks, or \\t in a literal"))
            }
        })
        .collect()
}

/// `#[ignore]` without a reason.
fn ignored_without_reason(files: &[File]) -> Vec<String> {
    let bare = |line: &str| line.trim() == concat!("#[ign", "ore]");
    let found = lines(rust(files)).filter(|(_, _, line)| bare(line));
    found.map(|(file, at, _)| format!("{}: say why: #[ignore = \"…\"]", place(file, at))).collect()
}

/// Paths that exist on one machine only.
fn machine_words(files: &[File]) -> Vec<String> {
    let named = |line: &str| MACHINE_WORDS.iter().find(|word| line.contains(**word));
    let found = lines(files.iter()).filter_map(|(file, at, line)| Some((file, at, named(line)?)));
    found
        .map(|(file, at, word)| {
            format!(
                "{}: names {word}, which only one machine has; use a relative path",
                place(file, at)
            )
        })
        .collect()
}

/// Links in Markdown to files or headings that do not exist.
fn dead_links(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|f| kind(&f.path) == "md") {
        for (at, line) in prose(&file.text) {
            for target in link_targets(line) {
                if let Some(why) = dead(file, target, files) {
                    found.push(format!("{}: {why}", place(file, at)));
                }
            }
        }
    }
    found
}

/// Why a link is dead; `None` when it leads somewhere, or out of the house.
fn dead(from: &File, target: &str, files: &[File]) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { from.path.clone() } else { resolve(&from.path, path) };
    let is_folder = || files.iter().any(|f| f.path.starts_with(&format!("{path}/")));
    let Some(file) = files.iter().find(|f| f.path == path) else {
        let why = format!("link to {target}, which does not exist");
        return (!is_folder() && !root().join(&path).exists()).then_some(why);
    };
    let known = heading.is_empty() || headings(&file.text).contains(heading);
    (!known).then(|| format!("no heading #{heading} in {path}"))
}

/// A relative path from the folder of a file, with `.` and `..` resolved.
fn resolve(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What stands in the round brackets of `[text](target)`.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

/// The headings of a Markdown text as the anchors that forges make of them.
fn headings(text: &str) -> BTreeSet<String> {
    let heading = |(_, line): (usize, &str)| {
        line.starts_with('#').then(|| anchor(line.trim_start_matches('#').trim()))
    };
    prose(text).into_iter().filter_map(heading).collect()
}

fn anchor(title: &str) -> String {
    let lower = title.to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The lines of a Markdown text outside its fenced blocks, with their index.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((at, line));
        }
    }
    lines
}

/// Sources and folders that a paper names in `code` and that are nowhere, whole or as a tail of a path.
fn dead_paths(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|f| kind(&f.path) == "md") {
        for (at, line) in prose(&file.text) {
            for named in line.split('`').skip(1).step_by(2).filter(|span| is_path(span)) {
                if !files.iter().any(|f| stands_in(&f.path, named)) {
                    let what = if named.ends_with('/') { "file in a folder" } else { "file" };
                    found.push(format!("{}: no {what} {named}", place(file, at)));
                }
            }
        }
    }
    found
}

/// Whether a span of code names a source file, or a folder with a `/` behind it.
fn is_path(span: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let is_source = matches!(kind(span), "rs" | "md" | "avsc") && !span.starts_with('.');
    span.starts_with(char::is_alphanumeric)
        && span.chars().all(is_word)
        && (is_source || span.ends_with('/'))
}

/// Whether a file is this one, or lies in this folder, as far as the name goes back.
fn stands_in(path: &str, named: &str) -> bool {
    let from =
        |rest: &str| if named.ends_with('/') { rest.starts_with(named) } else { rest == named };
    let tails = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
    std::iter::once(path).chain(tails).any(from)
}

/// Decision records that no other paper links to.
fn unlinked_decisions(files: &[File]) -> Vec<String> {
    let is_record = |f: &&File| {
        f.path
            .strip_prefix("docs/decisions/")
            .is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()))
    };
    let linked: BTreeSet<String> = files
        .iter()
        .filter(|f| kind(&f.path) == "md")
        .flat_map(|f| prose(&f.text).into_iter().map(move |(_, line)| (f, line)))
        .flat_map(|(f, line)| link_targets(line).map(|to| (f, to)).collect::<Vec<_>>())
        .map(|(f, to)| (f.path.clone(), resolve(&f.path, to.split('#').next().unwrap_or(to))))
        .filter(|(from, to)| from != to)
        .map(|(_, to)| to)
        .collect();
    let lonely = files.iter().filter(is_record).filter(|f| !linked.contains(&f.path));
    lonely
        .map(|f| format!("{}: no paper links to it; add it to docs/decisions/README.md", f.path))
        .collect()
}

/// Files under `src/` that no `mod` line and no `#[path]` names.
fn orphans(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in rust(files) {
        let Some((krate, inside)) = file.path.split_once("/src/") else { continue };
        let mut parts: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        let Some(&stem) = parts.last() else { continue };
        if matches!(stem, "lib" | "main") || inside.starts_with("bin/") {
            continue;
        }
        let line = format!("mod {stem};");
        let path_attribute = format!("#[path = \"{stem}.rs\"]");
        let mut siblings = rust(files)
            .filter(|f| f.path.starts_with(&format!("{krate}/src/")) && f.path != file.path);
        if !siblings.any(|f| f.text.contains(&line) || f.text.contains(&path_attribute)) {
            found.push(format!("{}: no file has `{line}`; name it or remove it", file.path));
        }
    }
    found
}

/// Runs a check over the checkout.
fn run(check: Check) {
    let findings = check(&checkout());
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// Every text file of the checkout, in path order.
fn checkout() -> Vec<File> {
    let mut files = Vec::new();
    collect(&root(), &root(), &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 50, "the checkout was found at {}", root().display());
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') && name != ".ci";
        if hidden || FOLDERS_SKIPPED.contains(&name.as_str()) || name == "Cargo.lock" {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let inside = path.strip_prefix(root).expect("the file is in the checkout");
            files.push(File { path: inside.to_string_lossy().into_owned(), text });
        }
    }
}

fn root() -> PathBuf {
    setpoint_test_support::workspace()
}

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|f| kind(&f.path) == "rs")
}

fn lines<'a>(
    files: impl Iterator<Item = &'a File>,
) -> impl Iterator<Item = (&'a File, usize, &'a str)> {
    files.flat_map(|f| f.text.lines().enumerate().map(move |(at, line)| (f, at, line)))
}

fn kind(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, kind)| kind)
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests") || path.ends_with("tests.rs")
}

/// Golden files and other data are bytes as they came.
fn is_golden(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "golden" | "data"))
}

fn place(file: &File, at: usize) -> String {
    format!("{}:{}", file.path, at + 1)
}
