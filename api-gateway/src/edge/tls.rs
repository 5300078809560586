//! TLS at the edge, when a certificate is configured.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;

/// The acceptor that the settings ask for; `None` means plain HTTP.
///
/// # Errors
/// The settings ask for TLS and it cannot be had: falling back to plain text would be worse than not starting.
pub fn acceptor(settings: &Tls) -> anyhow::Result<Option<TlsAcceptor>> {
    match (&settings.certificate, &settings.key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsAcceptor::from(Arc::new(config(certificate, key)?)))),
        _ => anyhow::bail!("gateway.tls: certificate and key must be given together"),
    }
}

fn config(certificate: &Path, key: &Path) -> anyhow::Result<ServerConfig> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| {
            format!(
                "gateway.tls.certificate: {} cannot be read",
                certificate.display()
            )
        })?;
    anyhow::ensure!(
        !chain.is_empty(),
        "gateway.tls.certificate: {} holds no certificate",
        certificate.display()
    );
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("gateway.tls.key: {} cannot be read", key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("gateway.tls: the key does not fit the certificate")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
