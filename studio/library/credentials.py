"""Content credentials: a C2PA manifest in what is made here, signed with the studio's own key, and reading anybody's.

Knows c2pa-python, a key and two certificates in the data folder: they are made once, the key for its owner's eyes only.
The certificate is the studio's own word: elsewhere a signature is found valid and its signer unknown, until somebody
trusts ``credentials/studio.pem``. Nothing is fetched: no timestamp, no remote manifest. Specification: C2PA 2.x,
digital source types of the IPTC.
"""

from __future__ import annotations

import datetime
import io
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from filelock import FileLock

from pipelines.durable import write_durably
from pipelines.storage import Storage, Taken

log = logging.getLogger(__name__)

#: what a manifest can be put into, of what is made here
SIGNED = ("image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4")
_SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
#: made by a model alone, and a picture that a model changed
MADE_BY_AI, CHANGED_BY_AI = f"{_SOURCES}trainedAlgorithmicMedia", f"{_SOURCES}compositeWithTrainedAlgorithmicMedia"
RECIPE = "org.atelier.recipe"
_YEARS = 20
_PEM = serialization.Encoding.PEM
_SHARED = "credentials/studio.json"
_NEVER_FETCH = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


@dataclass(frozen=True)
class Manifest:
    """What a file's credentials say. ``state``: own (signed by this studio), valid (by somebody whom nobody here
    vouches for) or broken (the file was changed, or the signature is wrong); ``problems`` are C2PA's codes."""

    state: str
    signer: str
    issuer: str
    generator: str
    made_by_ai: bool
    changed_by_ai: bool
    actions: tuple[str, ...]
    problems: tuple[str, ...]
    recipe: Mapping[str, Any] | None


class Unsigned(Exception):  # noqa: N818 - it says what became of the file
    """A file could not be signed; the reason is in the message."""


class Credentials:
    """The key in ``folder``, which is made with its certificates where there is none. With a ``storage`` that several
    machines share they all sign with the same: whoever makes it first puts it there."""

    def __init__(self, folder: Path, storage: Storage | None = None) -> None:
        self._folder = folder
        self._storage = storage
        self._key, self._chain = folder / "key.pem", folder / "studio.pem"

    def sign(self, data: bytes, media_type: str, title: str, recipe: Mapping[str, Any], version: str) -> bytes:
        """``data`` with a manifest inside: made, or changed, by AI, with this recipe. Other kinds of file come back
        as they are.

        Raises ``Unsigned`` with the reason where the file cannot hold one.
        """
        if media_type not in SIGNED:
            return data
        import c2pa

        self._make_once()
        asked = json.dumps(_definition(title, media_type, recipe, version), ensure_ascii=False)
        settings = {"version": 1, "builder": {"thumbnail": {"enabled": False}}, **_NEVER_FETCH}
        out = io.BytesIO()
        try:
            info = c2pa.C2paSignerInfo(b"es256", self._chain.read_bytes(), self._key.read_bytes(), None)
            with (
                c2pa.Context.from_dict(settings) as context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(asked, context=context) as builder,
            ):
                builder.sign(signer, media_type, io.BytesIO(data), out)
        except c2pa.C2paError as error:
            raise Unsigned(str(error)[:300]) from error
        return out.getvalue()

    def read(self, data: bytes, media_type: str) -> Manifest | None:
        """The manifest in a file of anybody's; None where there is none that can be found."""
        import c2pa

        settings: dict[str, Any] = {"version": 1, **_NEVER_FETCH}
        if not self._chain.is_file() and (shared := self._shared()) is not None:
            self._keep(*shared)
        if self._chain.is_file():
            settings["trust"] = {"user_anchors": self._chain.read_text("ascii")}
        try:
            with c2pa.Context.from_dict(settings) as context:
                reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), context=context)
                if reader is None:
                    return None
                with reader:
                    return _manifest(json.loads(reader.json()), reader.get_validation_state() or "")
        except (c2pa.C2paError, ValueError) as error:
            log.info("credentials that cannot be read: %s", error)
            return None

    # ------------------------------------------------------------------------------------------- the studio's key

    def _make_once(self) -> None:
        """Makes the key and its certificates. The chain is written last: it is what says that both are there."""
        if not self._chain.is_file():
            self._keep(*(self._shared() or self._made()))

    def share(self) -> None:
        """Puts the key of this machine into the storage, if one was ever made here and none is there."""
        if self._storage is not None and self._chain.is_file() and self._shared() is None:
            self._put(self._key.read_bytes(), self._chain.read_bytes())

    def _put(self, key: bytes, chain: bytes) -> None:
        if self._storage is not None:
            self._storage.put(_SHARED, json.dumps({"key": key.decode(), "chain": chain.decode()}).encode())

    def _made(self) -> tuple[bytes, bytes]:
        """A fresh pair, or that of another machine that made one at the same time."""
        key, chain = _key_and_chain()
        try:
            self._put(key, chain)
        except Taken:
            return self._shared() or (key, chain)
        return key, chain

    def _shared(self) -> tuple[bytes, bytes] | None:
        if self._storage is None:
            return None
        try:
            found = json.loads(self._storage.get(_SHARED).read())
        except FileNotFoundError:
            return None
        return found["key"].encode(), found["chain"].encode()

    def _keep(self, key: bytes, chain: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        with FileLock(self._folder / ".lock"):
            if self._chain.is_file():
                return
            with os.fdopen(os.open(self._key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            write_durably(self._chain, chain)
            self._chain.chmod(0o600)


def source_type(recipe: Mapping[str, Any]) -> str:
    """What IPTC calls the origin of what ``recipe`` makes: a model's alone, or a picture's that a model worked on."""
    kind, settings = recipe.get("kind"), recipe.get("settings") or {}
    begun = kind in ("style", "upscale") or (kind == "image" and settings.get("method", "words") != "words")
    return CHANGED_BY_AI if begun else MADE_BY_AI


def _definition(title: str, media_type: str, recipe: Mapping[str, Any], version: str) -> dict[str, Any]:
    made = {"action": "c2pa.created", "digitalSourceType": source_type(recipe), "softwareAgent": {"name": "Atelier"}}
    return {
        "claim_generator_info": [{"name": "Atelier", "version": version}],
        "title": title,
        "format": media_type,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [made]}},
            {"label": RECIPE, "data": dict(recipe)},
        ],
    }


