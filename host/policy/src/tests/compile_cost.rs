//! Components that are costly to compile are refused first: each cap, obeyed and violated.

use super::*;

/// A component with one core module of `fields`.
fn module(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(component (core module {fields}))")).unwrap()
}

/// `largest` of something is allowed, one more is not.
#[track_caller]
fn pair(largest: usize, what: &str, make: impl Fn(usize) -> Vec<u8>) {
    let read = |count| ComponentSummary::read(&make(count), &Budget::default());
    read(largest).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let error = read(largest + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyIncompatible, "{error:?}");
    assert!(error.message().contains(what), "{error}");
}

fn function(body: &str) -> Vec<u8> {
    module(&format!(
        "(type (func)) (type $wide (func (param i32 i32 i32 i32 i32 i32 i32) (result i32))) \
                     (table 1 funcref) (memory 1) (func $f (type 0)) (func (param i32) (local i32) {body})"
    ))
}

#[test]
fn elements() {
    let segment = |count: usize| {
        module(&format!("(table 1 funcref) (func) (elem (i32.const 0) func {})", "0 ".repeat(count)))
    };
    pair(31_999, "element segments and entries", segment);
    let empty =
        |count: usize| module(&format!("(table 1 funcref) {}", "(elem (i32.const 0) func)".repeat(count)));
    pair(32_000, "element segments and entries", empty);
}

#[test]
fn globals() {
    pair(4_000, "globals", |count| module(&"(global i64 (i64.const 1))".repeat(count)));
}

#[test]
fn globals_of_all_modules_count() {
    let two = |count: usize| {
        let globals = "(global i64 (i64.const 1))";
        let modules =
            format!("(core module {}) (core module {})", globals.repeat(2_000), globals.repeat(count));
        wat::parse_str(format!("(component {modules})")).unwrap()
    };
    pair(2_000, "globals", two);
}

#[test]
fn data_segments() {
    pair(40_000, "data segments", |count| {
        module(&format!("(memory 1) {}", "(data (i32.const 0) \"\")".repeat(count)))
    });
}

#[test]
fn constant_expressions() {
    // `i32.const 0` and `end` are three bytes, each further constant and its addition three more.
    let long =
        |count: usize| module(&format!("(global i32 i32.const 0 {})", "i32.const 0 i32.add ".repeat(count)));
    pair(((256 << 10) - 3) / 3, "bytes of constant expressions", long);
}

#[test]
fn imports_and_exports_of_modules() {
    pair(10_000, "imports between its modules", |count| module(&"(import \"a\" \"b\" (func))".repeat(count)));
    let exports = |count: usize| {
        let exports: String = (0..count).map(|index| format!("(export \"{index}\" (func 0))")).collect();
        module(&format!("(func) {exports}"))
    };
    pair(20_000, "exports of its modules", exports);
}

#[test]
fn params_and_results() {
    let wide = |count: usize| module(&format!("(type (func (param {})))", "i32 ".repeat(count)));
    pair(64, "params and results of one function", wide);
}

#[test]
fn locals() {
    pair(1_200, "locals in one function", |count| {
        module(&format!("(func (local {}))", "i32 ".repeat(count)))
    });
}

#[test]
fn nested_blocks() {
    pair(4_000, "nested blocks", |count| {
        // In bytes, because the reader of texts is recursive.
        let mut code = vec![0];
        code.extend([0x02, 0x40].repeat(count));
        code.extend([0x0b].repeat(count + 1));
        module_of_body(&code)
    });
}

#[test]
fn instructions() {
    // One is the final `end`.
    pair(399_999, "instructions", |count| function(&"nop ".repeat(count)));
}

#[test]
fn values_that_calls_move() {
    // Nine for the call and its eight values, seven for its arguments, one for its result.
    let call = "local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 call $wide drop ";
    let calls = |count: usize| {
        module(&format!(
            "(func $wide (param i32 i32 i32 i32 i32 i32 i32) (result i32) local.get 0) (func (param i32) {})",
            call.repeat(count)
        ))
    };
    pair(399_999 / 17, "values moved by calls and branches", calls);
}

