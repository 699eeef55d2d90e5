//! The hardware manifest: processor, microcode, NUMA nodes, the state root's file system and
//! virtualisation. Everything is read from `/proc` and `/sys`; what the machine does not offer is
//! null.

use std::collections::BTreeMap;
use std::fs;

use coo_kernel::state::manifest::system;
use serde::Serialize;

use super::{HARDWARE_FORMAT, read_text};
use crate::state::state_root::StateRoot;

const NODES: &str = "/sys/devices/system/node";
const DMI: &str = "/sys/class/dmi/id";

/// The content of `hardware_manifest.json`.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct HardwareManifest {
    cpu: Option<system::Processor>,
    file_system: Option<String>,
    format: &'static str,
    /// Processors of each node, as the kernel lists them: `0-3,8`.
    numa: Option<BTreeMap<String, String>>,
    virtualisation: Virtualisation,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Virtualisation {
    dmi_product: Option<String>,
    dmi_vendor: Option<String>,
    flags: Option<system::Virtualisation>,
    /// For example `xen`, if the kernel knows its hypervisor.
    hypervisor_type: Option<String>,
}

/// Reads everything.
pub fn manifest(root: &StateRoot) -> HardwareManifest {
    let cpuinfo = read_text("/proc/cpuinfo");
    let line = |file: &str| {
        let text = read_text(file)?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    HardwareManifest {
        cpu: cpuinfo.as_deref().map(system::processor),
        file_system: file_system(root),
        format: HARDWARE_FORMAT,
        numa: nodes(),
        virtualisation: Virtualisation {
            dmi_product: line(&format!("{DMI}/product_name")),
            dmi_vendor: line(&format!("{DMI}/sys_vendor")),
            flags: cpuinfo.as_deref().map(system::virtualisation),
            hypervisor_type: line("/sys/hypervisor/type"),
        },
    }
}

fn file_system(root: &StateRoot) -> Option<String> {
    let mounts = read_text("/proc/self/mountinfo")?;
    let path = root.path().canonicalize().ok()?;
    system::file_system(&mounts, path.to_str()?)
}

fn nodes() -> Option<BTreeMap<String, String>> {
    let mut nodes = BTreeMap::new();
    for entry in fs::read_dir(NODES).ok()? {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let is_node = name
            .strip_prefix("node")
            .is_some_and(|number| number.parse::<u32>().is_ok());
        if is_node {
            let list = read_text(&format!("{NODES}/{name}/cpulist"))?;
            nodes.insert(name, list.trim().to_owned());
        }
    }
    Some(nodes)
}