def _manifest(found: Mapping[str, Any], state: str) -> Manifest | None:
    """The active manifest of a store, as c2pa-rs reports it."""
    active = (found.get("manifests") or {}).get(found.get("active_manifest") or "")
    if not isinstance(active, dict):
        return None
    assertions = {str(one.get("label")): one.get("data") for one in active.get("assertions", [])}
    actions = [
        action
        for label, data in assertions.items()
        if label.startswith("c2pa.actions") and isinstance(data, dict)
        for action in data.get("actions", [])
    ]
    sources = {str(action.get("digitalSourceType")) for action in actions}
    signed, made = active.get("signature_info") or {}, (active.get("claim_generator_info") or [{}])[0]
    recipe = assertions.get(RECIPE)
    problems = [str(one.get("code")) for one in found.get("validation_status") or []]
    return Manifest(
        state={"Trusted": "own", "Valid": "valid"}.get(state, "broken"),
        signer=str(signed.get("common_name") or ""),
        issuer=str(signed.get("issuer") or ""),
        generator=" ".join(str(made[name]) for name in ("name", "version") if made.get(name)),
        made_by_ai=any(source.endswith("/trainedAlgorithmicMedia") for source in sources),
        changed_by_ai=any(source.endswith("/compositeWithTrainedAlgorithmicMedia") for source in sources),
        actions=tuple(str(action.get("action")) for action in actions),
        problems=tuple(problems),
        recipe=recipe if isinstance(recipe, dict) else None,
    )


def _key_and_chain() -> tuple[bytes, bytes]:
    """A fresh ES256 key, and its certificate with the studio's own root behind it, whose key nobody keeps."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Atelier studio root", root_key.public_key(), "Atelier studio root", root_key, authority=True)
    leaf = _certificate("Atelier studio", key.public_key(), "Atelier studio root", root_key, authority=False)
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, leaf.public_bytes(_PEM) + root.public_bytes(_PEM)


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, authority: bool
) -> x509.Certificate:
    """A certificate as C2PA asks for (section 14.5): a signer's may sign and nothing else."""
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if not authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        made = made.add_extension(purpose, critical=False)
    return made.sign(by, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Atelier"),
        ]
    )