#[test]
fn locals_written_in_blocks() {
    // Each block holds one write directly and all those of the blocks in it.
    let nested = |count: usize| {
        let mut code = vec![1, 250, 1, 0x7f];
        code.extend([0x02, 0x40].repeat(300));
        for local in 0..250_usize {
            code.extend([0x41, 0, 0x21]);
            code.extend(if local < 128 { vec![local as u8] } else { vec![(local as u8 & 0x7f) | 0x80, 1] });
        }
        code.extend([0x0b].repeat(300));
        // One more is written in a single block, so often.
        code.extend([0x02, 0x40, 0x41, 0, 0x21, 0, 0x0b].repeat(count));
        code.push(0x0b);
        module_of_body(&code)
    };
    pair(0, "locals written in blocks", nested);
}

#[test]
fn locals_times_blocks() {
    let body = |count: usize| {
        let locals = "i32 ".repeat(1_000);
        module(&format!("(func (local {locals}) {})", "block end ".repeat(count)))
    };
    pair(4_000, "locals times blocks", body);
}

#[test]
fn indirect_calls() {
    pair(3_000, "indirect calls", |count| function(&"(call_indirect (type 0) (i32.const 0)) ".repeat(count)));
}

/// The operators of a loop in which a branch to `label` is not taken.
fn nested_loops(count: usize, branches: &str) -> String {
    format!("{} {branches} {}", "loop ".repeat(count), "end ".repeat(count))
}

#[test]
fn loops() {
    pair(3_000, "loops", |count| function(&"loop end ".repeat(count)));
    let many = |count: usize| module(&format!("(func {})", "loop end ".repeat(1_000)).repeat(count));
    // Each has a million pairs of loops.
    pair(10, "loops, squared for each function", many);
}

#[test]
fn loops_around_branches() {
    let branches = |count: usize| function(&nested_loops(100, &"i32.const 0 br_if 7 ".repeat(count)));
    pair(1_000, "loops around branches", branches);
    // Blocks around branches cost nothing.
    let blocks = format!(
        "{} {} {}",
        "block ".repeat(2_000),
        "i32.const 0 br_if 7 ".repeat(1_900),
        "end ".repeat(2_000)
    );
    ComponentSummary::read(&module(&format!("(func {blocks})")), &Budget::default()).unwrap();
    let table = |count: usize| {
        let targets = "7 ".repeat(count);
        function(&nested_loops(100, &format!("i32.const 0 br_table {targets} 7")))
    };
    pair(1_000, "loops around branches", table);
    let many = |count: usize| {
        let body = nested_loops(100, &"i32.const 0 br_if 7 ".repeat(1_000));
        module(&format!("(func {body})").repeat(count))
    };
    pair(10, "loops around branches, counted over all functions", many);
}

#[test]
fn values_that_survive_calls() {
    let calls = |count: usize| {
        function(&format!(
            "{} {} {}",
            "i32.const 0 ".repeat(1_000),
            "call $f ".repeat(count),
            "drop ".repeat(1_000)
        ))
    };
    pair(5_000, "values that survive calls", calls);
    let through_table = |count: usize| {
        let calls = "i32.const 0 call_indirect (type 0) ".repeat(count);
        function(&format!("{} {calls} {}", "i32.const 0 ".repeat(5_000), "drop ".repeat(5_000)))
    };
    pair(1_000, "values that survive calls", through_table);
}

#[test]
fn values_are_counted_where_blocks_and_branches_take_and_leave_them() {
    // A call after each block finds the stack as high as before it: 1,000 values, however much was pushed in the block.
    let block = "block (result i32) i32.const 1 i32.const 2 i32.const 3 drop i32.const 0 br_table 0 0 end drop \
                 i32.const 1 if (result i32) i32.const 1 i32.const 2 drop else i32.const 3 end drop \
                 block i32.const 1 i32.const 2 return end call $f ";
    let calls = |count: usize| {
        let body =
            format!("{} {} {}", "i32.const 0 ".repeat(10_000), block.repeat(count), "drop ".repeat(10_000));
        module(&format!("(type (func)) (func $f (type 0)) (func {body})"))
    };
    pair(500, "values that survive calls", calls);
}

#[test]
fn types() {
    pair(100_000, "types in one module", |count| {
        let mut types = Vec::new();
        refused::leb128(&mut types, count);
        types.extend([0x60, 0, 0].repeat(count));
        module_of(&[(1, &types)])
    });
}

