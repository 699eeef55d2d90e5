//! A component that exports every interface of `wasi:sockets` which another component imports, and
//! refuses all of it: nobody gets a socket, and no name is found. Never imports a function, and never
//! traps where a program can reach it: what a socket could do is out of reach without a socket.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{InterfaceId, Resolve, WorldId, WorldItem};

/// The place of `access-denied` in `error-code` of `wasi:sockets/network`.
const ACCESS_DENIED: u32 = 1;
/// The place of `name-unresolvable`.
const NAME_UNRESOLVABLE: u32 = 18;
/// Where results are written that are returned by address: `result`s of two words.
const RESULT_ADDRESS: u32 = 16;
/// The first byte that `cabi_realloc` gives out.
const HEAP_ADDRESS: u32 = 1024;

/// The component, and the names of what it exports.
pub struct Closed {
    pub bytes: Vec<u8>,
    pub interfaces: Vec<String>,
}

pub fn component(mut resolve: Resolve, world: WorldId) -> Result<Closed> {
    let ids: Vec<InterfaceId> = resolve.worlds[world]
        .imports
        .values()
        .filter_map(|item| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            _ => None,
        })
        .filter(|&id| {
            let package = resolve.interfaces[id]
                .package
                .map(|package| &resolve.packages[package].name);
            package.is_some_and(|name| name.namespace == "wasi" && name.name == "sockets")
        })
        .collect();
    let interfaces: Vec<String> = ids
        .iter()
        .map(|&id| resolve.id_of(id).context("an interface without a name"))
        .collect::<Result<_>>()?;

    let mut wit = "package coo:closed-sockets;\nworld closed {\n".to_owned();
    for name in &interfaces {
        writeln!(wit, "  export {name};")?;
    }
    wit.push_str("}\n");
    let package = resolve.push_str("closed-sockets.wit", &wit)?;
    let closed = resolve.select_world(&[package], Some("closed"))?;

    let mut module = wat::parse_str(core_module(&resolve, &ids)?)?;
    wit_component::embed_component_metadata(&mut module, &resolve, closed, StringEncoding::UTF8)?;
    let bytes = ComponentEncoder::default()
        .module(&module)?
        .validate(true)
        .encode()?;
    Ok(Closed { bytes, interfaces })
}

/// The core module, in the text format.
fn core_module(resolve: &Resolve, interfaces: &[InterfaceId]) -> Result<String> {
    let mut imports = String::new();
    let mut functions = String::new();
    for &id in interfaces {
        let interface = resolve.id_of(id).context("an interface without a name")?;
        for (name, function) in &resolve.interfaces[id].functions {
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let body = match name.as_str() {
                "instance-network" => {
                    let network = interface.replace("instance-network", "network");
                    write!(
                        imports,
                        "(import \"[export]{network}\" \"[resource-new]network\" \
                         (func $new-network (param i32) (result i32)))\n  "
                    )?;
                    "i32.const 0 call $new-network".to_owned()
                }
                "create-tcp-socket" | "create-udp-socket" => failure(ACCESS_DENIED),
                "resolve-addresses" => failure(NAME_UNRESOLVABLE),
                _ => "unreachable".to_owned(),
            };
            writeln!(
                functions,
                "  (func (export \"{interface}#{name}\"){}{} {body})",
                types("param", &signature.params),
                types("result", &signature.results),
            )?;
        }
    }
    Ok(format!(
        r#"(module
  {imports}(memory (export "memory") 1)
  (global $heap (mut i32) (i32.const {HEAP_ADDRESS}))
{functions}
  ;; Gives out memory and takes none back: a program's host names come here, and each run has an
  ;; instance of its own.
  (func (export "cabi_realloc") (param $old i32) (param $old-bytes i32) (param $align i32) (param $bytes i32)
    (result i32) (local $start i32) (local $missing i32)
    global.get $heap local.get $align i32.add i32.const 1 i32.sub
    i32.const 0 local.get $align i32.sub i32.and local.tee $start
    local.get $bytes i32.add global.set $heap
    global.get $heap i32.const 65535 i32.add i32.const 16 i32.shr_u memory.size i32.sub local.tee $missing
    i32.const 0 i32.gt_s
    if
      local.get $missing memory.grow i32.const -1 i32.eq
      if unreachable end
    end
    local.get $start local.get $old
    local.get $old-bytes local.get $bytes local.get $old-bytes local.get $bytes i32.lt_u select
    memory.copy
    local.get $start)
)"#
    ))
}

/// Writes an `err` with this error code, and returns where it is.
fn failure(code: u32) -> String {
    format!(
        "i32.const {RESULT_ADDRESS} i32.const 1 i32.store8 i32.const {RESULT_ADDRESS} i32.const {code} i32.store8 offset=4 \
         i32.const {RESULT_ADDRESS}"
    )
}

/// One group of parameters or results in the text format.
fn types(group: &str, types: &[WasmType]) -> String {
    if types.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = types
        .iter()
        .map(|kind| match kind {
            WasmType::I64 | WasmType::PointerOrI64 => "i64",
            WasmType::F32 => "f32",
            WasmType::F64 => "f64",
            WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        })
        .collect();
    format!(" ({group} {})", names.join(" "))
}
