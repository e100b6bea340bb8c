"""Hummingbot's encrypted values: web3 secret storage (version 3), its JSON written as hexadecimal.

The key is stretched from the password by PBKDF2, a million rounds as Hummingbot does, about 0.4 s.
"""

import hashlib
import hmac
import os

import msgspec
from Crypto.Hash import keccak
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from msgspec import Struct

ROUNDS = 1_000_000
_KEY_BYTES = 32
_HALF = 16
_SALT_BYTES = 16
_IV_BYTES = 16
_VERSION = 3
_SCRYPT_MEMORY_MAX = 1 << 30
_SCRYPT_WORK_MAX = 1 << 24  # Eight times what such files ask for.
_ROUNDS_MAX = 10 * ROUNDS


class WrongPassword(Exception):  # noqa: N818 - says what is so
    """The value was encrypted with another password."""


class NoKeystore(ValueError):  # noqa: N818 - says what is so
    """The text is no keystore that can be read; str() says why."""


class _CipherParams(Struct):
    iv: str


class _KdfParams(Struct, omit_defaults=True):
    dklen: int
    salt: str
    c: int = 0
    prf: str = ""
    n: int = 0
    r: int = 0
    p: int = 0


class _Crypto(Struct):
    cipher: str
    cipherparams: _CipherParams
    ciphertext: str
    kdf: str
    kdfparams: _KdfParams
    mac: str


class _Keystore(Struct):
    crypto: _Crypto
    version: int
    alias: str = ""


def encrypt(password: str, text: str, rounds: int = ROUNDS) -> str:
    salt, iv = os.urandom(_SALT_BYTES), os.urandom(_IV_BYTES)
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds, _KEY_BYTES)
    ciphertext = _aes(key, iv, text.encode())
    parameters = _KdfParams(_KEY_BYTES, salt.hex(), rounds, "hmac-sha256")
    crypto = _Crypto(
        "aes-128-ctr",
        _CipherParams(iv.hex()),
        ciphertext.hex(),
        "pbkdf2",
        parameters,
        _mac(key, ciphertext).hex(),
    )
    return msgspec.json.encode(_Keystore(crypto, _VERSION)).hex()


def decrypt(password: str, encrypted: object) -> str:
    """Raise WrongPassword or NoKeystore."""
    if not isinstance(encrypted, str):
        raise NoKeystore(f"It is no keystore of Hummingbot's: no text, {type(encrypted).__name__}.")
    try:
        store = msgspec.json.decode(bytes.fromhex(encrypted.strip()), type=_Keystore)
        crypto = store.crypto
        ciphertext, mac = _bytes(crypto.ciphertext), _bytes(crypto.mac)
        # Writers that take the counter for a number leave its leading zeros out.
        iv = _bytes(crypto.cipherparams.iv).rjust(_IV_BYTES, b"\0")
        key = _stretched(password, crypto.kdf, crypto.kdfparams)
    except (ValueError, OverflowError, msgspec.DecodeError, MemoryError) as error:
        raise NoKeystore(f"It is no keystore of Hummingbot's: {error}.") from None
    if crypto.cipher != "aes-128-ctr" or store.version != _VERSION or len(iv) != _IV_BYTES:
        raise NoKeystore(
            f"Version {store.version} with {crypto.cipher} cannot be read, only version "
            f"{_VERSION} with aes-128-ctr."
        )
    if not hmac.compare_digest(_mac(key, ciphertext), mac):
        raise WrongPassword("It was encrypted with another password.")
    try:
        return _aes(key, iv, ciphertext).decode()
    except UnicodeDecodeError:
        raise NoKeystore("What it holds is no text in UTF-8.") from None


def _stretched(password: str, kdf: str, given: _KdfParams) -> bytes:
    salt = _bytes(given.salt)
    if given.dklen != _KEY_BYTES:
        raise ValueError(f"a key of {given.dklen} bytes instead of {_KEY_BYTES}")
    if given.c > _ROUNDS_MAX or given.n * given.r * given.p > _SCRYPT_WORK_MAX:
        raise ValueError("more work than any such file asks for")
    if kdf == "pbkdf2" and given.prf == "hmac-sha256" and given.c > 0:
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, given.c, _KEY_BYTES)
    if kdf == "scrypt" and min(given.n, given.r, given.p) > 0:
        return hashlib.scrypt(
            password.encode(),
            salt=salt,
            n=given.n,
            r=given.r,
            p=given.p,
            maxmem=_SCRYPT_MEMORY_MAX,
            dklen=_KEY_BYTES,
        )
    raise ValueError(f"the key derivation {kdf!r} ({given.prf or 'no prf'}) is not known")


def _aes(key: bytes, iv: bytes, text: bytes) -> bytes:
    """Both ways: the cipher counts."""
    cipher = Cipher(algorithms.AES(key[:_HALF]), modes.CTR(iv)).encryptor()
    return cipher.update(text) + cipher.finalize()


def _mac(key: bytes, ciphertext: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=key[_HALF:_KEY_BYTES] + ciphertext).digest()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
