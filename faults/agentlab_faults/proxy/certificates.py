"""Throw-away certificates for a server on loopback: a good one, and those that no client may trust."""

from __future__ import annotations

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["FLAWS", "Certificates", "Flaw"]

Flaw = Literal["is signed by itself", "has expired", "is for another host"]
FLAWS: Final[tuple[Flaw, ...]] = ("is signed by itself", "has expired", "is for another host")
_HERE: Final = ("localhost", "127.0.0.1", "::1")
_DAYS: Final = timedelta(days=2)


class Certificates:
    """An authority that lives as long as this object, and what it has signed. Its key is never written anywhere.

    `folder` gets `authority.pem`, which a client has to trust. Raises ModuleNotFoundError where `cryptography` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - an extra, imported where TLS is asked for

        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._authority = _signed("agentlab chaos, throw-away authority", self._key, None, self._key)
        self.authority = folder / "authority.pem"
        self.authority.write_bytes(_pem(self._authority))
        self.good = self._context(_HERE, datetime.now(UTC))
        self._flawed = {
            "is signed by itself": self._context(_HERE, datetime.now(UTC), by_itself=True),
            "has expired": self._context(_HERE, datetime.now(UTC) - timedelta(days=30)),
            "is for another host": self._context(("another.example",), datetime.now(UTC)),
        }

    def flawed(self, flaw: Flaw) -> ssl.SSLContext:
        """A server's context whose certificate nobody may trust."""
        return self._flawed[flaw]

    def _context(self, names: tuple[str, ...], begins: datetime, *, by_itself: bool = False) -> ssl.SSLContext:
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

        key = ec.generate_private_key(ec.SECP256R1())
        issuer, signer = (None, key) if by_itself else (self._authority, self._key)
        leaf = _signed(names[0], key, issuer, signer, names, begins)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        path = self._folder / "leaf.pem"
        try:  # the standard library reads keys from files only
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + _pem(leaf))
            context.load_cert_chain(path)
        finally:
            path.unlink(missing_ok=True)
        return context


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return certificate.public_bytes(Encoding.PEM)


def _signed(
    name: str,
    key: EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    signer: EllipticCurvePrivateKey,
    names: tuple[str, ...] = (),
    begins: datetime | None = None,
) -> x509.Certificate:
    """A certificate; without `names` an authority's, without `issuer` signed by itself."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begins = begins or datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - timedelta(hours=1))
        .not_valid_after(begins + _DAYS)
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(authority=not names), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509  # noqa: PLC0415

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
