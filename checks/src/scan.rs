//! Reads the files of a crate, from its root along the `mod` declarations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The modules of a crate.
#[derive(Debug, Default)]
pub struct Crate {
    pub(crate) files: Vec<PathBuf>,
    /// The root is first.
    pub(crate) modules: Vec<Module>,
}

/// A module: a file, or a part of one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) file: usize,
    pub(crate) parent: Option<usize>,
    /// All of its modules, including several with one name.
    pub(crate) submodules: Vec<(String, usize)>,
    /// By name.
    pub(crate) children: BTreeMap<String, usize>,
    /// Names of the items defined in it.
    pub(crate) defined: BTreeSet<String>,
    pub(crate) uses: Vec<Use>,
    /// Paths outside of `use`.
    pub(crate) paths: BTreeSet<Vec<String>>,
    pub(crate) impls: Vec<Impl>,
}

/// An inherent `impl` block.
#[derive(Debug, Default)]
pub(crate) struct Impl {
    /// Path of the type.
    pub(crate) of: Vec<String>,
    pub(crate) methods: BTreeSet<String>,
    /// Methods called on `self` or `Self`.
    pub(crate) calls: BTreeSet<String>,
}

/// One name that a `use` imports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    /// The local name; `None` for everything under `path`.
    pub(crate) name: Option<String>,
}

impl Crate {
    /// Reads a crate from its root file, `lib.rs` or `main.rs`.
    ///
    /// # Errors
    ///
    /// A file cannot be read, a declared module has no file, or a file is not Rust.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut result = Self::default();
        let folder = root.parent().unwrap_or_else(|| Path::new("")).to_owned();
        result.read_file(root, &folder, "crate", None)?;
        Ok(result)
    }

    /// Reads the module that is the whole file; files of its children are under `folder`.
    fn read_file(
        &mut self,
        file: &Path,
        folder: &Path,
        name: &str,
        parent: Option<usize>,
    ) -> io::Result<usize> {
        let text = fs::read_to_string(file).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", file.display()))
        })?;
        let tokens: TokenStream = text
            .parse()
            .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
        self.files.push(file.to_owned());
        let module = self.add_module(name, self.files.len() - 1, parent);
        self.read_items(module, folder, &tokens.into_iter().collect::<Vec<_>>())?;
        Ok(module)
    }

    fn add_module(&mut self, name: &str, file: usize, parent: Option<usize>) -> usize {
        self.modules.push(Module {
            name: name.to_owned(),
            file,
            parent,
            ..Module::default()
        });
        self.modules.len() - 1
    }

    fn read_items(
        &mut self,
        module: usize,
        folder: &Path,
        mut tokens: &[TokenTree],
    ) -> io::Result<()> {
        let mut path_attribute = None;
        while let Some((first, rest)) = tokens.split_first() {
            if let Some(attribute) = attribute(tokens) {
                tokens = &tokens[2..];
                if is_for_tests(&attribute) {
                    tokens = after_item(tokens);
                }
                path_attribute = path_of(&attribute).or(path_attribute);
                continue;
            }
            let word = word(first).unwrap_or_default();
            let name = rest.first().and_then(self::word);
            match (word.as_str(), name) {
                ("mod", Some(name)) => {
                    self.read_module(module, folder, &name, rest.get(1), path_attribute.take())?;
                    tokens = &rest[2..];
                    continue;
                }
                ("use", _) => {
                    let end = end_of_statement(rest);
                    read_use(&rest[..end], &mut self.modules[module].uses);
                    tokens = &rest[end..];
                    continue;
                }
                ("impl", _) => {
                    self.modules[module].impls.extend(read_impl(rest));
                }
                (
                    "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static",
                    Some(name),
                ) => {
                    self.modules[module].defined.insert(name);
                }
                _ => {}
            }
            tokens = &tokens[self.read_body_token(module, tokens)..];
        }
        Ok(())
    }

    /// A module in braces, or in its own file.
    fn read_module(
        &mut self,
        parent: usize,
        folder: &Path,
        name: &str,
        after: Option<&TokenTree>,
        path: Option<String>,
    ) -> io::Result<()> {
        let file = self.modules[parent].file;
        let inner = folder.join(name);
        let child = if let Some(TokenTree::Group(body)) = after {
            let child = self.add_module(name, file, Some(parent));
            let body: Vec<TokenTree> = body.stream().into_iter().collect();
            self.read_items(child, &inner, &body)?;
            child
        } else if let Some(path) = path {
            let beside = self.files[file].parent().unwrap_or_else(|| Path::new(""));
            let file = beside.join(path);
            let folder = file.parent().unwrap_or_else(|| Path::new("")).to_owned();
            self.read_file(&file, &folder, name, Some(parent))?
        } else {
            let flat = folder.join(format!("{name}.rs"));
            let file = if flat.exists() {
                flat
            } else {
                inner.join("mod.rs")
            };
            self.read_file(&file, &inner, name, Some(parent))?
        };
        let parent = &mut self.modules[parent];
        parent.submodules.push((name.to_owned(), child));
        // Of several for different features, names resolve to the first.
        parent.children.entry(name.to_owned()).or_insert(child);
        Ok(())
    }

    /// Collects the paths in the first of these tokens; returns the number of tokens read.
    fn read_body_token(&mut self, module: usize, tokens: &[TokenTree]) -> usize {
        match &tokens[0] {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                self.read_body(module, &inner);
                1
            }
            TokenTree::Ident(_) => {
                let path = path_at(tokens);
                // Each segment except the first comes with the two characters of `::`.
                let taken = 3 * path.len() - 2;
                if path[0] == "pub" && matches!(tokens.get(1), Some(TokenTree::Group(_))) {
                    return 2;
                }
                if path.len() > 1 {
                    self.modules[module].paths.insert(path);
                }
                taken
            }
            TokenTree::Punct(_) if is_separator(tokens) => {
                // The rest of a path that does not begin with a name: `<T as Trait>::Output`.
                2 + usize::from(tokens.get(2).and_then(word).is_some())
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => 1,
        }
    }

    fn read_body(&mut self, module: usize, mut tokens: &[TokenTree]) {
        while !tokens.is_empty() {
            if let Some(attribute) = attribute(tokens) {
                tokens = &tokens[2..];
                if is_for_tests(&attribute) {
                    tokens = after_item(tokens);
                }
                continue;
            }
            let is_use = word(&tokens[0]).is_some_and(|word| word == "use");
            if is_use && tokens.get(1).and_then(word).is_some() {
                let end = end_of_statement(tokens);
                let mut uses = Vec::new();
                read_use(&tokens[1..end], &mut uses);
                let paths = uses.into_iter().map(|used| used.path);
                self.modules[module].paths.extend(paths);
                tokens = &tokens[end..];
                continue;
            }
            tokens = &tokens[self.read_body_token(module, tokens)..];
        }
    }
}

