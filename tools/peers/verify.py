"""An independent implementation for tests: pyca/cryptography, which brings an OpenSSL of its own.

Reads JSON lines from standard input and answers each with one line, in order. Algorithms are named as in
src/model/algorithm.ts; fields that hold bytes end in Base64; keys are SPKI and unencrypted PKCS #8, in DER.

  op           alg                             takes                                      answers
  verify       RSASSA_*, ECDSA_*, ED25519_SHA_512, ML_DSA_SHAKE_256
                                               publicKeySpki, message, signature          valid
  sign         the same                        privateKeyPkcs8, message                   signature
  encrypt      RSAES_OAEP_SHA_1, _SHA_256      publicKeySpki, plaintext                   ciphertext
  decrypt      the same                        privateKeyPkcs8, ciphertext                plaintext
  wrap         AES_KW, AES_KWP                 key, plaintext                             ciphertext
  unwrap       the same                        key, ciphertext                            plaintext
  wrap         RSA_AES_KEY_WRAP_SHA_1, _256    publicKeySpki, plaintext                   ciphertext
  mac          HMAC_SHA_224 … _512             key, message                               mac
  derive       ECDH (NIST curves, secp256k1, X25519)
                                               privateKeyPkcs8, publicKeySpki             secret
  encapsulate  ML_KEM (768, 1024)              publicKeySpki                              ciphertext, secret
  decapsulate  ML_KEM                          privateKeyPkcs8, ciphertext                secret
  seal         AES_GCM, XAES_256_GCM           key, nonce, aad, plaintext                 ciphertext (tag at its end)
  open         the same                        key, nonce, aad, ciphertext                plaintext
  hkdf         SHA_256, SHA_384, SHA_512       key, salt, info; lengthBytes               secret

`op` is `verify` where it is missing. A question it cannot answer gets {"error": "…"}; only a signature that was examined and
found wrong is {"valid": false}. A PSS salt must be as long as the hash; an ECDSA signature is DER.
"""

import base64
import json
import os
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import cmac, hashes, hmac, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HASHES = {
    "SHA_1": hashes.SHA1,
    "SHA_224": hashes.SHA224,
    "SHA_256": hashes.SHA256,
    "SHA_384": hashes.SHA384,
    "SHA_512": hashes.SHA512,
}
MLDSA_PUBLIC = (mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey)
MLDSA_PRIVATE = (mldsa.MLDSA44PrivateKey, mldsa.MLDSA65PrivateKey, mldsa.MLDSA87PrivateKey)


class Question:
    """One request; a field is asked for by its name without Base64."""

    def __init__(self, line):
        self.fields = json.loads(line)
        self.op = self.fields.get("op", "verify")
        self.alg = self.fields["alg"]

    def bytes(self, name):
        return base64.b64decode(self.fields[name + "Base64"], validate=True)

    def public_key(self):
        return serialization.load_der_public_key(self.bytes("publicKeySpki"))

    def private_key(self):
        return serialization.load_der_private_key(self.bytes("privateKeyPkcs8"), password=None)

    def hash(self, prefix):
        if not self.alg.startswith(prefix):
            raise ValueError(f"no such algorithm for this key: {self.alg}")
        return HASHES[self.alg[len(prefix) :]]()

    def require(self, alg):
        if self.alg != alg:
            raise ValueError(f"no such algorithm for this key: {self.alg}")


def rsa_signing(question):
    """Padding and hash of an RSA signature."""
    if question.alg.startswith("RSASSA_PSS_"):
        digest = question.hash("RSASSA_PSS_")
        return padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.DIGEST_LENGTH), digest
    return padding.PKCS1v15(), question.hash("RSASSA_PKCS1_V1_5_")


def verify(question):
    key, message, signature = question.public_key(), question.bytes("message"), question.bytes("signature")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, *rsa_signing(question))
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(question.hash("ECDSA_")))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            question.require("ED25519_SHA_512")
            key.verify(signature, message)
        elif isinstance(key, MLDSA_PUBLIC):
            question.require("ML_DSA_SHAKE_256")
            key.verify(signature, message)
        else:
            raise ValueError(f"no rule for a key of type {type(key).__name__}")
    except InvalidSignature:
        return {"valid": False}
    return {"valid": True}


def sign(question):
    key, message = question.private_key(), question.bytes("message")
    if isinstance(key, rsa.RSAPrivateKey):
        return {"signature": key.sign(message, *rsa_signing(question))}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"signature": key.sign(message, ec.ECDSA(question.hash("ECDSA_")))}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        question.require("ED25519_SHA_512")
        return {"signature": key.sign(message)}
    if isinstance(key, MLDSA_PRIVATE):
        question.require("ML_DSA_SHAKE_256")
        return {"signature": key.sign(message)}
    raise ValueError(f"no rule for a key of type {type(key).__name__}")


