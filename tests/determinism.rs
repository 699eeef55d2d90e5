//! Determinism: the same mission in fresh worlds has the same chain head, fuel and memory; a
//! guest's numbers have the same bits; fuel is the same at every optimisation level and with
//! every allocator, and every operator is paid for, in proportion to the bytes it moves.

use coo::inside::program::engine::{Sandbox, build_tuned, build_with};
use coo_kernel::mission::descriptor::EngineSettings;
use serde_json::{Value, json};
use wasmtime::{
    Config, Engine, Instance, InstanceAllocationStrategy, Module, OptLevel,
    PoolingAllocationConfig, Store, Trap,
};

use crate::support::model_server::{ModelServer, Response};
use crate::support::{World, mission_id};

/// What has to be the same wherever a mission runs.
fn outcome(world: &World, id: &str) -> Value {
    let inspect = world.json(&["inspect", id]);
    let facts = &inspect["facts"];
    json!([
        inspect["chain_head"],
        inspect["events"],
        inspect["status"],
        facts["fuel"],
        facts["memory_peak_bytes"],
        facts["engine_sha256"],
    ])
}

/// Runs `mission` in three fresh worlds, the last one twice (the second time from compiled
/// code), and holds all outcomes to be the same; gives the output.
fn same_everywhere(
    mut world: impl FnMut() -> World,
    mission: impl Fn(&World) -> crate::support::Ran,
) -> String {
    let mut outcomes = Vec::new();
    let mut outputs = Vec::new();
    let mut run = |world: &World| {
        let ran = mission(world);
        outcomes.push(outcome(world, &mission_id(&ran)));
        outputs.push((ran.code, ran.stdout));
    };
    run(&world());
    run(&world());
    let last = world();
    run(&last);
    run(&last);
    for other in &outcomes[1..] {
        assert_eq!(other, &outcomes[0]);
    }
    for other in &outputs[1..] {
        assert_eq!(other, &outputs[0]);
    }
    assert!(outcomes[0][3].as_u64().unwrap() > 0, "it has burnt fuel");
    outputs.remove(0).1
}

fn guest(body: &str) -> String {
    same_everywhere(World::with_own_cache, |world| {
        let ran = world.run_guest(body, &json!({}));
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    })
}

#[test]
fn the_demo_is_the_same_everywhere() {
    let output = same_everywhere(World::with_own_cache, |world| {
        world.coo(&["run", "demo", "--frozen"])
    });
    assert!(!output.is_empty());
}

