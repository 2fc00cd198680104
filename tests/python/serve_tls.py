"""Serves HTTPS with a new certificate authority for as long as standard input stays open.

Usage: serve_tls.py DIRECTORY

Writes `ca.pem` and `client.pem` (certificate and key) into DIRECTORY and prints one line of JSON: the port for all
clients, and the port for clients with a certificate of the authority. The answer to every request is a registered model.
"""

import datetime
import ipaddress
import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

home = Path(sys.argv[1])


def certificate(subject, issuer, issuer_key, key, *extensions):
    name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


ca, server, client = new_key(), new_key(), new_key()
addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
authority = x509.BasicConstraints(ca=True, path_length=None)
(home / "ca.pem").write_bytes(certificate("ca", "ca", ca, ca, authority))
(home / "server.pem").write_bytes(certificate("server", "ca", ca, server, addresses) + private(server))
(home / "client.pem").write_bytes(certificate("client", "ca", ca, client) + private(client))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"registered_model": {"name": "m", "description": "over TLS"}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def serve(wants_client):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "server.pem")
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(home / "ca.pem")
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    listener.handle_error = lambda *arguments: None
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    return listener.server_port


print(json.dumps({"open": serve(False), "mutual": serve(True)}), flush=True)
sys.stdin.read()
