//! Components that are made to be slow, large or deep. Each is refused at once, or costs its own process no more than the limits.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{engine, hydra_registry, limits, with_module, with_text};
use hydra_base::error::{ErrorCategory, ErrorKind};
use hydra_policy::{Budget, Policy};

const DROP_TWO: &str = "drop drop ";

/// A component, and what it is.
type Attack = (&'static str, Vec<u8>);

/// A function without params that is `times` this.
fn function(instructions: &str, times: usize) -> String {
    format!("(func {})", instructions.repeat(times))
}

/// Blocks of a kind within each other, with something in the innermost.
fn nested(open: &str, count: usize, inside: &str) -> String {
    format!("{} {inside} {}", open.repeat(count), "end ".repeat(count))
}

/// A branch to each of `count` blocks.
fn branches(count: usize) -> String {
    (0..count).map(|label| format!("i32.const 0 br_if {label} ")).collect()
}

fn control_flow() -> Vec<Attack> {
    let loops = |count: usize| function(&nested("loop ", count, &branches(count)), 1);
    let table = |targets: usize, blocks: usize| {
        let targets: String = (0..targets).map(|target| format!("{} ", target % blocks)).collect();
        function(&nested("block ", blocks, &format!("i32.const 0 br_table {targets} 0")), 1)
    };
    let locals = |kind: &str, count: usize| format!("(local {})", format!("{kind} ").repeat(count));
    let writes: String = (0..1_000).map(|local| format!("i32.const 1 local.set {local} ")).collect();
    let v128: String = (0..1_000)
        .map(|local| format!("local.get {local} i32.const 0 i8x16.splat i8x16.add local.set {local} "))
        .collect();
    let results = "i32 ".repeat(60);
    let many = format!("block (result {results}) {} end {} ", "i32.const 1 ".repeat(60), "drop ".repeat(60));
    vec![
        ("nested loops with branches, over the caps", with_text(&loops(1_999).repeat(4))),
        ("nested loops with branches", with_text(&loops(315).repeat(10))),
        ("the most loops of a function", with_text(&function("loop i32.const 0 br_if 0 end ", 3_000))),
        ("loops in many functions", with_text(&function("loop i32.const 0 br_if 0 end ", 100).repeat(1_000))),
        ("nested blocks", with_text(&function(&nested("block ", 4_000, &branches(3_000)), 1))),
        ("nested ifs", with_text(&function(&nested("i32.const 1 if ", 4_000, ""), 1))),
        ("a table of branches", with_text(&table(190_000, 1))),
        ("a table of branches to all blocks", with_text(&table(190_000, 4_000))),
        (
            "locals written in blocks",
            with_text(&format!("(func {} {})", locals("i32", 1_000), nested("loop ", 70, &writes))),
        ),
        (
            "locals in many blocks",
            with_text(&format!("(func {} {})", locals("i64", 1_200), "block end ".repeat(3_300))),
        ),
        ("vectors in locals", with_text(&format!("(func {} {})", locals("v128", 1_000), v128.repeat(60)))),
        ("blocks that leave many values", with_text(&function(&many, 1_500))),
        (
            "code that is never reached",
            with_text(&format!("(func unreachable {})", "i32.const 1 drop ".repeat(199_000))),
        ),
    ]
}

fn instructions() -> Vec<Attack> {
    let unary = |first: &str, instruction: &str, count: usize| {
        format!("(func {first} {} drop)", instruction.repeat(count))
    };
    let memory = "(memory 1)";
    let shuffle =
        format!("i8x16.shuffle {}", (0..16).map(|lane| format!("{} ", 31 - lane)).collect::<String>());
    let vectors = format!(
        "(func v128.const i64x2 1 2 {} drop)",
        format!("v128.const i64x2 3 4 {shuffle}").repeat(50_000)
    );
    let calls = |held: usize, count: usize| {
        let (held, drops) = ("call 0 ".repeat(held), "call 1 ".repeat(held));
        format!(
            "(func (result i32) i32.const 0) (func (param i32)) (func {held} {} {drops})",
            "call 0 drop ".repeat(count)
        )
    };
    let wide = format!("(func (param {}))", "i64 ".repeat(60));
    let wide = format!("{wide} (func {})", format!("{} call 0 ", "i64.const 1 ".repeat(60)).repeat(3_000));
    let indirect = "(type (func)) (table 1 funcref)";
    vec![
        ("slow roundings", with_text(&unary("f32.const 0", "f32.nearest ", 399_000))),
        (
            "slow roundings in many functions",
            with_text(&unary("f64.const 0", "f64.nearest ", 399_000).repeat(4)),
        ),
        (
            "slow conversions",
            with_text(&unary("f64.const 0", "i64.trunc_sat_f64_u f64.convert_i64_u ", 199_000)),
        ),
        ("slow divisions", with_text(&unary("i64.const 1", "i64.const 7 i64.rem_s ", 199_000))),
        ("a deep expression", with_text(&unary("i32.const 1", "i32.eqz ", 399_000))),
        (
            "a wide expression",
            with_text(&format!(
                "(func {} {} drop)",
                "i32.const 1 ".repeat(190_000),
                "i32.add ".repeat(189_999)
            )),
        ),
        ("shuffles", with_text(&vectors)),
        (
            "filled memory",
            with_text(&format!(
                "{memory} {}",
                function("i32.const 0 i32.const 0 i32.const 9 memory.fill ", 90_000)
            )),
        ),
        (
            "loads from memory",
            with_text(&format!(
                "{memory} {}",
                function("i32.const 0 i64.load offset=4000000000 drop ", 130_000)
            )),
        ),
        (
            "grown memory",
            with_text(&format!("{memory} {}", function("i32.const 1 memory.grow drop ", 130_000))),
        ),
        ("values that survive calls", with_text(&calls(2_200, 0))),
        ("values that survive calls, over the caps", with_text(&calls(60_000, 0))),
        ("calls", with_text(&calls(1, 130_000))),
        ("calls with many arguments", with_text(&wide)),
        (
            "indirect calls",
            with_text(&format!(
                "{indirect} {}",
                function("i32.const 0 call_indirect (type 0) ", 3_000).repeat(8)
            )),
        ),
        (
            "selections",
            with_text(&function(
                &format!("i64.const 1 i64.const 2 i32.const 3 select i64.const 4 {DROP_TWO}"),
                60_000,
            )),
        ),
    ]
}

fn structure() -> Vec<Attack> {
    let mut constant = "i32.const 1 ".to_owned();
    constant += &"i32.const 1 i32.add ".repeat(80_000);
    let exports: String = (0..20_000).map(|index| format!("(export \"{index:050}\" (func 0))")).collect();
    let types = (0..99_000).map(|_| "(type (func (param i32)))").collect::<String>();
    let custom = [b"\0asm\x01\0\0\0\0\x80\x80\x80\x08\x01x".to_vec(), vec![0; 0x0100_0000 - 2]].concat();
    let data = format!("(memory 400) (data (i32.const 0) \"{}\")", "x".repeat(8_000_000));
    vec![
        ("many functions", with_text(&"(func)".repeat(99_000))),
        ("many types", with_text(&types)),
        ("too many types", with_text(&"(type (func))".repeat(200_000))),
        ("a long constant expression", with_text(&format!("(global i32 {constant})"))),
        ("many globals", with_text(&"(global (mut i64) i64.const 1)".repeat(4_000))),
        ("many exports", with_text(&format!("(func) {exports}"))),
        ("many segments", with_text(&format!("(memory 1) {}", "(data (i32.const 0) \"\")".repeat(40_000)))),
        ("much data", with_text(&data)),
        (
            "a huge table",
            with_text(&format!(
                "(table 10000000 funcref) (func) (elem (i32.const 0) func {})",
                "0 ".repeat(31_000)
            )),
        ),
        ("a huge memory", with_text("(memory 65536)")),
        ("an endless start function", with_text("(func loop br 0 end) (start 0)")),
        ("an unknown section", with_module(&custom)),
    ]
}

/// The default policy with another component in it, which has indices of its own.
fn with_definitions(text: &str) -> Vec<u8> {
    let component = wat::parse_str(format!("(component (component {text}))")).expect("a component");
    [Policy::default_bytes(), &component[8..]].concat()
}

fn composition() -> Vec<Attack> {
    let mut doubled = String::from("(type $t0 (tuple u8 u8))");
    for level in 1..60 {
        let _ = write!(doubled, "(type $t{level} (tuple $t{} $t{}))", level - 1, level - 1);
    }
    let cases: String = (0..3_000).map(|case| format!("(case \"c{case}\" u64)")).collect();
    let fields: String = (0..3_000).map(|field| format!("(field \"f{field}\" string)")).collect();
    let module = "(core module $m (memory 1) (func (export \"f\")) (table 100 funcref))";
    let mut levels = String::from("(component $c0 (core module $m (func)) (core instance (instantiate $m)))");
    for level in 1..6 {
        let inside = format!("(instance (instantiate $c{})) ", level - 1);
        levels = format!("(component $c{level} {levels} {inside}{inside})");
    }
    let nested = |depth: usize| format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
    let deep_types = format!("{}{}", "(type (component ".repeat(40), "))".repeat(40));
    let instances = format!("{module} {}", "(core instance (instantiate $m))".repeat(390));
    vec![
        ("types that double", with_definitions(&doubled)),
        ("a variant with many cases", with_definitions(&format!("(type (variant {cases}))"))),
        ("a record with many fields", with_definitions(&format!("(type (record {fields}))"))),
        ("many definitions", with_definitions(&"(type (list u8))".repeat(5_000))),
        ("many instances", with_definitions(&instances)),
        ("instances that double", with_definitions(&levels)),
        ("nested components", with_definitions(&nested(7))),
        ("too many nested components", with_definitions(&nested(60))),
        ("nested types", with_definitions(&deep_types)),
    ]
}

/// Damaged versions of components that are costly to compile.
fn mutations() -> Vec<Attack> {
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    let sources = [control_flow().swap_remove(1).1, composition().swap_remove(5).1];
    let mutated = (0..12).map(|index| {
        let mut bytes = sources[index % sources.len()].clone();
        for _ in 0..=next() % 4 {
            // The header stays: otherwise nothing is read.
            let at = 8 + next() % (bytes.len() - 8);
            bytes[at] = next() as u8;
        }
        ("a mutation", bytes)
    });
    mutated.collect()
}

#[test]
#[ignore = "takes minutes of all cores: cargo xtask test --all"]
fn hostile_components_cost_their_own_process_at_most_the_limits() {
    let dir = tempfile::tempdir().expect("a directory");
    let engine = engine(hydra_registry(), limits(2 << 30, 10, 60), dir.path());
    let attacks = [control_flow(), instructions(), structure(), composition(), mutations()].concat();
    assert!(attacks.len() >= 50, "{}", attacks.len());
    for (what, bytes) in attacks {
        let started = Instant::now();
        let loaded = Policy::load(&engine, &bytes, &Budget::default());
        let elapsed = started.elapsed();
        // The checks before compiling, and the decision, are not under these limits.
        assert!(elapsed < Duration::from_secs(180), "{what}: {elapsed:?}");
        let outcome = loaded.as_ref().map_or_else(|error| error.kind().as_str(), |_| "compiled");
        println!("{:>9} bytes, {:>6.1} s: {outcome}: {what}", bytes.len(), elapsed.as_secs_f64());
        if let Err(error) = loaded {
            assert_eq!(error.kind().category(), ErrorCategory::Policy, "{what}: {error:?}");
            assert_ne!(error.kind(), ErrorKind::PolicyCompileCrash, "{what}: {error:?}");
        }
    }
    Policy::load_default(&engine, &Budget::default()).expect("the default policy");
}