#[test]
fn a_mission_that_uses_every_import_is_the_same_everywhere() {
    // Each world has a model of its own: what is the same is the run, not the server.
    let mut servers = Vec::new();
    let fresh = || {
        let server = ModelServer::start(["A bug.", "billing"].map(Response::completion));
        let world = World::with_own_cache().with("COO_LLM_BASE_URL", server.base_url());
        servers.push(server);
        world
    };
    let output = same_everywhere(fresh, World::triage);
    assert!(output.contains(r#""bug":1"#), "{output}");
}

#[test]
fn a_failing_mission_is_the_same_everywhere() {
    let body = r#"
      (func $f (param $n i32)
        (drop (call $random_get (i32.const 1024) (i32.const 16)))
        (if (i32.eqz (local.get $n)) (then unreachable))
        (call $f (i32.sub (local.get $n) (i32.const 1))))
      (func (export "_start") (call $f (i32.const 20)))
    "#;
    same_everywhere(World::with_own_cache, |world| {
        let ran = world.run_guest(body, &json!({}));
        assert_eq!(ran.code, 1, "{ran:?}");
        ran
    });
}

#[test]
fn a_stack_overflow_is_the_same_everywhere() {
    same_everywhere(World::with_own_cache, |world| {
        let ran = world.run_guest(
            r#"(func $f (export "_start") (call $f) (call $f))"#,
            &json!({}),
        );
        assert!(ran.stderr.contains("call stack exhausted"), "{ran:?}");
        ran
    });
}

#[test]
fn clocks_random_numbers_and_input_are_the_same_everywhere() {
    let body = r#"
      (func (export "_start") (local $i i32)
        (loop $again
          (drop (call $random_get (i32.const 1024) (i32.const 4)))
          (call $print_hex (i32.load (i32.const 1024)))
          ;; Sleeps for as long as chance says.
          (drop (call $sleep (i32.const 1) (i64.load32_u (i32.const 1024)) (i32.const 0)))
          (call $print (call $now (i32.const 0)))
          (call $print (call $now (i32.const 1)))
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
        (loop $read
          (i32.store (i32.const 200) (i32.const 1024)) (i32.store (i32.const 204) (i32.const 7))
          (drop (call $fd_read (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 208)))
          (call $write (i32.const 1024) (i32.load (i32.const 208)))
          (br_if $read (i32.load (i32.const 208)))))
    "#;
    let output = same_everywhere(World::with_own_cache, |world| {
        world.guest("guest.wasm", body);
        world.file("input.txt", "What goes in comes out.\n".repeat(20));
        world.coo(&["run", "guest.wasm", "--input", "input.txt"])
    });
    assert!(output.ends_with("What goes in comes out.\n"), "{output}");
}

#[test]
fn a_run_over_many_slices_of_fuel_is_the_same_everywhere() {
    // The host looks at its clock in between; nothing of that may show.
    let body = r#"
      (func (export "_start") (local $n i32)
        (loop $again
          (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5000000))))
        (call $print (i64.extend_i32_u (local.get $n))))
    "#;
    let output = same_everywhere(World::with_own_cache, |world| {
        let ran = world.run_guest(body, &json!({}));
        let fuel = outcome(world, &mission_id(&ran))[3].as_u64().unwrap();
        assert!(
            fuel > 3 * coo::inside::program::engine::FUEL_SLICE,
            "{fuel}"
        );
        ran
    });
    assert_eq!(output, "5000000\n");
}

// Numbers.

/// NaNs made by every operator that makes any, from operands of every sign and payload.
const NANS: &str = r#"
  (func $f32 (param f32) (call $print_hex (i32.reinterpret_f32 (local.get 0))))
  (func $f64 (param f64)
    (call $print_hex (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 (local.get 0)) (i64.const 32))))
    (call $print_hex (i32.wrap_i64 (i64.reinterpret_f64 (local.get 0)))))
  (func $zero (result f32) (f32.load (i32.const 4096)))
  (func $payload (result f32) (f32.reinterpret_i32 (i32.const 0xffc12345)))
  (func (export "_start")
    (call $f32 (f32.div (call $zero) (call $zero)))
    (call $f32 (f32.sqrt (f32.sub (call $zero) (f32.const 1))))
    (call $f32 (f32.sub (f32.const inf) (f32.div (f32.const 1) (call $zero))))
    (call $f32 (f32.mul (call $zero) (f32.const inf)))
    (call $f32 (f32.add (call $payload) (f32.const 1)))
    (call $f32 (f32.min (f32.const 1) (call $payload)))
    (call $f32 (f32.max (call $payload) (f32.const 1)))
    (call $f32 (f32.ceil (call $payload)))
    (call $f32 (f32.demote_f64 (f64.div (f64.promote_f32 (call $zero)) (f64.const 0))))
    (call $f64 (f64.div (f64.promote_f32 (call $zero)) (f64.const 0)))
    (call $f64 (f64.promote_f32 (call $payload)))
    (call $f32 (f32x4.extract_lane 2 (f32x4.div (f32x4.splat (call $zero)) (f32x4.splat (call $zero))))))
"#;

#[test]
fn every_nan_that_arithmetic_makes_is_the_canonical_one() {
    let expected =
        "7fc00000\n".repeat(9) + "7ff80000\n00000000\n" + "7ff80000\n00000000\n" + "7fc00000\n";
    assert_eq!(guest(NANS), expected);
}

#[test]
fn nan_bits_that_are_only_moved_stay() {
    let body = r#"
      (func (export "_start")
        (i32.store (i32.const 1024) (i32.const 0x7fa00001))
        (f32.store (i32.const 1028) (f32.load (i32.const 1024)))
        (call $print_hex (i32.load (i32.const 1028)))
        (call $print_hex (i32.reinterpret_f32 (f32.neg (f32.const nan))))
        (call $print_hex (i32.reinterpret_f32 (f32.copysign (f32.const nan) (f32.const -1)))))
    "#;
    assert_eq!(guest(body), "7fa00001\nffc00000\nffc00000\n");
}