fn word(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => {
            let word = ident.to_string();
            Some(
                word.strip_prefix("r#")
                    .map_or_else(|| word.clone(), str::to_owned),
            )
        }
        TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    }
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Whether `::` is next.
fn is_separator(tokens: &[TokenTree]) -> bool {
    is_punct(tokens.first(), ':') && is_punct(tokens.get(1), ':')
}

/// The path that begins with the first token, a name.
fn path_at(tokens: &[TokenTree]) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = 0;
    while let Some(name) = tokens.get(at).and_then(word) {
        path.push(name);
        if !is_separator(&tokens[at + 1..]) {
            break;
        }
        at += 3;
    }
    path
}

/// The content of the brackets, if an attribute is next.
fn attribute(tokens: &[TokenTree]) -> Option<Vec<TokenTree>> {
    match tokens {
        [hash, TokenTree::Group(group), ..]
            if is_punct(Some(hash), '#') && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group.stream().into_iter().collect())
        }
        _ => None,
    }
}

/// `cfg(test)`, also with further conditions.
fn is_for_tests(attribute: &[TokenTree]) -> bool {
    let [name, TokenTree::Group(condition)] = attribute else {
        return false;
    };
    let condition = condition.stream().to_string();
    let mut words = condition.split(|c: char| !c.is_alphanumeric() && c != '_');
    word(name).is_some_and(|name| name == "cfg")
        && words.clone().any(|word| word == "test")
        && !words.any(|word| matches!(word, "not" | "any"))
}

