//! Checks a file before any of it is compiled.
//!
//! The budget of a decision does not cover compiling, so this module bounds what reaches the compiler: size, nesting, number
//! and size of functions, and through [`Costs`] everything that multiplies. It takes one pass over the bytes, without recursion.

use wasmparser::{CanonicalFunction, Encoding, Instance, InstanceSectionReader, Parser, Payload};

use super::budget::Budget;
use super::caps::{at_most, damaged, incompatible};
use super::cost::Costs;
use super::interface::INTERFACE_VERSIONS;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::text::listed;

/// The interface that a policy exports, without its version.
pub const INTERFACE: &str = "hydra:lifecycle/policy";

/// Modules and components inside a component. Language toolchains make about ten.
const MAX_PARTS: u32 = 64;
/// Components within components.
const MAX_DEPTH: usize = 8;
/// Functions of all modules. CPython with its standard library has about twenty thousand.
const MAX_FUNCTIONS: u32 = 100_000;
/// Bytes of one function: compile time grows faster than size. The largest of CPython has 430 kB.
const MAX_FUNCTION_BYTES: usize = 1 << 20;
/// Nested types, counted as in [`Pass::types`].
const MAX_TYPE_SCOPES: usize = 500;
/// Component-level definitions of each sort: aliases, types, exports and so on. CPython has 1,400 aliases.
const MAX_DEFINITIONS: usize = 6_000;
/// Core instances made of modules or of other instances' exports. CPython has 107.
const MAX_CORE_INSTANCES: usize = 400;
/// Instances of components. wasmtime unrolls them, so their numbers on each level multiply: 8 become 18 at most.
const MAX_COMPONENT_INSTANCES: usize = 8;
/// Calls between components inside the component: wasmtime generates code for each, in addition to the functions of the file.
const MAX_LOWERED: usize = 64;

/// The outline of a component, read from its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ComponentSummary {
    /// Its size in bytes.
    pub bytes: usize,
    /// The names of its imports. A policy has none.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
    /// Core modules and components inside it.
    pub parts: u32,
    /// Functions in all its core modules.
    pub functions: u32,
    /// Bytes of the largest function.
    pub largest_function: usize,
    /// An upper bound of the core instances that instantiating it creates.
    instances: u64,
    /// An upper bound of the bytes that each of them takes in the host, without memories and tables.
    instance_bytes: u64,
}

impl ComponentSummary {
    /// Reads the outline of a component without judging its imports and exports.
    ///
    /// A file larger than `budget` allows is an error of kind [`ErrorKind::PolicySize`]. A file that is not a component, is
    /// damaged, or has more of something than the fixed caps allow, is one of kind [`ErrorKind::PolicyIncompatible`]. A
    /// component whose instances alone would take more than the memory of `budget` is one of kind
    /// [`ErrorKind::PolicyMemory`].
    pub fn read(bytes: &[u8], budget: &Budget) -> Result<Self> {
        let limit = usize::try_from(budget.component_bytes).unwrap_or(usize::MAX);
        if bytes.len() > limit {
            return Err(Error::new(
                ErrorKind::PolicySize,
                format!("the component has {} bytes; the limit is {limit}", bytes.len()),
            )
            .with_hint("raise the policy limit `component-bytes` if you trust the component"));
        }
        if !bytes.starts_with(b"\0asm") {
            return Err(incompatible("the file is not a WebAssembly file").with_hint(
                "run `policy build` on the policy project, and use the component that it writes",
            ));
        }
        let mut pass = Pass {
            bytes,
            depth: 0,
            summary: Self { bytes: bytes.len(), ..Self::default() },
            costs: Costs::default(),
            outline: Outline::default(),
        };
        for payload in Parser::new(0).parse_all(bytes) {
            pass.payload(payload.map_err(damaged)?)?;
        }
        // Each instance of a component may hold instances of all modules: in the worst case twice as many as the one before it.
        pass.summary.instances = (pass.outline.core_instances as u64) << pass.outline.component_instances;
        pass.summary.instance_bytes = pass.costs.largest_state();
        pass.summary.check_state(budget)?;
        Ok(pass.summary)
    }

    /// Checks the memory that instances themselves take: wasmtime does not ask the limiter of a store for it.
    fn check_state(&self, budget: &Budget) -> Result<()> {
        let instances = self.instances.min(budget.instances.into());
        let bytes = instances * self.instance_bytes;
        if bytes <= budget.memory {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::PolicyMemory,
            format!(
                "globals and functions of {instances} instances may take {bytes} bytes; the limit is {}",
                budget.memory
            ),
        )
        .with_hint("raise the policy limit `memory` if you trust the component"))
    }

    /// Checks that it imports nothing and exports a version of the interface that this host can call, and returns that
    /// version.
    pub fn check(&self) -> Result<&'static str> {
        if !self.imports.is_empty() {
            return Err(self.unwanted_imports());
        }
        let found: Vec<&str> = self.exports.iter().filter_map(|name| interface_version(name)).collect();
        for version in INTERFACE_VERSIONS {
            if found.contains(version) {
                return Ok(version);
            }
        }
        let expected: Vec<_> =
            INTERFACE_VERSIONS.iter().map(|version| format!("{INTERFACE}@{version}")).collect();
        let expected = expected.join(" or ");
        Err(match found.first() {
            Some(version) => incompatible(format!("the component exports an unsupported version of {INTERFACE}"))
                .with_context("found", version)
                .with_context("expected", expected)
                .with_hint("build it with the WIT of this host (`policy new` writes it), or use the host that it was built for"),
            None => incompatible("the component does not export the policy interface")
                .with_context("expected", expected)
                .with_context("exports", listed(&self.exports))
                .with_hint("build it for the world `policy-component` of the package `hydra:lifecycle`"),
        })
    }

    fn unwanted_imports(&self) -> Error {
        let hint = if self.imports.iter().any(|name| name.starts_with("wasi:")) {
            "compile Rust for wasm32-unknown-unknown, and pass componentize-py \
             `--stub-wasi` or componentize-js every `disableFeatures`; `policy build` does this. A policy must not import WASI"
        } else {
            "remove the imports; a policy receives all of its information as arguments"
        };
        incompatible("the component has imports, but a policy must have none")
            .with_context("imports", listed(&self.imports))
            .with_hint(hint)
    }
}