#[test]
fn relaxed_simd_has_its_deterministic_results() {
    // Fused or not, saturating or not: the proposal permits both, this engine has one.
    let body = r#"
      (func (export "_start")
        (call $print_hex (i32x4.extract_lane 0
          (i32x4.relaxed_trunc_f32x4_s (f32x4.splat (f32.const 1e20)))))
        (call $print_hex (i32x4.extract_lane 0
          (i32x4.relaxed_trunc_f32x4_u (f32x4.splat (f32.const nan)))))
        (call $print_hex (i8x16.extract_lane_u 0
          (i8x16.relaxed_swizzle (i8x16.splat (i32.const 7)) (i8x16.splat (i32.const 0x7f)))))
        (call $print_hex (i32.reinterpret_f32 (f32x4.extract_lane 0
          (f32x4.relaxed_madd
            (f32x4.splat (f32.const 0x1.001p0))
            (f32x4.splat (f32.const 0x1.001p0))
            (f32x4.splat (f32.const -1)))))))
    "#;
    // The last bit of 2^-11 + 2^-24 is what only a fused multiply-add keeps.
    assert_eq!(guest(body), "7fffffff\n00000000\n00000000\n3a000400\n");
}

#[test]
fn an_engine_of_other_settings_is_another_identity_and_another_chain() {
    let world = World::with_own_cache();
    world.guest("nan.wasm", NANS);
    let module = json!({"file": "nan.wasm"});
    let outcomes = [true, false].map(|canonical| {
        world.descriptor(
            "nan.json",
            &module,
            &json!({"engine": {"canonical_nan": canonical}}),
        );
        outcome(&world, &mission_id(&world.coo(&["run", "nan.json"])))
    });
    assert_ne!(outcomes[0][0], outcomes[1][0], "chain");
    assert_ne!(outcomes[0][5], outcomes[1][5], "engine");
}

// Fuel, by the engine alone.

