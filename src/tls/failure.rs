//! Why a session has ended, in words for whoever looks after the server.

use rustls::{CertificateError, Error};

/// What was wrong with a peer. Its connection ends, with an alert where the protocol has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Failure {
    #[error("it presented no certificate, and clientAuth=need")]
    NoCertificate,
    #[error("its certificate has expired or is not valid yet")]
    OutOfDate,
    #[error("its certificate is of no authority in the trust store")]
    UnknownAuthority,
    #[error("its certificate has been revoked")]
    Revoked,
    #[error("no list of revoked certificates covers its certificate")]
    RevocationUnknown,
    #[error("its certificate does not name the address that it comes from")]
    NotItsAddress,
    #[error(
        "its certificate names neither the address nor the host that it is known by, and \
         ssl.quorum.hostnameVerification=true"
    )]
    NotItsName,
    #[error("its certificate cannot be used")]
    BadCertificate,
    #[error("no protocol version, cipher suite or group in common")]
    NothingInCommon,
    #[error("it ended the session with alert {0}")]
    Refused(u8),
    #[error("what it sent is not TLS, or breaks the protocol")]
    Broken,
    #[error("the handshake took too long (handshakeDetectionTimeoutMillis)")]
    TooSlow,
    #[error("the session cannot be begun")]
    NotBegun,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        match error {
            Error::NoCertificatesPresented => Failure::NoCertificate,
            Error::InvalidCertificate(why) => certificate(why),
            Error::PeerIncompatible(_) => Failure::NothingInCommon,
            Error::AlertReceived(alert) => Failure::Refused(u8::from(*alert)),
            _ => Failure::Broken,
        }
    }
}

fn certificate(why: &CertificateError) -> Failure {
    match why {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Failure::OutOfDate,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Failure::UnknownAuthority
        }
        CertificateError::Revoked => Failure::Revoked,
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => Failure::RevocationUnknown,
        _ => Failure::BadCertificate,
    }
}
