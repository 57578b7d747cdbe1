//! Builds one document's tree from the parser's events, within the bounds.

use std::collections::{HashMap, HashSet};

use super::node::{Content, Node, Tag};
use super::parsed::Broken;
use crate::bounds::{ALIASED_NODES_MAX, DEPTH_MAX, NODES_MAX};
use crate::problem::{Fault, push_field};

/// A tree under construction. One builder serves a whole source: its counts bound the source.
#[derive(Default)]
pub(crate) struct Builder {
    frames: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchor>,
    nodes: usize,
    aliased: usize,
}

struct Anchor {
    node: Node,
    nodes: usize,
    depth: usize,
}

struct Frame {
    line: usize,
    tag: Tag,
    anchor: usize,
    nodes_before: usize,
    content: Open,
}

enum Open {
    List(Vec<Node>),
    Map { entries: Vec<(String, Node)>, seen: HashSet<String>, merges: Vec<Node>, key: Option<Key> },
}

enum Key {
    Name(String),
    Merge,
}

impl Builder {
    /// The tree of the document that just ended.
    pub(crate) fn finish(&mut self) -> Option<Node> {
        self.anchors.clear();
        self.frames.clear();
        self.root.take()
    }

    pub(crate) fn scalar(
        &mut self,
        text: String,
        plain: bool,
        tag: Tag,
        anchor: usize,
        line: usize,
    ) -> Result<(), Broken> {
        self.count(line)?;
        let merge = plain && tag == Tag::None && text == "<<";
        if self.expects_key() {
            if anchor != 0 {
                self.remember(anchor, Node::text(line, &text), 1);
            }
            return self.key(if merge { Key::Merge } else { Key::Name(text) }, line);
        }
        let node = Node { line, tag, content: Content::Scalar { text, plain } };
        if anchor != 0 {
            self.remember(anchor, node.clone(), 1);
        }
        self.place(node)
    }

    pub(crate) fn open(
        &mut self,
        list: bool,
        tag: Tag,
        anchor: usize,
        line: usize,
    ) -> Result<(), Broken> {
        if self.expects_key() {
            return Err(self.broken(line, Fault::Syntax, "a key must be text"));
        }
        if self.frames.len() >= DEPTH_MAX {
            let reason = format!("it is nested deeper than {DEPTH_MAX} levels");
            return Err(Broken { fault: Fault::TooLarge, line, path: String::new(), reason });
        }
        let nodes_before = self.nodes;
        self.count(line)?;
        let content = if list {
            Open::List(Vec::new())
        } else {
            let (entries, seen) = (Vec::new(), HashSet::new());
            Open::Map { entries, seen, merges: Vec::new(), key: None }
        };
        self.frames.push(Frame { line, tag, anchor, nodes_before, content });
        Ok(())
    }

    pub(crate) fn close(&mut self) -> Result<(), Broken> {
        let Some(frame) = self.frames.pop() else {
            return Err(self.broken(0, Fault::Syntax, "it ends more than it began"));
        };
        let content = match frame.content {
            Open::List(items) => Content::List(items),
            Open::Map { entries, merges, .. } => {
                Content::Map(self.merged(entries, merges, frame.line)?)
            }
        };
        let node = Node { line: frame.line, tag: frame.tag, content };
        if frame.anchor != 0 {
            let nodes = self.nodes.saturating_sub(frame.nodes_before);
            self.add_aliased(nodes, frame.line)?;
            self.remember(frame.anchor, node.clone(), nodes);
        }
        self.place(node)
    }

    pub(crate) fn alias(&mut self, id: usize, line: usize) -> Result<(), Broken> {
        let Some(anchor) = self.anchors.get(&id) else {
            return Err(self.broken(line, Fault::Syntax, "an alias stands inside its own anchor"));
        };
        let (node, nodes, depth) = (anchor.node.clone(), anchor.nodes, anchor.depth);
        self.add_aliased(nodes, line)?;
        if self.frames.len() + depth > DEPTH_MAX {
            let reason = format!("with its aliases it is nested deeper than {DEPTH_MAX} levels");
            return Err(self.broken(line, Fault::TooLarge, &reason));
        }
        if self.expects_key() {
            let Content::Scalar { text, .. } = node.content else {
                return Err(self.broken(line, Fault::Syntax, "a key must be text"));
            };
            return self.key(Key::Name(text), line);
        }
        self.place(node)
    }

