//! Frames over TLS, by rustls' own client: what is asked is as raw as `support::client`, and the server's
//! certificate is looked at by its bytes alone.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use crate::pki::pki;
use crate::support::client::{Grant, Handshake, Reply};
use crate::support::wire::{In, Out, request};

const WHO_AM_I: i32 = 107;

/// Believes every server: which one it is, is the test's to ask.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A client with the certificate of that name in the tests' folder, or without one.
pub(crate) fn config(certificate: Option<&str>) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let certificates = pki().read(&format!("{name}.pem"));
            let chain = CertificateDer::pem_slice_iter(&certificates);
            let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
            let key = pki().read(&format!("{name}.key.pem"));
            let key = PrivateKeyDer::from_pem_slice(&key).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    Arc::new(config)
}

/// A connection under TLS.
pub(crate) struct Raw {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    xid: i32,
}

impl Raw {
    /// Connects; nothing has been sent yet.
    pub(crate) fn open(port: u16, config: &Arc<ClientConfig>) -> Raw {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(config.clone(), name).unwrap();
        Raw { stream: StreamOwned::new(session, socket), xid: 0 }
    }

    /// A session of ZooKeeper's, or why there is none.
    pub(crate) fn session(port: u16, config: &Arc<ClientConfig>) -> io::Result<Raw> {
        let mut raw = Raw::open(port, config);
        raw.stream.write_all(&Handshake::new(30_000).encode())?;
        let answer = raw.frame()?;
        let grant = Grant::decode(&answer).map_err(|_| io::ErrorKind::InvalidData)?;
        assert_ne!(grant.session, 0);
        Ok(raw)
    }

    pub(crate) fn frame(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }

    pub(crate) fn call(&mut self, opcode: i32, body: Out) -> Reply {
        self.xid += 1;
        self.stream.write_all(&request(self.xid, opcode, &body.0)).unwrap();
        let reply = Reply::decode(&self.frame().unwrap()).unwrap();
        assert_eq!(reply.xid, self.xid);
        reply
    }

    /// Schemes and users that the server says the connection has proven, sorted.
    pub(crate) fn who(&mut self) -> Vec<(String, String)> {
        let reply = self.call(WHO_AM_I, Out::new());
        let pair = |input: &mut In<'_>| {
            Ok((input.string()?.unwrap_or_default(), input.string()?.unwrap_or_default()))
        };
        let mut who = In::new(&reply.body).vector(pair).unwrap().unwrap_or_default();
        who.sort();
        who
    }

    /// The server's certificate, in DER.
    pub(crate) fn server(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().unwrap()[0].to_vec()
    }
}