def oaep(digest):
    return padding.OAEP(mgf=padding.MGF1(algorithm=digest), algorithm=digest, label=None)


def encrypt(question):
    padded = oaep(question.hash("RSAES_OAEP_"))
    return {"ciphertext": question.public_key().encrypt(question.bytes("plaintext"), padded)}


def decrypt(question):
    padded = oaep(question.hash("RSAES_OAEP_"))
    return {"plaintext": question.private_key().decrypt(question.bytes("ciphertext"), padded)}


def wrap(question):
    plaintext = question.bytes("plaintext")
    if question.alg == "AES_KW":
        return {"ciphertext": keywrap.aes_key_wrap(question.bytes("key"), plaintext)}
    if question.alg == "AES_KWP":
        return {"ciphertext": keywrap.aes_key_wrap_with_padding(question.bytes("key"), plaintext)}
    # A fresh AES key under RSA, then the material under that AES key (PKCS #11 CKM_RSA_AES_KEY_WRAP).
    padded = oaep(question.hash("RSA_AES_KEY_WRAP_"))
    key = os.urandom(32)
    return {"ciphertext": question.public_key().encrypt(key, padded) + keywrap.aes_key_wrap_with_padding(key, plaintext)}


def unwrap(question):
    key, ciphertext = question.bytes("key"), question.bytes("ciphertext")
    if question.alg == "AES_KW":
        return {"plaintext": keywrap.aes_key_unwrap(key, ciphertext)}
    question.require("AES_KWP")
    return {"plaintext": keywrap.aes_key_unwrap_with_padding(key, ciphertext)}


def mac(question):
    state = hmac.HMAC(question.bytes("key"), question.hash("HMAC_"))
    state.update(question.bytes("message"))
    return {"mac": state.finalize()}


def derive(question):
    question.require("ECDH")
    key, peer = question.private_key(), question.public_key()
    if isinstance(key, x25519.X25519PrivateKey):
        return {"secret": key.exchange(peer)}
    return {"secret": key.exchange(ec.ECDH(), peer)}


def encapsulate(question):
    question.require("ML_KEM")
    secret, ciphertext = question.public_key().encapsulate()
    return {"ciphertext": ciphertext, "secret": secret}


def decapsulate(question):
    question.require("ML_KEM")
    return {"secret": question.private_key().decapsulate(question.bytes("ciphertext"))}


def gcm(question):
    """The cipher and its nonce: AES-GCM itself, or the one that C2SP's XAES-256-GCM derives from a 24-byte nonce."""
    key, nonce = question.bytes("key"), question.bytes("nonce")
    if question.alg == "AES_GCM":
        return AESGCM(key), nonce
    question.require("XAES_256_GCM")
    if len(key) != 32 or len(nonce) != 24:
        raise ValueError("XAES-256-GCM takes a key of 32 and a nonce of 24 bytes")
    halves = [cmac.CMAC(algorithms.AES(key)) for _ in range(2)]
    for counter, half in enumerate(halves, start=1):
        half.update(bytes([0, counter]) + b"X\0" + nonce[:12])
    return AESGCM(b"".join(half.finalize() for half in halves)), nonce[12:]


def seal(question):
    cipher, nonce = gcm(question)
    return {"ciphertext": cipher.encrypt(nonce, question.bytes("plaintext"), question.bytes("aad"))}


def open_sealed(question):
    cipher, nonce = gcm(question)
    return {"plaintext": cipher.decrypt(nonce, question.bytes("ciphertext"), question.bytes("aad"))}


def hkdf(question):
    length = question.fields["lengthBytes"]
    state = HKDF(question.hash(""), length, question.bytes("salt") or None, question.bytes("info"))
    return {"secret": state.derive(question.bytes("key"))}


OPERATIONS = {
    "verify": verify,
    "sign": sign,
    "encrypt": encrypt,
    "decrypt": decrypt,
    "wrap": wrap,
    "unwrap": unwrap,
    "mac": mac,
    "derive": derive,
    "encapsulate": encapsulate,
    "decapsulate": decapsulate,
    "seal": seal,
    "open": open_sealed,
    "hkdf": hkdf,
}


def answer(line):
    try:
        question = Question(line)
        result = OPERATIONS[question.op](question)
    except Exception as error:  # Whatever it was: the question has no answer, and the test shall see why.
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        (name + "Base64" if isinstance(value, bytes) else name): (
            base64.b64encode(value).decode() if isinstance(value, bytes) else value
        )
        for name, value in result.items()
    }


if __name__ == "__main__":
    for request in sys.stdin:
        print(json.dumps(answer(request)), flush=True)
