"""HTTPS: the certificate and its key, looked at before anything is started."""

from __future__ import annotations

import ssl

from mlwright.core.errors import MlwrightError


class CertificateUnfit(MlwrightError):
    """The files for HTTPS cannot be used."""


def check_certificate(certificate: str | None, key: str | None) -> None:
    """See that the files of a certificate and its key can be used, before anything is started.

    Raises
    ------
    CertificateUnfit
        If one of them is missing, is not what it should be, or is not the other's.
    """
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise CertificateUnfit(
            "a certificate and its key are wanted together", where="--tls-cert, --tls-key", fix="name both files"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:  # ssl.SSLError is one
        raise CertificateUnfit(
            "the certificate and its key cannot be used together",
            where=f"{certificate}, {key}",
            fix="give PEM files that belong together, the key without a password",
        ) from error
