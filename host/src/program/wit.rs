//! The texts of the surface, in WIT: admission judges a module by them, the bindings of the sandbox
//! are made from the same files. Interprets nothing.

/// Name and WIT text of every package of the surface.
pub const WIT: [(&str, &str); 7] = [
    (
        "coo:mission",
        include_str!("../../../guest-sdk/wit/mission.wit"),
    ),
    (
        "coo:mission@1.1",
        include_str!("../../../guest-sdk/wit/v1.1/mission.wit"),
    ),
    ("wasi:io", include_str!("../../wit/deps/io.wit")),
    ("wasi:clocks", include_str!("../../wit/deps/clocks.wit")),
    ("wasi:random", include_str!("../../wit/deps/random.wit")),
    (
        "wasi:filesystem",
        include_str!("../../wit/deps/filesystem.wit"),
    ),
    ("wasi:cli", include_str!("../../wit/deps/cli.wit")),
];
