//! Makes a runner of a component that imports sockets: closes them, and leaves `run` as the only
//! export. The result imports nothing that `coo` refuses. Never touches what is inside the component.

mod closed_sockets;
mod stack;

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use anyhow::{Context as _, Result, bail};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};
use wit_component::DecodedWasm;

/// The function that a mission exports.
const ENTRY: &str = "run";

fn main() {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [component, output] = arguments.as_slice() else {
        eprintln!("usage: compose COMPONENT.wasm OUTPUT.wasm");
        process::exit(2);
    };
    if let Err(error) = write(component, output) {
        eprintln!("ERROR: {error:#}");
        process::exit(1);
    }
}

fn write(component: &Path, output: &Path) -> Result<()> {
    let bytes = fs::read(component).with_context(|| format!("reading {}", component.display()))?;
    let composed = compose(bytes).with_context(|| component.display().to_string())?;
    fs::write(output, composed).with_context(|| format!("writing {}", output.display()))
}

fn compose(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&bytes)? else {
        bail!("is no component");
    };
    stack::lower(&mut bytes)?;
    let closed = closed_sockets::component(resolve, world)?;

    let mut graph = CompositionGraph::new();
    let package = Package::from_bytes("coo:closed-sockets", None, closed.bytes, graph.types_mut())?;
    let package = graph.register_package(package)?;
    let sockets = graph.instantiate(package);
    let package = Package::from_bytes("coo:runner", None, bytes, graph.types_mut())?;
    let package = graph.register_package(package)?;
    let runner = graph.instantiate(package);
    for name in &closed.interfaces {
        let export = graph.alias_instance_export(sockets, name)?;
        graph.set_instantiation_argument(runner, name, export)?;
    }
    let entry = graph.alias_instance_export(runner, ENTRY)?;
    graph.export(entry, ENTRY)?;
    Ok(graph.encode(EncodeOptions::default())?)
}
