//! Tensors, in JSON and as raw bytes.

use super::*;

#[test]
fn halves_are_exact() {
    for (bits, value) in [
        (0x0000, 0.0),
        (0x3c00, 1.0),
        (0xc000, -2.0),
        (0x7bff, 65504.0),
        (0x0001, 5.960464477539063e-8),
        (0x0400, 6.103515625e-5),
        (0x3555, 0.333251953125),
        (0x7c00, f64::INFINITY),
        (0xfc00, f64::NEG_INFINITY),
    ] {
        assert_eq!(half(bits), value, "{bits:x}");
    }
    assert!(half(0x7e00).is_nan());
    assert_eq!(half(0x8000).to_bits(), (-0.0_f64).to_bits());
}

#[test]
fn every_datatype_is_decoded() {
    for (name, bytes, expected) in [
        ("BOOL", &[1, 0][..], [1.0, 0.0]),
        ("UINT8", &[200, 1], [200.0, 1.0]),
        ("INT8", &[200, 1], [-56.0, 1.0]),
        ("UINT16", &[0, 128, 1, 0], [32768.0, 1.0]),
        ("INT16", &[0, 128, 1, 0], [-32768.0, 1.0]),
        ("FP16", &[0, 0x3c, 0, 0xc0], [1.0, -2.0]),
        ("UINT32", &[0, 0, 0, 128, 1, 0, 0, 0], [2147483648.0, 1.0]),
        ("INT32", &[0, 0, 0, 128, 1, 0, 0, 0], [-2147483648.0, 1.0]),
        ("FP32", &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0], [1.0, -2.0]),
        ("UINT64", &[0, 0, 0, 0, 0, 0, 0, 128, 1, 0, 0, 0, 0, 0, 0, 0], [9223372036854775808.0, 1.0]),
        ("INT64", &[0, 0, 0, 0, 0, 0, 0, 128, 1, 0, 0, 0, 0, 0, 0, 0], [-9223372036854775808.0, 1.0]),
        ("FP64", &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0], [1.0, -2.0]),
    ] {
        let datatype = Datatype::of(name).unwrap();
        assert_eq!(datatype.as_str(), name);
        assert_eq!(datatype.decode(bytes, 2), Ok(Data::Numbers(expected.to_vec())), "{name}");
        let short = datatype.decode(&bytes[1..], 2).unwrap_err();
        assert_eq!(short.cause(), Cause::Shape, "{name}");
    }
    let bytes = Datatype::Bytes.decode(b"\x02\0\0\0ab\0\0\0\0", 2);
    assert_eq!(bytes, Ok(Data::Texts(vec![Some("ab".into()), Some("".into())])));
    for (wrong, count) in [(&b"\x02\0\0\0a"[..], 1), (b"\0\0\0\0\0", 1), (b"\0\0\0\0", 2), (b"", 1)] {
        assert_eq!(Datatype::Bytes.decode(wrong, count).unwrap_err().cause(), Cause::Shape);
    }
    assert_eq!(Datatype::Bytes.decode(b"\x01\0\0\0\xff", 1).unwrap_err().cause(), Cause::Value);
    assert_eq!(Datatype::of("fp64").unwrap_err().cause(), Cause::Datatype);
}

#[test]
fn numbers_of_json_have_their_datatype() {
    let read = |text: &'static str, name: &str| {
        let mut json = Scanner::new(text.as_bytes()).unwrap();
        let shape = Shape { rows: 1, columns: None };
        Data::read(&mut json, Datatype::of(name).unwrap(), shape).map_err(|refusal| refusal.cause())
    };
    assert_eq!(read("[0.1]", "FP32"), Ok(Data::Numbers(vec![f64::from(0.1_f32)])));
    assert_eq!(read("[0.1]", "FP64"), Ok(Data::Numbers(vec![0.1])));
    assert_eq!(read("[true]", "BOOL"), Ok(Data::Numbers(vec![1.0])));
    assert_eq!(read("[3.0]", "INT64"), Ok(Data::Numbers(vec![3.0])));
    assert_eq!(read("[null]", "BYTES"), Ok(Data::Texts(vec![None])));
    for missing in ["[null]", "[NaN]", "[\"NaN\"]"] {
        let Ok(Data::Numbers(numbers)) = read(missing, "INT64") else { panic!("{missing}") };
        assert!(numbers[0].is_nan());
    }
    for (text, name, cause) in [
        ("[3.5]", "INT64", Cause::Value),
        ("[300]", "UINT8", Cause::Value),
        ("[-1]", "UINT64", Cause::Value),
        ("[2]", "BOOL", Cause::Value),
        ("[\"3\"]", "FP64", Cause::Value),
        ("[3]", "BYTES", Cause::Value),
        ("[0.5]", "FP16", Cause::Datatype),
        ("[[0.5]]", "FP64", Cause::Shape),
        ("[1,2]", "FP64", Cause::Shape),
        ("[]", "FP64", Cause::Shape),
        ("3", "FP64", Cause::Form),
    ] {
        assert_eq!(read(text, name), Err(cause), "{text}");
    }
}

#[test]
fn nested_data_has_the_lists_of_its_shape() {
    let read = |text: &str| {
        let mut json = Scanner::new(text.as_bytes()).unwrap();
        Data::read(&mut json, Datatype::Fp64, Shape { rows: 2, columns: Some(3) }).is_ok()
    };
    assert!(read("[1,2,3,4,5,6]") && read("[[1,2,3],[4,5,6]]"));
    for wrong in [
        "[[1,2],[3,4],[5,6]]",
        "[[1,2,3,4,5,6]]",
        "[[1,2,3],4,5,6]",
        "[1,2,3,[4,5,6]]",
        "[[1,2,3]]",
        "[[[1,2,3],[4,5,6]]]",
    ] {
        assert!(!read(wrong), "{wrong}");
    }
}
