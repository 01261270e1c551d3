//! Authorities, keys and stores for tests, made by OpenSSL and keytool: software that knows nothing of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::support::root;

/// Of each test program one of its own.
const FOLDER: &str = concat!("tls/pki-", env!("CARGO_CRATE_NAME"));

/// Opens every store.
pub(crate) const PASSWORD: &str = "s3cret pass";

/// A folder of `<name>.key.pem`, `<name>.pem` and the stores made of them.
pub(crate) struct Pki {
    pub folder: PathBuf,
}

/// Everything, made once for all tests of this program:
///
/// * `ca`, and what it has signed: `server` (RSA), `server2` (on a curve), `client`, `odd` (a subject
///   with everything in it), `expired`
/// * `elsewhere`, for another host, and `revoked`, which `ca.crl.pem` names
/// * `other`, another authority, and its `stranger`
/// * `alone`, signed by itself and in the trust store
/// * the stores `server.{jks,p12,pem,locked.pem}` and `trust.{jks,p12,pem}`; `client.{jks,p12}`
pub(crate) fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        let pki = Pki { folder: crate::support::scratch(FOLDER) };
        pki.make();
        pki
    })
}

const SUBJECT_CLIENT: &str = "/C=DE/O=Ringkeeper/CN=client";
const SUBJECT_ODD: &str = "/C=DE/ST=Ber lin/L=M\u{fc}nchen/O=Acme, \"Inc\" x=y#<1>;/OU=a+OU=b\
                           /DC=example/UID=u7/street=Way 1/emailAddress=a@b.c/serialNumber=42\
                           /CN= two  blanks ";

impl Pki {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn make(&self) {
        run(Command::new(root().join("tests/support/need.sh")).args(["java", "openssl", "curl"]));
        let write = |name: &str, text: &str| fs::write(self.path(name), text).unwrap();
        write("password", &format!("{PASSWORD}\n"));
        write("leaf.cnf", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
        write("elsewhere.cnf", "subjectAltName=DNS:elsewhere.test,IP:192.0.2.1\n");
        for ca in ["ca", "other"] {
            self.key(ca, "EC");
            self.openssl(&format!(
                "req|-new|-x509|-key|{ca}.key.pem|-subj|/CN={ca}|-days|3650|-out|{ca}.pem"
            ));
        }
        self.leaf("server", "RSA", "/CN=localhost", "ca", "2049");
        self.leaf("server2", "EC", "/CN=localhost-2", "ca", "2049");
        self.leaf("client", "EC", SUBJECT_CLIENT, "ca", "2049");
        self.leaf("odd", "EC", SUBJECT_ODD, "ca", "2049");
        self.leaf("expired", "EC", "/CN=expired", "ca", "2021");
        self.leaf("stranger", "EC", SUBJECT_CLIENT, "other", "2049");
        self.leaf("elsewhere", "EC", "/CN=elsewhere", "ca", "2049");
        self.leaf("revoked", "EC", "/CN=revoked", "ca", "2049");
        self.revoke("revoked");
        self.key("alone", "EC");
        self.openssl("req|-new|-x509|-key|alone.key.pem|-subj|/CN=alone|-days|3650|-out|alone.pem");
        let all =
            ["server", "server2", "client", "stranger", "elsewhere", "expired", "revoked", "alone"];
        for name in all {
            let (key, certificate) = (self.read(&format!("{name}.key.pem")), format!("{name}.pem"));
            let chain = [key, self.read(&certificate)].concat();
            fs::write(self.path(&format!("{name}.store.pem")), chain).unwrap();
            self.openssl(&format!(
                "pkcs12|-export|-inkey|{name}.key.pem|-in|{name}.pem|-name|{name}|-out|{name}.p12\
                 |-passout|file:password"
            ));
        }
        self.openssl(
            "pkcs8|-topk8|-in|server.key.pem|-v2|aes-256-cbc|-passout|file:password\
             |-out|server.locked.key.pem",
        );
        let locked = [self.read("server.locked.key.pem"), self.read("server.pem")].concat();
        fs::write(self.path("server.locked.pem"), locked).unwrap();
        fs::write(self.path("trust.pem"), [self.read("ca.pem"), self.read("alone.pem")].concat())
            .unwrap();
        for name in ["server", "client"] {
            self.keytool(&format!(
                "-importkeystore|-srckeystore|{name}.p12|-srcstoretype|PKCS12|-srcstorepass|{PASSWORD}\
                 |-destkeystore|{name}.jks|-deststoretype|JKS|-deststorepass|{PASSWORD}\
                 |-destkeypass|{PASSWORD}"
            ));
        }
        for (kind, store) in [("JKS", "trust.jks"), ("PKCS12", "trust.p12")] {
            for name in ["ca", "alone"] {
                self.keytool(&format!(
                    "-importcert|-noprompt|-alias|{name}|-file|{name}.pem|-keystore|{store}\
                     |-storetype|{kind}|-storepass|{PASSWORD}"
                ));
            }
        }
    }