    fn remember(&mut self, id: usize, node: Node, nodes: usize) {
        let depth = depth_of(&node);
        self.anchors.insert(id, Anchor { node, nodes, depth });
    }

    fn expects_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { content: Open::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, name: Key, line: usize) -> Result<(), Broken> {
        if let Some(Frame { content: Open::Map { seen, key, .. }, .. }) = self.frames.last_mut() {
            let fresh = match &name {
                Key::Name(name) => seen.insert(name.clone()),
                Key::Merge => true,
            };
            *key = Some(name);
            if fresh {
                return Ok(());
            }
        }
        Err(self.broken(line, Fault::Syntax, "the key stands twice in one map"))
    }

    fn place(&mut self, node: Node) -> Result<(), Broken> {
        let line = node.line;
        match self.frames.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map { entries, merges, key, .. }) => match key.take() {
                Some(Key::Name(name)) => entries.push((name, node)),
                Some(Key::Merge) => merges.push(node),
                None => return Err(self.broken(line, Fault::Syntax, "a value without a key")),
            },
        }
        Ok(())
    }

    /// Entries of merged maps come where the map has no key of its own; the first map wins.
    fn merged(
        &mut self,
        mut entries: Vec<(String, Node)>,
        merges: Vec<Node>,
        line: usize,
    ) -> Result<Vec<(String, Node)>, Broken> {
        if merges.is_empty() {
            return Ok(entries);
        }
        let mut seen: HashSet<String> = entries.iter().map(|(name, _)| name.clone()).collect();
        for map in merges.into_iter().flat_map(merge_list) {
            let Content::Map(pairs) = map.content else {
                return Err(self.broken(
                    line,
                    Fault::Syntax,
                    "a merge key needs a map or a list of maps",
                ));
            };
            for (name, node) in pairs {
                if seen.insert(name.clone()) {
                    entries.push((name, node));
                }
            }
        }
        Ok(entries)
    }

    fn count(&mut self, line: usize) -> Result<(), Broken> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let reason = format!("it has more than {NODES_MAX} values");
            return Err(self.broken(line, Fault::TooLarge, &reason));
        }
        Ok(())
    }

    fn add_aliased(&mut self, nodes: usize, line: usize) -> Result<(), Broken> {
        self.nodes += nodes;
        self.aliased += nodes;
        if self.aliased > ALIASED_NODES_MAX {
            let reason = format!("its aliases expand to more than {ALIASED_NODES_MAX} values");
            return Err(self.broken(line, Fault::TooLarge, &reason));
        }
        Ok(())
    }

    fn broken(&self, line: usize, fault: Fault, reason: &str) -> Broken {
        Broken { fault, line, path: self.path(), reason: reason.to_owned() }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            match &frame.content {
                Open::List(items) => path.push_str(&format!("[{}]", items.len())),
                Open::Map { key: Some(Key::Name(name)), .. } => push_field(&mut path, name),
                Open::Map { key: Some(Key::Merge), .. } => push_field(&mut path, "<<"),
                Open::Map { key: None, .. } => {}
            }
        }
        path
    }
}

fn merge_list(node: Node) -> Vec<Node> {
    match node.content {
        Content::List(items) => items,
        _ => vec![node],
    }
}

/// Bounded by the depth at which trees are refused.
fn depth_of(node: &Node) -> usize {
    1 + match &node.content {
        Content::Scalar { .. } => 0,
        Content::List(items) => items.iter().map(depth_of).max().unwrap_or(0),
        Content::Map(entries) => entries.iter().map(|(_, n)| depth_of(n)).max().unwrap_or(0),
    }
}
