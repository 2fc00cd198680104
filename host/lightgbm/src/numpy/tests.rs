use super::*;

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), data].concat()
}

fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}   \n")
}

fn read(descr: &str, count: usize, data: &[u8]) -> Result<ClassLabels> {
    read_npy(&npy(&header(descr, &format!("({count},)")), data), 10)
}

#[test]
fn every_type_of_label_is_read() {
    let ints = |labels: &[i64]| ClassLabels::Ints(labels.to_vec());
    let strings =
        |labels: &[&str]| ClassLabels::Strings(labels.iter().map(|&label| label.to_owned()).collect());
    for (descr, count, data, labels) in [
        ("|i1", 2, vec![0xff, 0x7f], ints(&[-1, 127])),
        ("<i2", 1, vec![0x00, 0x80], ints(&[-32768])),
        (">i2", 1, vec![0x80, 0x00], ints(&[-32768])),
        ("<i4", 1, vec![0xfe, 0xff, 0xff, 0xff], ints(&[-2])),
        ("<i8", 2, [7_i64.to_le_bytes(), (-9_i64).to_le_bytes()].concat(), ints(&[7, -9])),
        ("|u1", 1, vec![0xff], ints(&[255])),
        (">u4", 1, vec![0xff, 0, 0, 1], ints(&[0xff00_0001])),
        ("<u8", 1, i64::MAX.to_le_bytes().to_vec(), ints(&[i64::MAX])),
        ("|b1", 2, vec![0, 1], ClassLabels::Bools(vec![false, true])),
        ("<f8", 1, 1.25_f64.to_le_bytes().to_vec(), ClassLabels::Floats(vec![1.25])),
        (">f4", 1, 1.25_f32.to_be_bytes().to_vec(), ClassLabels::Floats(vec![1.25])),
        (
            "<f2",
            3,
            vec![0x00, 0x3e, 0x01, 0x00, 0x00, 0xfc],
            ClassLabels::Floats(vec![1.5, 2f64.powi(-24), f64::NEG_INFINITY]),
        ),
        ("|S3", 2, b"no\0yes".to_vec(), strings(&["no", "yes"])),
        (
            "<U2",
            2,
            [0xe9_u32, 0, 0x1f600, 0x41].iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            strings(&["é", "😀A"]),
        ),
        (">U1", 1, vec![0, 0, 0x04, 0x34], strings(&["д"])),
    ] {
        assert_eq!(read(descr, count, &data).unwrap(), labels, "{descr}");
    }
}

#[test]
fn other_types_are_unsupported() {
    for descr in ["<c16", "<M8[ns]", "|V8", "<i3", "<f16", "", "<", "é8", "<i99999999999", "i+8", "<i-8"] {
        assert_eq!(read(descr, 1, &[0; 16]).unwrap_err().kind(), ErrorKind::UnsupportedModel, "{descr}");
    }
    assert_eq!(read("|O", 1, &[0; 8]).unwrap_err().kind(), ErrorKind::UnsupportedModel);
    assert_eq!(read("<u8", 1, &[0xff; 8]).unwrap_err().kind(), ErrorKind::UnsupportedModel);
}

#[test]
fn damage_is_an_error() {
    let whole = npy(&header("<i8", "(1,)"), &[0; 8]);
    assert!(read_npy(&whole, 1).is_ok());
    let mut bad: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    bad.push([whole.as_slice(), &[0]].concat());
    for (descr, shape) in [
        ("<i8", "(2,)"),
        ("<i8", "()"),
        ("<i8", "(1, 1)"),
        ("<i8", "(-1,)"),
        ("<i8", "(x,)"),
        ("<i8", "1"),
        ("<U0", "(1,)"),
        ("<i8", "(99999999999999999999,)"),
    ] {
        bad.push(npy(&header(descr, shape), &[0; 8]));
    }
    bad.push(npy("{}", &[0; 8]));
    bad.push(npy("{'descr': [('a', '<i8')], 'shape': (1,), }", &[0; 8]));
    bad.push(npy(&header("<U1", "(1,)"), &[0, 0xd8, 0, 0]));
    bad.push(npy(&header("|S1", "(1,)"), &[0xff]));
    bad.push(b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec());
    bad.push(b"\x93NUMPY\x09\x00\x01\x00 ".to_vec());
    for bytes in bad {
        assert_eq!(read_npy(&bytes, 10).unwrap_err().kind(), ErrorKind::InvalidModel, "{bytes:?}");
    }
    let many = npy(&header("|i1", "(11,)"), &[0; 11]);
    assert_eq!(read_npy(&many, 10).unwrap_err().kind(), ErrorKind::InvalidModel);
}
