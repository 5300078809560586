"""Tokens of many users in the three algorithms that the contestants check, signed with openssl's command."""

import base64
import hashlib
import hmac
import json
import pathlib
import secrets
import subprocess
import time
import uuid


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def claims(user):
    now = int(time.time())
    return {
        "iss": "healthcare", "aud": "healthcare-api", "sub": str(user), "role": "PATIENT", "sid": str(uuid.uuid4()),
        "jti": str(uuid.uuid4()), "iat": now, "nbf": now, "exp": now + 6 * 3600,
    }


class Keys:
    """One key of each kind, written where the contestants read it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.secret = secrets.token_hex(32)
        self.kid = str(uuid.uuid4())
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.path("ed25519.key"))
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path("es256.key"))
        openssl("ec", "-in", self.path("es256.key"), "-pubout", "-out", self.path("es256.pub"))
        der = openssl("pkey", "-in", self.path("ed25519.key"), "-pubout", "-outform", "DER")
        key = {"kty": "OKP", "crv": "Ed25519", "x": encode(der[-32:]), "kid": self.kid, "alg": "EdDSA", "use": "sig"}
        (self.folder / "jwks.json").write_text(json.dumps({"keys": [key]}))

    def path(self, name):
        return str(self.folder / name)

    def sign(self, algorithm, message):
        if algorithm == "HS256":
            return hmac.new(self.secret.encode(), message, hashlib.sha256).digest()
        if algorithm == "EdDSA":
            # openssl signs with this algorithm only what lies in a file.
            (self.folder / "message").write_bytes(message)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path("ed25519.key"), "-in", self.path("message"))
        return plain_ecdsa(openssl("dgst", "-sha256", "-sign", self.path("es256.key"), data=message))

    def token(self, algorithm, user):
        kind = {"alg": algorithm, "typ": "at+jwt", "kid": self.kid}
        message = ".".join(encode(json.dumps(part).encode()) for part in (kind, claims(user)))
        return f"{message}.{encode(self.sign(algorithm, message.encode()))}"

    def write(self, algorithm, users):
        """A file with one token for each user."""
        file = self.folder / f"{algorithm}.tokens"
        file.write_text("".join(self.token(algorithm, user) + "\n" for user in users))
        return str(file)

    def forge(self, algorithm, count):
        """A file of tokens that look right until their signature is checked."""
        good = self.token(algorithm, uuid.uuid4())
        message, signature = good.rsplit(".", 1)
        length = len(base64.urlsafe_b64decode(signature + "=="))
        file = self.folder / f"{algorithm}.forged"
        file.write_text("".join(f"{message}.{encode(secrets.token_bytes(length))}\n" for _ in range(count)))
        return str(file)


def plain_ecdsa(der):
    """The two numbers of an ECDSA signature side by side, as tokens carry them."""
    numbers, rest = b"", der[2:]
    for _ in range(2):
        length = rest[1]
        numbers += rest[2 : 2 + length].lstrip(b"\0").rjust(32, b"\0")
        rest = rest[2 + length :]
    return numbers