/// One pass over the sections.
struct Pass<'a> {
    bytes: &'a [u8],
    depth: usize,
    summary: ComponentSummary,
    costs: Costs,
    outline: Outline,
}

/// Counts of how a component is put together.
#[derive(Default)]
struct Outline {
    definitions: usize,
    core_instances: usize,
    component_instances: usize,
    lowered: usize,
}

impl Pass<'_> {
    fn payload(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if self.depth == 0 => {
                return Err(incompatible("the file is a core module, not a component").with_hint(
                    "run `policy build`, or wrap it with `wasm-tools component new module.wasm -o policy.wasm`",
                ));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.depth += 1;
                self.summary.parts += 1;
                at_most("nested components", self.depth, MAX_DEPTH)?;
                at_most("modules and components", self.summary.parts as usize, MAX_PARTS as usize)?;
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } => {
                self.summary.functions = self.summary.functions.saturating_add(count);
                at_most("functions", self.summary.functions as usize, MAX_FUNCTIONS as usize)?;
            }
            Payload::Version { encoding: Encoding::Module, .. } => self.costs.module(),
            Payload::TypeSection(section) => self.costs.types(section)?,
            Payload::ImportSection(section) => self.costs.imports(section)?,
            Payload::FunctionSection(section) => {
                for function in section {
                    self.costs.function(function.map_err(damaged)?);
                }
            }
            Payload::TableSection(section) => self.costs.tables(section)?,
            Payload::GlobalSection(section) => self.costs.globals(section)?,
            Payload::ExportSection(section) => self.costs.exports(section.count())?,
            Payload::ElementSection(section) => self.costs.elements(section)?,
            Payload::DataSection(section) => self.costs.data(section)?,
            Payload::CodeSectionEntry(body) => {
                let size = body.range().len();
                self.summary.largest_function = self.summary.largest_function.max(size);
                at_most("bytes in one function", size, MAX_FUNCTION_BYTES)?;
                self.costs.code(&body)?;
            }
            Payload::ComponentTypeSection(section) => {
                self.outline.define(section.count())?;
                self.types(section.range())?;
            }
            Payload::CoreTypeSection(section) => self.outline.define(section.count())?,
            Payload::ComponentAliasSection(section) => self.outline.define(section.count())?,
            Payload::InstanceSection(section) => self.outline.core_instances(section)?,
            Payload::ComponentInstanceSection(section) => {
                self.outline.component_instances += section.count() as usize;
                let instances = self.outline.component_instances;
                at_most("instances of components", instances, MAX_COMPONENT_INSTANCES)?;
            }
            Payload::ComponentCanonicalSection(section) => {
                self.outline.define(section.count())?;
                for function in section {
                    let lowers = matches!(function.map_err(damaged)?, CanonicalFunction::Lower { .. });
                    self.outline.lowered += usize::from(lowers);
                }
                at_most("calls between components", self.outline.lowered, MAX_LOWERED)?;
            }
            Payload::ComponentImportSection(section) => {
                self.outline.define(section.count())?;
                for import in section {
                    let name = import.map_err(damaged)?.name.name;
                    if self.depth == 0 {
                        self.summary.imports.push(name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                self.outline.define(section.count())?;
                for export in section {
                    let name = export.map_err(damaged)?.name.name;
                    if self.depth == 0 {
                        self.summary.exports.push(name.to_owned());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Bounds the nesting of types. wasmparser, and with it wasmtime, reads nested types by recursion: a small file can nest
    /// them so deeply that the stack overflows. Each level begins with a byte 0x41 (component type) or 0x42 (instance type),
    /// so the number of these bytes is an upper bound of the depth, even if some of them mean something else.
    fn types(&self, range: std::ops::Range<usize>) -> Result<()> {
        let section = self.bytes.get(range).unwrap_or_default();
        let scopes = section.iter().filter(|byte| matches!(byte, 0x41 | 0x42)).count();
        at_most("nested types", scopes, MAX_TYPE_SCOPES)
    }
}

impl Outline {
    fn define(&mut self, count: u32) -> Result<()> {
        self.definitions += count as usize;
        at_most("definitions outside its modules", self.definitions, MAX_DEFINITIONS)
    }

    fn core_instances(&mut self, section: InstanceSectionReader<'_>) -> Result<()> {
        self.core_instances += section.count() as usize;
        at_most("core instances", self.core_instances, MAX_CORE_INSTANCES)?;
        for instance in section {
            let names = match instance.map_err(damaged)? {
                Instance::Instantiate { args, .. } => args.len(),
                Instance::FromExports(exports) => exports.len(),
            };
            self.define(u32::try_from(names).unwrap_or(u32::MAX))?;
        }
        Ok(())
    }
}

fn interface_version(export: &str) -> Option<&str> {
    match export.strip_prefix(INTERFACE)? {
        "" => Some("none"),
        rest => rest.strip_prefix('@'),
    }
}
