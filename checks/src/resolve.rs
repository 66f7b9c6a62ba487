//! Resolves the paths in the modules of a crate to the files that define their names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::scan::{Crate, Impl, Module};

/// For each file, the files that it imports, with the imported names.
pub type Imports = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

/// One file imports names of another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The file that imports.
    pub from: PathBuf,
    /// The file that is imported.
    pub to: PathBuf,
    /// The imported names.
    pub names: BTreeSet<String>,
}

/// The target of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Module(usize),
    /// The module that defines it, and its name.
    Item(usize, String),
}

/// How many levels of re-exports are followed.
const MAX_DEPTH: usize = 16;

impl Crate {
    /// Which file imports which.
    pub fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for file in &self.files {
            imports.entry(file.clone()).or_default();
        }
        for (number, module) in self.modules.iter().enumerate() {
            for (name, child) in &module.submodules {
                let child = self.modules[*child].file;
                self.note(&mut imports, module.file, child, &format!("mod {name}"));
            }
            let uses = module.uses.iter().map(|used| &used.path);
            for path in uses.chain(&module.paths) {
                if let Some(target) = self.resolve(number, path, MAX_DEPTH) {
                    let (file, name) = self.place(&target);
                    self.note(&mut imports, module.file, file, &name);
                }
            }
        }
        self.note_calls(&mut imports);
        imports
    }

    /// A file that calls a method of its own type that another file defines imports that file.
    fn note_calls(&self, imports: &mut Imports) {
        let mut by_type: BTreeMap<(usize, String), Vec<(usize, &Impl)>> = BTreeMap::new();
        for (number, module) in self.modules.iter().enumerate() {
            for block in &module.impls {
                if let Some(Target::Item(home, name)) =
                    self.resolve_in(number, &block.of, MAX_DEPTH)
                {
                    let blocks = by_type.entry((home, name)).or_default();
                    blocks.push((module.file, block));
                }
            }
        }
        for ((_, name), blocks) in &by_type {
            for (from, caller) in blocks {
                for (to, called) in blocks {
                    for method in caller.calls.intersection(&called.methods) {
                        self.note(imports, *from, *to, &format!("{name}::{method}"));
                    }
                }
            }
        }
    }

    fn note(&self, imports: &mut Imports, from: usize, to: usize, name: &str) {
        if from == to {
            return;
        }
        let of_file = imports.entry(self.files[from].clone()).or_default();
        let names = of_file.entry(self.files[to].clone()).or_default();
        names.insert(name.to_owned());
    }

    fn place(&self, target: &Target) -> (usize, String) {
        match target {
            Target::Module(module) => {
                let module = &self.modules[*module];
                (module.file, module.name.clone())
            }
            Target::Item(module, name) => (self.modules[*module].file, name.clone()),
        }
    }

    /// The target of a path in a module, if it is in this crate: the path begins with `crate`, `self`, `super`, or a child
    /// module.
    fn resolve(&self, module: usize, path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.resolve_in(0, rest, depth),
            "self" => self.resolve_in(module, rest, depth),
            "super" => {
                let parent = self.modules[module].parent?;
                match rest.first() {
                    Some(next) if next == "super" => self.resolve(parent, rest, depth),
                    _ => self.resolve_in(parent, rest, depth),
                }
            }
            name if self.modules[module].children.contains_key(name) => {
                self.resolve_in(module, path, depth)
            }
            _ => None,
        }
    }

    /// The target of a path that begins with a name in a module.
    fn resolve_in(&self, number: usize, path: &[String], depth: usize) -> Option<Target> {
        let Some((first, rest)) = path.split_first() else {
            return Some(Target::Module(number));
        };
        let module = &self.modules[number];
        if let Some(child) = module.children.get(first) {
            return self.resolve_in(*child, rest, depth);
        }
        if module.defined.contains(first) {
            return Some(Target::Item(number, first.clone()));
        }
        match self.imported(number, first, depth)? {
            Target::Module(module) => self.resolve_in(module, rest, depth),
            item @ Target::Item(..) => Some(item),
        }
    }

    /// The target of a name that a `use` of the module imports.
    fn imported(&self, number: usize, name: &str, depth: usize) -> Option<Target> {
        let depth = depth.checked_sub(1)?;
        let module: &Module = &self.modules[number];
        let named = module
            .uses
            .iter()
            .find(|used| used.name.as_deref() == Some(name));
        if let Some(used) = named {
            return self.resolve(number, &used.path, depth);
        }
        let globs = module.uses.iter().filter(|used| used.name.is_none());
        for used in globs {
            if let Some(Target::Module(from)) = self.resolve(number, &used.path, depth)
                && let Some(target) = self.resolve_in(from, &[name.to_owned()], depth)
            {
                return Some(target);
            }
        }
        None
    }
}
