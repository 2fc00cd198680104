//! Keys and signatures of openssl, both ways.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::*;

/// A directory with the keys that openssl makes.
struct Openssl(tempfile::TempDir);

impl Openssl {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, line: &str) -> String {
        let ran = Command::new("openssl").args(line.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(ran.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    fn key(&self, name: &str, algorithm: &str) {
        self.run(&format!("genpkey {algorithm} -out {name}.key"));
        self.run(&format!("pkey -in {name}.key -pubout -out {name}.pub"));
    }
}

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";

#[test]
fn openssl_verifies_what_is_signed_here_and_the_reverse() {
    let openssl = Openssl::new();
    fs::write(openssl.path("message"), "a component").unwrap();
    openssl.key("p256", P256);
    openssl.key("ed", "-algorithm ed25519");
    openssl.run("ecparam -genkey -name prime256v1 -out sec1.key");
    openssl.run("pkey -in sec1.key -pubout -out sec1.pub");
    for name in ["p256", "ed", "sec1"] {
        let public = PublicKey::read(&openssl.path(&format!("{name}.pub"))).unwrap();
        let private = PrivateKey::read(&openssl.path(&format!("{name}.key"))).unwrap();
        assert_eq!(private.public(), &public, "{name}");
        assert_eq!(public.to_pem(), fs::read_to_string(openssl.path(&format!("{name}.pub"))).unwrap());
        let signature = private.sign(b"a component").unwrap();
        assert!(public.verifies(b"a component", &signature), "{name}");
        assert!(!public.verifies(b"another one", &signature), "{name}");
        fs::write(openssl.path("ours"), signature.as_bytes()).unwrap();
        let (verify, sign) = if name == "ed" {
            (
                "pkeyutl -verify -rawin -pubin -inkey ed.pub -sigfile ours -in message".to_owned(),
                "pkeyutl -sign -rawin -inkey ed.key -in message -out theirs".to_owned(),
            )
        } else {
            (
                format!("dgst -sha256 -verify {name}.pub -signature ours message"),
                format!("dgst -sha256 -sign {name}.key -out theirs message"),
            )
        };
        openssl.run(&verify);
        openssl.run(&sign);
        let theirs = Signature::read(&openssl.path("theirs")).unwrap();
        assert!(public.verifies(b"a component", &theirs), "{name}");
        assert!(!public.verifies(b"a component", &Signature::new(vec![0x30; 70])), "{name}");
    }
}

#[test]
fn the_id_of_a_key_is_the_digest_of_its_der() {
    let openssl = Openssl::new();
    openssl.key("p256", P256);
    openssl.run("pkey -pubin -in p256.pub -outform DER -out p256.der");
    let public = PublicKey::read(&openssl.path("p256.pub")).unwrap();
    assert_eq!(public.id(), Sha256::of(&fs::read(openssl.path("p256.der")).unwrap()));
}

#[test]
fn other_keys_are_refused_and_no_secret_is_shown() {
    let openssl = Openssl::new();
    openssl.key("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384");
    openssl.key("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    openssl.key("p256", P256);
    openssl.run("pkey -in p256.key -aes256 -passout pass:hunter2 -out locked.key");
    let two = fs::read_to_string(openssl.path("p256.pub")).unwrap().repeat(2);
    fs::write(openssl.path("two.pub"), two).unwrap();
    for name in ["p384.pub", "rsa.pub", "p256.key", "two.pub", "none.pub"] {
        assert_eq!(PublicKey::read(&openssl.path(name)).unwrap_err().kind(), ErrorKind::InvalidKey, "{name}");
    }
    for name in ["p384.key", "rsa.key", "p256.pub", "locked.key"] {
        assert_eq!(
            PrivateKey::read(&openssl.path(name)).unwrap_err().kind(),
            ErrorKind::InvalidKey,
            "{name}"
        );
    }
    let secret = fs::read_to_string(openssl.path("p256.key")).unwrap();
    let private = PrivateKey::from_pem(&secret).unwrap();
    assert_eq!(format!("{private:?}"), format!("PrivateKey {{ public: {:?}, .. }}", private.public()));
    for garbage in
        ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "é".repeat(500).as_str()]
    {
        assert_eq!(PublicKey::from_pem(garbage).unwrap_err().kind(), ErrorKind::InvalidKey);
        assert_eq!(PrivateKey::from_pem(garbage).unwrap_err().kind(), ErrorKind::InvalidKey);
    }
    for size in [0, 127, 128, 255, 256, 70_000] {
        let cut = wrapped(&vec![0x30; size]);
        assert_eq!(PrivateKey::from_pkcs8(&cut).unwrap_err().kind(), ErrorKind::InvalidKey, "{size}");
    }
}