/// The file given by `path = "file"`.
fn path_of(attribute: &[TokenTree]) -> Option<String> {
    match attribute {
        [name, equals, TokenTree::Literal(file)]
            if word(name).is_some_and(|name| name == "path") && is_punct(Some(equals), '=') =>
        {
            Some(file.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}

/// The tokens after the item, field or statement at the start of these.
fn after_item(mut tokens: &[TokenTree]) -> &[TokenTree] {
    let mut angles = 0;
    while let Some((first, rest)) = tokens.split_first() {
        tokens = rest;
        match first {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            TokenTree::Punct(punct) => match punct.as_char() {
                '<' => angles += 1,
                '>' => angles -= 1,
                ',' if angles == 0 => break,
                ';' => break,
                _ => {}
            },
            TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => {}
        }
    }
    tokens
}

fn end_of_statement(tokens: &[TokenTree]) -> usize {
    let is_end = |token: &TokenTree| is_punct(Some(token), ';');
    tokens.iter().position(is_end).unwrap_or(tokens.len())
}

/// Reads the names of a `use` from the tokens between the keyword and the semicolon.
fn read_use(tokens: &[TokenTree], uses: &mut Vec<Use>) {
    read_use_tree(&[], tokens, uses);
}

fn read_use_tree(prefix: &[String], tokens: &[TokenTree], uses: &mut Vec<Use>) {
    let mut path = prefix.to_vec();
    let mut renamed = None;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let branches = inner.split(|token| is_punct(Some(token), ','));
                for branch in branches.filter(|branch| !branch.is_empty()) {
                    read_use_tree(&path, branch, uses);
                }
                return;
            }
            TokenTree::Punct(punct) if punct.as_char() == '*' => {
                uses.push(Use { path, name: None });
                return;
            }
            TokenTree::Ident(_) => {
                let name = word(token).unwrap_or_default();
                if name == "as" {
                    renamed = tokens.get(at).and_then(word);
                    break;
                }
                path.push(name);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    // `use a::b::{self}` is `use a::b`.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = renamed.or_else(|| path.last().cloned());
    uses.push(Use { path, name });
}

/// The `impl Type { … }` that ends with these tokens; `None` for `impl Trait for Type`.
fn read_impl(tokens: &[TokenTree]) -> Option<Impl> {
    let is_body = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let end = tokens.iter().position(is_body)?;
    let TokenTree::Group(body) = &tokens[end] else {
        return None;
    };
    let is = |token: &TokenTree, wanted: &str| word(token).is_some_and(|word| word == wanted);
    let head = &tokens[..end];
    let head = head.split(|token| is(token, "where")).next()?;
    if head.iter().any(|token| is(token, "for")) {
        return None;
    }
    let of = path_at(&head[after_generics(head)..]);
    let body: Vec<TokenTree> = body.stream().into_iter().collect();
    let fns = body.windows(2).filter(|pair| is(&pair[0], "fn"));
    let mut calls = BTreeSet::new();
    read_calls(&body, &mut calls);
    (!of.is_empty()).then(|| Impl {
        of,
        methods: fns.filter_map(|pair| word(&pair[1])).collect(),
        calls,
    })
}

/// Adds every `name` of `self.name(…)`, `self.name::<…>(…)` and `Self::name`.
fn read_calls(tokens: &[TokenTree], calls: &mut BTreeSet<String>) {
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            read_calls(&group.stream().into_iter().collect::<Vec<_>>(), calls);
            continue;
        }
        let rest = &tokens[at + 1..];
        let name = match word(token).as_deref() {
            Some("self") if is_punct(rest.first(), '.') => rest.get(1).filter(|_| {
                matches!(rest.get(2), Some(TokenTree::Group(_))) || is_punct(rest.get(2), ':')
            }),
            Some("Self") if is_separator(rest) => rest.get(2),
            _ => None,
        };
        calls.extend(name.and_then(word));
    }
}

/// The number of tokens of the `<…>` at the start, if there is one.
fn after_generics(tokens: &[TokenTree]) -> usize {
    let mut angles = 0;
    for (at, token) in tokens.iter().enumerate() {
        if is_punct(Some(token), '<') {
            angles += 1;
        } else if is_punct(Some(token), '>') && !(at > 0 && is_punct(tokens.get(at - 1), '-')) {
            angles -= 1;
        }
        if angles == 0 {
            return if at == 0 { 0 } else { at + 1 };
        }
    }
    0
}
