//! `coo verify PACK`: its table and verdict, and how each change of a pack is named.

use std::fmt::Write as _;

use coo_kernel::pack::{PACK_BYTES_MAX, RUN};
use insta::assert_snapshot;

use super::{demo, members, packed, sealed};
use crate::support::{Ran, World, shown};

/// Verifies these bytes in a world of their own.
fn verified(bytes: &[u8], more: &[&str]) -> Ran {
    let world = World::new();
    world.file("the pack", bytes);
    let ran = world.coo(&[&["verify", "the pack"], more].concat());
    let left = std::fs::read_dir(world.path()).unwrap().count();
    assert_eq!(left, 1, "no state root is made: {ran:?}");
    ran
}

#[test]
fn a_pack_is_all_that_a_check_needs() {
    let (_, pack) = packed(&demo(), "DEMO-000001");
    let ran = verified(&pack, &[]);
    assert_snapshot!(shown("verify 'the pack'", &ran), @"
    $ coo verify 'the pack'
    Verify pack the pack
      Mission: DEMO-000001 DEMO_V1_1
      Archive: 193509 bytes, SHA-256 <sha256>

      file                            bytes  SHA-256       made again
      MANIFEST.json                    1582  <sha256…>  identical
      README.md                        2369  <sha256…>  identical
      flight_recorder.jsonl            5877  <sha256…>  identical
      frozen_calls.json                2159  <sha256…>  identical
      hash_lineage.json                1689  <sha256…>  identical
      mission.json                     1729  <sha256…>  identical
      module.wasm                     82718  <sha256…>  executed
      outputs/1-summarise.output        493  <sha256…>  identical
      replay_transcript.txt             285  <sha256…>  identical
      rollback_log.json                   3  <sha256…>  identical
      run.coorun                      93399  <sha256…>  identical

      Execution in a fresh world: 11 events, 62548 fuel, identical
      Replay: identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
    let ran = verified(&pack, &["--json"]);
    let view: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(view["identical"], true);
    assert_eq!(view["difference"], serde_json::Value::Null);
    assert_eq!(view["execution"]["replay_identical"], true);
    assert_eq!(view["files"].as_array().unwrap().len(), 11);
    assert_snapshot!(shown("verify 'the pack' --runs 2", &verified(&pack, &["--runs", "2"])), @"
    $ coo verify 'the pack' --runs 2
    --- standard error
    ERROR: --runs: a pack is executed once
    hint: leave it out
    --- exit 1
    ");
}

#[test]
fn what_was_changed_is_named() {
    let (_, pack) = packed(&demo(), "DEMO-000001");
    let mut told = String::new();
    let mut tell = |what: &str, bytes: &[u8]| {
        let ran = verified(bytes, &[]);
        assert_eq!(ran.code, 3, "{what}: {ran:?}");
        let _ = writeln!(told, "{what}\n{}", shown("verify 'the pack'", &ran));
    };
    let changed = |edit: &dyn Fn(&mut coo::inside::machine::archive::Members)| {
        let mut files = members(&pack);
        edit(&mut files);
        files
    };
    tell("cut short", &pack[..pack.len() - 1]);
    tell("one more byte", &[&pack[..], b"\n"].concat());
    let transcript = changed(&|files| {
        let text = files.get_mut("replay_transcript.txt").unwrap();
        text.push(b'\n');
    });
    let bytes = coo::inside::machine::archive::stored(&transcript).unwrap();
    tell("a file that the manifest does not vouch for", &bytes);
    tell("a file that the manifest vouches for", &sealed(transcript));
    let extra = changed(&|files| drop(files.insert("extra".to_owned(), Vec::new())));
    tell("one file more", &sealed(extra));
    let missing = changed(&|files| drop(files.remove("mission.json")));
    tell("one file less", &sealed(missing));
    let run = changed(&|files| {
        let run = files.get_mut(RUN).unwrap();
        *run.last_mut().unwrap() ^= 1;
    });
    tell("a run file that does not vouch for itself", &sealed(run));
    assert_snapshot!(told, @"
    cut short
    $ coo verify 'the pack'
    Verify pack the pack
      Archive: 193508 bytes, SHA-256 <sha256>
      Execution: none, because the pack is not whole
      Result: DIFFERENT
    --- standard error
    ERROR: pack the pack: is not a whole zip file
    hint: get a new copy
    --- exit 3

    one more byte
    $ coo verify 'the pack'
    Verify pack the pack
      Archive: 193510 bytes, SHA-256 <sha256>
      Execution: none, because the pack is not whole
      Result: DIFFERENT
    --- standard error
    ERROR: pack the pack: is not written as 'coo pack' writes it (order, flags, comment, or more bytes)
    hint: get a new copy
    --- exit 3

    a file that the manifest does not vouch for
    $ coo verify 'the pack'
    Verify pack the pack
      Archive: 193510 bytes, SHA-256 <sha256>
      Execution: none, because the pack is not whole
      Result: DIFFERENT
    --- standard error
    ERROR: pack the pack: file replay_transcript.txt: 286 bytes with SHA-256 <sha256…>, MANIFEST.json states 285 bytes with <sha256…>
    hint: get a new copy
    --- exit 3

    a file that the manifest vouches for
    $ coo verify 'the pack'
    Verify pack the pack
      Mission: DEMO-000001 DEMO_V1_1
      Archive: 193510 bytes, SHA-256 <sha256>

      file                            bytes  SHA-256       made again
      MANIFEST.json                    1582  <sha256…>  DIFFERENT
      README.md                        2369  <sha256…>  identical
      flight_recorder.jsonl            5877  <sha256…>  identical
      frozen_calls.json                2159  <sha256…>  identical
      hash_lineage.json                1689  <sha256…>  identical
      mission.json                     1729  <sha256…>  identical
      module.wasm                     82718  <sha256…>  identical
      outputs/1-summarise.output        493  <sha256…>  identical
      replay_transcript.txt             286  <sha256…>  DIFFERENT
      rollback_log.json                   3  <sha256…>  identical
      run.coorun                      93399  <sha256…>  identical

      Execution: none, because the pack contradicts itself
      Result: DIFFERENT
    --- standard error
    ERROR: pack the pack: differs: file replay_transcript.txt
    hint: get a new copy
    --- exit 3

    one file more
    $ coo verify 'the pack'
    Verify pack the pack
      Mission: DEMO-000001 DEMO_V1_1
      Archive: 193732 bytes, SHA-256 <sha256>

      file                            bytes  SHA-256       made again
      MANIFEST.json                    1719  <sha256…>  DIFFERENT
      README.md                        2369  <sha256…>  identical
      extra                               0  <sha256…>  DIFFERENT
      flight_recorder.jsonl            5877  <sha256…>  identical
      frozen_calls.json                2159  <sha256…>  identical
      hash_lineage.json                1689  <sha256…>  identical
      mission.json                     1729  <sha256…>  identical
      module.wasm                     82718  <sha256…>  identical
      outputs/1-summarise.output        493  <sha256…>  identical
      replay_transcript.txt             285  <sha256…>  identical
      rollback_log.json                   3  <sha256…>  identical
      run.coorun                      93399  <sha256…>  identical

      Execution: none, because the pack contradicts itself
      Result: DIFFERENT
    --- standard error
    ERROR: pack the pack: differs: file extra
    hint: get a new copy
    --- exit 3

    one file less
    $ coo verify 'the pack'
    Verify pack the pack
      Mission: DEMO-000001 DEMO_V1_1
      Archive: 191533 bytes, SHA-256 <sha256>

      file                            bytes  SHA-256       made again
      MANIFEST.json                    1435  <sha256…>  DIFFERENT
      README.md                        2369  <sha256…>  identical
      flight_recorder.jsonl            5877  <sha256…>  identical
      frozen_calls.json                2159  <sha256…>  identical
      hash_lineage.json                1689  <sha256…>  identical
      mission.json                        0  -             MISSING
      module.wasm                     82718  <sha256…>  identical
      outputs/1-summarise.output        493  <sha256…>  identical
      replay_transcript.txt             285  <sha256…>  identical
      rollback_log.json                   3  <sha256…>  identical
      run.coorun                      93399  <sha256…>  identical

      Execution: none, because the pack contradicts itself
      Result: DIFFERENT
    --- standard error
    ERROR: pack the pack: differs: file mission.json
    hint: get a new copy
    --- exit 3

    a run file that does not vouch for itself
    $ coo verify 'the pack'
    Verify pack the pack
      Archive: 193509 bytes, SHA-256 <sha256>
      Execution: none, because the pack is not whole
      Result: DIFFERENT
    --- standard error
    ERROR: pack the pack: run.coorun: was changed or cut short: its content has SHA-256 <sha256…>, its first line says <sha256…>
    hint: get a new copy
    --- exit 3
    ");
}

#[test]
fn a_file_that_is_no_pack_or_too_large_is_refused() {
    let world = World::new();
    let large = std::fs::File::create(world.path().join("large.zip")).unwrap();
    std::os::unix::fs::FileExt::write_at(&large, b"PK\x03\x04", 0).unwrap();
    large.set_len(PACK_BYTES_MAX + 1).unwrap();
    assert_snapshot!(world.told("verify large.zip"), @"
    $ coo verify large.zip
    --- standard error
    ERROR: file large.zip: more than 268435456 bytes, which is the limit
    --- exit 1
    ");
    world.file("newer.zip", {
        let text = br#"{"format": "coo-pack/2"}"#.to_vec();
        let files = [("MANIFEST.json".to_owned(), text)].into();
        coo::inside::machine::archive::stored(&files).unwrap()
    });
    assert_snapshot!(world.told("verify newer.zip"), @"
    $ coo verify newer.zip
    --- standard error
    ERROR: pack newer.zip: MANIFEST.json: has format coo-pack/2, this build reads coo-pack/1
    hint: use the coo that wrote it
    --- exit 1
    ");
}
