//! The linker of components: one `match` over the kernel's surface, so that an interface is linked
//! exactly if it is listed. The WASI interfaces are wasmtime-wasi's; `clock` and `wasi` explain the
//! exceptions. The bindings of `coo:mission` are generated from the same WIT as the guests'.

use anyhow::Result;
use coo_kernel::module::surface::Interface;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random};

use super::Guest;
use super::wasi::Io;

wasmtime::component::bindgen!({
    path: ["../guest-sdk/wit", "../guest-sdk/wit/v1.1", "wit"],
    world: "coo:host/missions",
    imports: {
        "coo:mission/llm@1.1.0.complete": async | trappable,
        "coo:mission/llm@1.1.0.chat": async | trappable,
        "coo:mission/llm@1.1.0.complete-many": async | trappable,
        "coo:mission/db@1.0.0.query": async | trappable,
        "coo:mission/db@1.0.0.execute": async | trappable,
        "coo:mission/gateway@1.0.0.write": async | trappable,
        default: trappable,
    },
});

/// Returns a linker that knows exactly the whole surface.
pub fn linker(engine: &Engine) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    for interface in Interface::ALL {
        link(&mut linker, interface).map_err(anyhow::Error::from)?;
    }
    Ok(linker)
}

fn link(linker: &mut Linker<Guest>, interface: Interface) -> wasmtime::Result<()> {
    use self::coo::mission1_0_0::{db, gateway};
    // Modules that import 1.0 get this one, too: it has all of it.
    use self::coo::mission1_1_0::llm;
    type Own = HasSelf<Guest>;
    fn guest(guest: &mut Guest) -> &mut Guest {
        guest
    }
    match interface {
        Interface::Llm => llm::add_to_linker::<_, Own>(linker, guest),
        Interface::Db => db::add_to_linker::<_, Own>(linker, guest),
        Interface::Gateway => gateway::add_to_linker::<_, Own>(linker, guest),
        Interface::CliEnvironment => cli::environment::add_to_linker::<_, Own>(linker, guest),
        Interface::CliExit => cli::exit::add_to_linker::<_, WasiCli>(linker, Guest::cli),
        Interface::CliStderr => cli::stderr::add_to_linker::<_, WasiCli>(linker, Guest::cli),
        Interface::CliStdin => cli::stdin::add_to_linker::<_, WasiCli>(linker, Guest::cli),
        Interface::CliStdout => cli::stdout::add_to_linker::<_, WasiCli>(linker, Guest::cli),
        Interface::CliTerminalInput => {
            cli::terminal_input::add_to_linker::<_, WasiCli>(linker, Guest::cli)
        }
        Interface::CliTerminalOutput => {
            cli::terminal_output::add_to_linker::<_, WasiCli>(linker, Guest::cli)
        }
        Interface::CliTerminalStderr => {
            cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, Guest::cli)
        }
        Interface::CliTerminalStdin => {
            cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, Guest::cli)
        }
        Interface::CliTerminalStdout => {
            cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, Guest::cli)
        }
        Interface::ClocksMonotonic => {
            clocks::monotonic_clock::add_to_linker::<_, Own>(linker, guest)
        }
        Interface::ClocksWall => clocks::wall_clock::add_to_linker::<_, Own>(linker, guest),
        Interface::FilesystemPreopens => {
            filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, Guest::filesystem)
        }
        Interface::FilesystemTypes => {
            filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, Guest::filesystem)
        }
        Interface::IoError => io::error::add_to_linker::<_, Io>(linker, |g| g.ctx().table),
        Interface::IoPoll => io::poll::add_to_linker::<_, Io>(linker, |g| g.ctx().table),
        Interface::IoStreams => io::streams::add_to_linker::<_, Io>(linker, |g| g.ctx().table),
        Interface::RandomInsecure => random::insecure::add_to_linker::<_, Own>(linker, guest),
        Interface::RandomInsecureSeed => {
            random::insecure_seed::add_to_linker::<_, Own>(linker, guest)
        }
        Interface::RandomRandom => random::random::add_to_linker::<_, Own>(linker, guest),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wit_parser::Resolve;

    use super::*;

    #[test]
    fn the_kernels_table_is_exactly_what_the_wit_world_imports() {
        let mut resolve = Resolve::default();
        for (name, text) in crate::program::wit::WIT {
            resolve.push_str(name, text).unwrap();
        }
        let package = resolve
            .push_str("surface.wit", include_str!("../../../wit/surface.wit"))
            .unwrap();
        let world = resolve.select_world(&[package], Some("surface")).unwrap();
        let imported: BTreeSet<String> = resolve.worlds[world]
            .imports
            .keys()
            .map(|key| resolve.name_world_key(key))
            .collect();
        let listed: BTreeSet<String> = Interface::ALL
            .iter()
            .map(|interface| format!("{}@{}", interface.name(), interface.version()))
            .collect();
        assert_eq!(imported, listed);
    }

    #[test]
    fn every_listed_interface_links() {
        let sandbox = crate::program::engine::build(
            coo_kernel::mission::descriptor::EngineSettings::default(),
        )
        .unwrap();
        linker(&sandbox.engine).unwrap();
    }
}
