//! The bounds of what is read: each with the reason for its size.

/// A file or standard input, in bytes. The largest manifest of the field (a whole monitoring
/// stack with its custom resource definitions) has 4 MB; more is refused before it is read.
pub(crate) const SOURCE_BYTES_MAX: u64 = 16 << 20;

/// One document, in characters: the API server's own bound for one request body.
pub(crate) const DOCUMENT_CHARS_MAX: usize = 3 << 20;

/// Documents and list items of one read; ten times the largest manifest of the field.
pub(crate) const DOCUMENTS_MAX: usize = 10_000;

/// Nesting of maps and lists. Below the 128 at which JSON readers stop, so that whatever is
/// accepted can be read back with a few levels around it.
pub(crate) const DEPTH_MAX: usize = 100;

/// Values of one source after aliases are expanded. The largest manifest of the field has 150,000;
/// a million take about 200 MB while they are read.
pub(crate) const NODES_MAX: usize = 1_000_000;

/// Nodes that aliases and merge keys may add to one source: a bomb of nested aliases stops here.
pub(crate) const ALIASED_NODES_MAX: usize = 200_000;

/// Files of one folder, with its subfolders.
pub(crate) const FILES_MAX: usize = 10_000;

/// Folders within folders; a loop of links ends here.
pub(crate) const FOLDERS_DEEP_MAX: usize = 32;

/// Problems told about one object; beyond this a list helps nobody.
pub(crate) const PROBLEMS_MAX: usize = 200;

/// Compose files that one project may pull in by `include` and `extends`; a loop ends here.
pub(crate) const COMPOSE_FILES_MAX: usize = 64;

/// The length of a chain of `extends`.
pub(crate) const EXTENDS_MAX: usize = 32;

/// The text of one scalar after interpolation, in bytes: a variable inside a variable inside a
/// variable must not explode.
pub(crate) const INTERPOLATED_BYTES_MAX: usize = 1 << 20;

/// Nesting of `${A:-${B:-…}}`.
pub(crate) const INTERPOLATION_DEPTH_MAX: usize = 16;