    fn key(&self, name: &str, kind: &str) {
        let (algorithm, option) = match kind {
            "RSA" => ("RSA", "rsa_keygen_bits:2048"),
            _ => ("EC", "ec_paramgen_curve:P-256"),
        };
        self.openssl(&format!(
            "genpkey|-algorithm|{algorithm}|-pkeyopt|{option}|-out|{name}.key.pem"
        ));
    }

    /// A certificate of an authority, until the first day of a year.
    fn leaf(&self, name: &str, kind: &str, subject: &str, ca: &str, until: &str) {
        self.key(name, kind);
        self.openssl(&format!(
            "req|-new|-utf8|-key|{name}.key.pem|-subj|{subject}|-out|{name}.csr"
        ));
        // A register of its own: `ca` alone takes dates, and signs a subject once.
        let register = self.path(&format!("{name}.ca"));
        fs::create_dir_all(&register).unwrap();
        fs::write(register.join("index.txt"), "").unwrap();
        let register = register.display();
        let config = format!(
            "[ca]\ndefault_ca=a\n[a]\nnew_certs_dir={register}\ndatabase={register}/index.txt\n\
             crlnumber={register}/crlnumber\n\
             rand_serial=yes\ndefault_md=sha256\npolicy=p\npreserve=yes\nemail_in_dn=yes\n\
             unique_subject=no\nstring_mask=utf8only\nutf8=yes\n[p]\n"
        );
        fs::write(self.path("ca.cnf"), config).unwrap();
        let names = if name == "elsewhere" { "elsewhere.cnf" } else { "leaf.cnf" };
        self.openssl(&format!(
            "ca|-batch|-notext|-utf8|-config|ca.cnf|-cert|{ca}.pem|-keyfile|{ca}.key.pem|-in|{name}.csr\
             |-out|{name}.pem|-extfile|{names}|-preserveDN|-startdate|20200101000000Z\
             |-enddate|{until}0101000000Z"
        ));
    }

    /// Revokes the certificate that was made last, and makes `ca`'s list of revoked ones.
    fn revoke(&self, name: &str) {
        fs::write(self.path(&format!("{name}.ca")).join("crlnumber"), "01\n").unwrap();
        let by_ca = "ca|-config|ca.cnf|-cert|ca.pem|-keyfile|ca.key.pem";
        self.openssl(&format!("{by_ca}|-revoke|{name}.pem"));
        self.openssl(&format!("{by_ca}|-gencrl|-crldays|3650|-out|ca.crl.pem"));
    }

    /// A new key and certificate under an old name's store, as one that renews certificates does it.
    pub(crate) fn openssl(&self, arguments: &str) {
        run(Command::new("openssl").args(arguments.split('|')).current_dir(&self.folder));
    }

    fn keytool(&self, arguments: &str) {
        run(Command::new("keytool").args(arguments.split('|')).current_dir(&self.folder));
    }
}

fn run(command: &mut Command) {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {said}{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Settings of a server with this key store and trust store, the port not among them.
pub(crate) fn stores(key_store: &Path, trust_store: &Path) -> Vec<(&'static str, String)> {
    let text = |path: &Path| path.display().to_string();
    vec![
        ("ssl.keyStore.location", text(key_store)),
        ("ssl.keyStore.password", PASSWORD.to_owned()),
        ("ssl.trustStore.location", text(trust_store)),
        ("ssl.trustStore.password", PASSWORD.to_owned()),
        ("ssl.enabledProtocols", "TLSv1.2,TLSv1.3".to_owned()),
    ]
}