/// Arithmetic, memory, tables, calls of every kind, and bulk operators.
const WORK: &str = r#"
  (module
    (memory 2 4)
    (table $t 8 funcref)
    (elem (i32.const 0) $leaf $leaf)
    (type $leaf (func (param i32) (result i32)))
    (func $leaf (type $leaf) (i32.mul (local.get 0) (i32.const 3)))
    (func $fib (param $n i32) (result i32)
      (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
        (then (local.get $n))
        (else (i32.add
          (call $fib (i32.sub (local.get $n) (i32.const 1)))
          (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
    (func (export "work") (result i32) (local $i i32) (local $sum i32) (local $x f64)
      (local.set $x (f64.const 1.5))
      (loop $again
        (local.set $sum (i32.add (local.get $sum)
          (call_indirect (type $leaf) (local.get $i) (i32.and (local.get $i) (i32.const 1)))))
        (local.set $x (f64.sqrt (f64.add (local.get $x) (f64.convert_i32_u (local.get $i)))))
        (i32.store (i32.mul (local.get $i) (i32.const 8)) (local.get $sum))
        (nop) (drop (i32.const 1)) (block (br_if 0 (local.get $i)))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 5000))
      (memory.copy (i32.const 10000) (i32.const 0) (i32.const 5000))
      (drop (memory.grow (i32.const 1)))
      (drop (table.grow $t (ref.null func) (i32.const 3)))
      (i32.add (i32.add (local.get $sum) (i32.trunc_sat_f64_s (local.get $x))) (call $fib (i32.const 12)))))
"#;

/// Calls the export and gives its result and the fuel it used.
fn burn(engine: &Engine, wat: &str, export: &str) -> (i32, u64) {
    const FULL: u64 = 100_000_000;
    let module = Module::new(engine, wat::parse_str(wat).unwrap()).unwrap();
    let mut store = Store::new(engine, ());
    store.set_fuel(FULL).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let function = instance
        .get_typed_func::<(), i32>(&mut store, export)
        .unwrap();
    let result = function.call(&mut store, ()).unwrap();
    (result, FULL - store.get_fuel().unwrap())
}

fn sandbox(optimisation: OptLevel) -> Sandbox {
    build_with(EngineSettings::default(), optimisation).unwrap()
}

#[test]
fn fuel_is_the_same_at_every_optimisation_level() {
    let [none, speed, size] =
        [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize].map(sandbox);
    let expected = burn(&speed.engine, WORK, "work");
    assert!(expected.1 > 25_000, "{expected:?}");
    assert_eq!(burn(&none.engine, WORK, "work"), expected);
    assert_eq!(burn(&size.engine, WORK, "work"), expected);
    // The level is nothing a guest can observe, so it is no part of the identity; the code
    // is another, so the cache tells it apart.
    assert_eq!(none.identity_sha256, speed.identity_sha256);
    assert_ne!(none.code_key, speed.code_key);
}

#[test]
fn fuel_is_the_same_from_run_to_run() {
    let engine = sandbox(OptLevel::Speed).engine;
    let first = burn(&engine, WORK, "work");
    assert!((0..3).all(|_| burn(&engine, WORK, "work") == first));
    assert_eq!(burn(&sandbox(OptLevel::Speed).engine, WORK, "work"), first);
}

#[test]
fn fuel_and_results_are_the_same_however_memory_is_laid_out() {
    let expected = burn(&sandbox(OptLevel::Speed).engine, WORK, "work");
    // Bounds checked by guard pages or in code; memories moved when they grow.
    let layouts: [fn(&mut Config); 4] = [
        |config| {
            config
                .memory_reservation(0)
                .memory_guard_size(0)
                .memory_reservation_for_growth(0);
        },
        |config| {
            config.guard_before_linear_memory(false);
        },
        |config| {
            config.memory_may_move(false).signals_based_traps(false);
        },
        // Instances from a pool that reuses its slots, as a batch of missions would have them.
        |config| {
            let mut pool = PoolingAllocationConfig::default();
            pool.total_core_instances(4)
                .total_memories(4)
                .total_tables(4)
                .total_stacks(4);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        },
    ];
    for (i, layout) in layouts.into_iter().enumerate() {
        let sandbox = build_tuned(EngineSettings::default(), layout).unwrap();
        assert_eq!(burn(&sandbox.engine, WORK, "work"), expected, "layout {i}");
    }
}

/// A function whose body is `body`, in a module with a memory and two tables.
fn one(body: &str) -> String {
    format!(
        r#"(module (memory 4) (table $t 9000 funcref) (table $u 9000 funcref) (data $d "0123456789")
             (func (export "f") (result i32) {body} (i32.const 0)))"#
    )
}

#[test]
fn bulk_operators_are_paid_for_in_proportion() {
    let engine = sandbox(OptLevel::Speed).engine;
    for (operator, most) in [
        (
            "(memory.fill (i32.const 0) (i32.const 1) (i32.const N))",
            200_000,
        ),
        (
            "(memory.copy (i32.const 8) (i32.const 0) (i32.const N))",
            200_000,
        ),
        (
            "(memory.init $d (i32.const 0) (i32.const 0) (i32.const N))",
            10,
        ),
        (
            "(table.fill $t (i32.const 0) (ref.null func) (i32.const N))",
            9_000,
        ),
        (
            "(table.copy $t $u (i32.const 0) (i32.const 0) (i32.const N))",
            9_000,
        ),
    ] {
        let fuel = |n: u64| burn(&engine, &one(&operator.replace('N', &n.to_string())), "f").1;
        let base = fuel(0);
        for n in [1, most / 2, most] {
            assert_eq!(fuel(n) - base, n, "{operator}");
        }
    }
    // A page of new memory is 64 KiB to be cleared.
    let grown = |n: u64| {
        burn(
            &engine,
            &one(&format!("(drop (memory.grow (i32.const {n})))")),
            "f",
        )
        .1
    };
    assert_eq!(grown(11) - grown(1), 10 * 255);
}

#[test]
fn data_segments_are_paid_for_by_the_byte_wherever_they_lie() {
    // Segments at known places could be mapped as one image, for nothing, but not on every
    // machine; those at computed places can't be anywhere.
    let engine = sandbox(OptLevel::Speed).engine;
    let fuel = |places: &[&str], bytes: usize| {
        let data = "x".repeat(bytes);
        let segments: Vec<String> = places
            .iter()
            .map(|place| format!("(data {place} \"{data}\")"))
            .collect();
        let segments = segments.concat();
        let text = format!(
            r#"(module (memory 1) {segments}
                 (func (export "f") (result i32) (i32.load8_u (i32.const 8))))"#
        );
        let (result, fuel) = burn(&engine, &text, "f");
        assert_eq!(
            result,
            if bytes > 8 || places.len() == 3 {
                120
            } else {
                0
            }
        );
        fuel
    };
    let places = [
        "(i32.const 0)",
        "(i32.const 60000)",
        "(i32.add (i32.const 4) (i32.const 4))",
    ];
    for count in 1..=places.len() {
        let places = &places[..count];
        assert_eq!(
            fuel(places, 1_008) - fuel(places, 8),
            1_000 * count as u64,
            "{places:?}"
        );
    }
}

#[test]
fn a_loop_of_fills_ends_by_fuel_in_proportion_to_its_bytes() {
    let engine = sandbox(OptLevel::Speed).engine;
    let filled = |fuel: u64| {
        let text = r#"(module (memory 1) (global $n (export "n") (mut i64) (i64.const 0))
            (func (export "f") (loop $l
              (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))
              (global.set $n (i64.add (global.get $n) (i64.const 65536))) (br $l))))"#;
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        store.set_fuel(fuel).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let function = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        function.call(&mut store, ()).unwrap_err();
        instance
            .get_global(&mut store, "n")
            .unwrap()
            .get(&mut store)
            .i64()
            .unwrap()
    };
    // Ten million units of fuel never buy more than ten million bytes.
    let bytes = filled(10_000_000);
    assert!((9_900_000..=10_000_000).contains(&bytes), "{bytes}");
}