/// Components that took minutes: one function with 1,999 nested loops and as many branches, 4 and 40 times, and one with 60,000
/// values that wait on the stack for as many calls.
#[test]
fn what_took_minutes_is_refused_at_once() {
    let started = std::time::Instant::now();
    let branches: String = (0..1_999).map(|label| format!("i32.const 0 br_if {label} ")).collect();
    let loops = format!("(func {})", nested_loops(1_999, &branches));
    let values = format!("{} {}", "call 0 ".repeat(60_000), "call 1 ".repeat(60_000));
    let values = format!("(func (result i32) i32.const 0) (func (param i32)) (func {values})");
    for fields in [loops.repeat(4), loops.repeat(40), values] {
        let bytes = module(&fields);
        let error = ComponentSummary::read(&bytes, &Budget::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyIncompatible, "{error:?}");
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn what_one_function_may_cost_not_many_may() {
    let many = |count: usize| {
        let function = format!("(func {})", "(call_indirect (type 0) (i32.const 0)) ".repeat(3_000));
        module(&format!("(type (func)) (table 1 funcref) {}", function.repeat(count)))
    };
    pair(8, "indirect calls, counted over all functions", many);
    let nested = |count: usize| {
        let function = format!("(func (local {}) {}", "i32 ".repeat(250), "block ".repeat(200));
        let writes: String = (0..250).map(|local| format!("i32.const 0 local.set {local} ")).collect();
        module(&format!("{function}{writes}{})", "end ".repeat(200)).repeat(count))
    };
    // Each of these writes 50,000 locals in blocks.
    pair(3, "squared for each function", nested);
}

#[test]
fn how_a_component_is_put_together() {
    let core = |count: usize| {
        format!("(component (core module $m) {})", "(core instance (instantiate $m))".repeat(count))
    };
    pair(400, "core instances", |count| wat::parse_str(core(count)).unwrap());
    let components =
        |count: usize| format!("(component (component $c) {})", "(instance (instantiate $c))".repeat(count));
    pair(8, "instances of components", |count| wat::parse_str(components(count)).unwrap());
    let types = |count: usize| format!("(component {})", "(type u8)".repeat(count));
    pair(6_000, "definitions outside its modules", |count| wat::parse_str(types(count)).unwrap());
    let calls = |count: usize| {
        let lower = "(core func (canon lower (func $f)))".repeat(count);
        format!("(component (import \"f\" (func $f)) {lower})")
    };
    pair(64, "calls between components", |count| wat::parse_str(calls(count)).unwrap());
}

/// Seconds of processor time, and the most MB of memory, that this process has taken so far.
fn taken() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let ticks = |field: usize| after_name.split(' ').nth(field).unwrap().parse::<u64>().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    // User and system time; a tick is a hundredth of a second.
    ((ticks(11) + ticks(12)) / 100, kilobytes / 1024)
}

/// Prints what it took: SECURITY.md quotes it.
#[test]
#[ignore = "takes minutes of all cores: cargo xtask test --all"]
fn the_slowest_instructions_that_the_caps_allow_are_compiled() {
    let function = format!("(func (result f32) f32.const 0 {})", "f32.nearest ".repeat(399_000));
    let bytes = limits::many_instances(1, &function, 28);
    let started = std::time::Instant::now();
    Policy::load(engine(), &bytes, &Budget::default()).unwrap();
    let (seconds, megabytes) = taken();
    println!(
        "{} bytes compiled in {:.0?}, {seconds} s of processor time and {megabytes} MB",
        bytes.len(),
        started.elapsed()
    );
    assert_engine_is_sound();
}

/// A component with a module of one function, whose locals and code are these bytes.
fn module_of_body(body: &[u8]) -> Vec<u8> {
    let mut code = vec![1];
    refused::leb128(&mut code, body.len());
    code.extend(body);
    module_of(&[(1, &[1, 0x60, 0, 0]), (3, &[1, 0]), (10, &code)])
}

/// A component with a module of these sections.
fn module_of(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let section = |bytes: &mut Vec<u8>, id: u8, content: &[u8]| {
        bytes.push(id);
        refused::leb128(bytes, content.len());
        bytes.extend(content);
    };
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in sections {
        section(&mut module, *id, content);
    }
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    section(&mut component, 1, &module);
    component
}
