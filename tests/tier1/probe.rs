//! The probe of `coo tier1` is the text beside it in binary form: what is in the repository to read
//! is what runs.

use std::path::Path;

#[test]
fn the_probe_is_the_text_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reference/tier1");
    let assembled = wat::parse_file(folder.join("writer.wat")).unwrap();
    let kept = folder.join("writer.wasm");
    if coo::inside::machine::env_os("COO_UPDATE_PROBE").is_some() {
        std::fs::write(&kept, &assembled).unwrap();
    }
    assert!(
        std::fs::read(kept).unwrap() == assembled,
        "reference/tier1/writer.wasm is out of date: run this test with COO_UPDATE_PROBE=1"
    );
    assert_eq!(coo::inside::program::bundle::PROBE.wasm, assembled);
}
