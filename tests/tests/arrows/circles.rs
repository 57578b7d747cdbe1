//! No circle between the modules of one folder: when two need the same noun, it lies below both.
//!
//! A module stands here with all that is within it. What a module takes from its parent, and a parent
//! from its children, is no arrow: they are one idea on two levels.
//! Absent: tests, which may look everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The way to a module from the top of its crate, or to something in it.
type Way = Vec<String>;

/// The modules of a crate with their texts, cut into words and signs.
type Modules = BTreeMap<Way, Vec<String>>;

#[test]
fn no_module_looks_down_at_one_that_looks_down_at_it() {
    let mut found = Vec::new();
    for package in super::metadata().workspace_packages() {
        let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
        let mut modules = Modules::new();
        collect(folder.join("src").as_std_path(), &[], &mut modules);
        found.extend(
            circles(&modules).iter().map(|c| format!("{}: {c}", super::short(&package.name))),
        );
    }
    super::assert_none(&found);
}

#[test]
fn a_circle_is_named_with_its_modules_and_a_chain_is_not_one() {
    let of = |texts: &[(&str, &str)]| {
        let way =
            |path: &str| path.split('/').filter(|p| !p.is_empty()).map(String::from).collect();
        circles(&texts.iter().map(|(path, text)| (way(path), words(text))).collect())
    };
    let chain = [("", "mod a; mod b; pub use b::B;"), ("a", "use crate::{B, b};"), ("b", "")];
    assert_eq!(of(&chain), Vec::<String>::new());
    let direct =
        [("a", "use crate::b::{c::C, D};"), ("b", ""), ("b/c", "fn x() { super::super::a::y() }")];
    assert_eq!(of(&direct), ["these look at each other: a -> b, b -> a"]);
    let by_name = [("", "pub use b::B;"), ("a", "use crate::B;"), ("b", "use crate::a::A;")];
    assert_eq!(of(&by_name), ["these look at each other: a -> b, b -> a"]);
}

/// The sources of a folder, without tests.
fn collect(folder: &Path, above: &[String], modules: &mut Modules) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the entry can be read").path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let inside: Way = above.iter().cloned().chain([stem.clone()]).collect();
        if path.is_dir() && stem != "bin" {
            collect(&path, &inside, modules);
        } else if path.extension().is_some_and(|end| end == "rs") && !stem.ends_with("tests") {
            let way =
                if ["lib", "main", "mod"].contains(&&*stem) { above.to_vec() } else { inside };
            let text = fs::read_to_string(&path).expect("the source can be read");
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            modules.entry(way).or_default().extend(words(text));
        }
    }
}

/// Words, `::`, and every other sign by itself; comments are left out.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut before = ' ';
        for c in line.split("//").next().unwrap_or_default().chars() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            match words.last_mut() {
                Some(last) if is_word(c) && is_word(before) || c == ':' && last == ":" => {
                    last.push(c)
                }
                _ if c.is_whitespace() => {}
                _ => words.push(c.to_string()),
            }
            before = c;
        }
    }
    words
}

/// The arrows between siblings that are part of a circle, folder by folder.
fn circles(modules: &Modules) -> Vec<String> {
    let mut folders: BTreeMap<&[String], BTreeSet<(&str, &str)>> = BTreeMap::new();
    let arrows = arrows(modules);
    for (from, to) in &arrows {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        if let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) {
            folders.entry(&from[..shared]).or_default().insert((a, b));
        }
    }
    let mut found = Vec::new();
    for mut left in folders.into_values() {
        // What nobody looks at, and what looks at nobody, is on no circle: until only circles are left.
        loop {
            let (lookers, seen): (BTreeSet<&str>, BTreeSet<&str>) = left.iter().copied().unzip();
            let before = left.len();
            left.retain(|(from, to)| seen.contains(from) && lookers.contains(to));
            if left.len() == before {
                break;
            }
        }
        if !left.is_empty() {
            let arrows: Vec<_> = left.iter().map(|(from, to)| format!("{from} -> {to}")).collect();
            found.push(format!("these look at each other: {}", arrows.join(", ")));
        }
    }
    found
}

/// From each module to each that it names.
fn arrows(modules: &Modules) -> BTreeSet<(Way, Way)> {
    let mut brought = BTreeMap::new();
    for (module, words) in modules {
        for at in (0..words.len()).filter(|at| words[*at] == "use") {
            let mut ways = Vec::new();
            read(words, at + 1, Vec::new(), &mut ways);
            for way in ways {
                let name = way.last().cloned().unwrap_or_default();
                brought.insert((module.clone(), name), absolute(module, &way));
            }
        }
    }
    let mut arrows = BTreeSet::new();
    for (module, words) in modules {
        let begins = |at: &usize| ["crate", "super", "self"].contains(&&*words[*at]);
        let free = |at: &usize| *at == 0 || words[at - 1] != "::";
        for at in (0..words.len()).filter(|at| begins(at) && free(at)) {
            let mut ways = Vec::new();
            read(words, at, Vec::new(), &mut ways);
            for way in ways {
                let to = home(modules, &brought, absolute(module, &way));
                arrows.insert((module.clone(), to));
            }
        }
    }
    arrows
}

/// The ways that are written from a word on, those in braces one by one; says where they end.
fn read(words: &[String], at: usize, mut way: Way, ways: &mut Vec<Way>) -> usize {
    let word = words.get(at).map_or("", String::as_str);
    if word == "{" {
        let mut at = at;
        while words.get(at).is_some_and(|sign| sign == "{" || sign == ",") {
            at = read(words, at + 1, way.clone(), ways);
            while words.get(at).is_some_and(|word| word != "," && word != "}") {
                at += 1;
            }
        }
        return at + 1;
    }
    if word == "}" {
        return at;
    }
    way.push(word.to_owned());
    if words.get(at + 1).is_some_and(|sign| sign == "::") {
        return read(words, at + 2, way, ways);
    }
    ways.push(way);
    at + 1
}

/// A way from the top of the crate.
fn absolute(module: &[String], way: &[String]) -> Way {
    let mut from = module.to_vec();
    let mut rest = way.iter();
    for word in rest.by_ref() {
        match word.as_str() {
            "crate" => from.clear(),
            "super" => drop(from.pop()),
            "self" => {}
            name => {
                from.push(name.to_owned());
                break;
            }
        }
    }
    from.extend(rest.cloned());
    from
}

/// The module that a way leads to; a name that a module brought from elsewhere leads there.
fn home(modules: &Modules, brought: &BTreeMap<(Way, String), Way>, mut way: Way) -> Way {
    let mut inside = 0;
    let mut led: BTreeSet<Way> = BTreeSet::new();
    while inside < way.len() {
        if modules.contains_key(&way[..=inside]) {
            inside += 1;
        } else if let Some(elsewhere) = brought.get(&(way[..inside].to_vec(), way[inside].clone()))
            && led.insert(way.clone())
        {
            way = elsewhere.iter().cloned().chain(way[inside + 1..].iter().cloned()).collect();
            inside = 0;
        } else {
            break;
        }
    }
    way.truncate(inside);
    way
}