#[test]
fn an_operator_costs_what_its_code_does() {
    let engine = sandbox(OptLevel::Speed).engine;
    let fuel = |body: String| burn(&engine, &one(&body), "f").1;
    let base = fuel(String::new());
    for (operator, cost) in [
        ("(nop)", 0),
        ("(block)", 0),
        ("(loop)", 0),
        ("(drop (i32.const 1))", 1),
        ("(if (i32.const 0) (then) (else))", 2),
        ("(drop (i32.add (i32.const 1) (i32.const 2)))", 3),
        ("(drop (i32.div_u (i32.const 1) (i32.const 2)))", 10),
        ("(drop (f64.sqrt (f64.const 1)))", 9),
    ] {
        let hundred = fuel(operator.repeat(100)) - base;
        assert_eq!(hundred, 100 * cost, "{operator}");
    }
}

/// An interpreter's dispatch stands in a block for each of its operations.
#[test]
fn a_switch_of_many_cases_costs_no_more_than_one_of_few() {
    let engine = sandbox(OptLevel::Speed).engine;
    let switch = |cases: usize| {
        let labels: Vec<String> = (0..cases).map(|case| case.to_string()).collect();
        let body = format!(
            "{}(br_table {} (i32.const 1)){}",
            "(block ".repeat(cases),
            labels.join(" "),
            ")".repeat(cases)
        );
        burn(&engine, &one(&body), "f").1
    };
    assert_eq!(switch(4), switch(250));
}

#[test]
fn no_loop_and_no_recursion_is_free() {
    let engine = sandbox(OptLevel::Speed).engine;
    for endless in ["(loop (br 0))", "(drop (call 0))"] {
        let module = Module::new(&engine, wat::parse_str(one(endless)).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        store.set_fuel(10_000).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let function = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
        let error = function.call(&mut store, ()).unwrap_err();
        assert_eq!(
            error.downcast_ref::<Trap>(),
            Some(&Trap::OutOfFuel),
            "{endless}"
        );
    }
}
