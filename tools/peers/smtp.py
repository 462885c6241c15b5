"""A mail server for tests, on a free port of 127.0.0.1.

    smtp.py MODE CERTIFICATE KEY USER PASSWORD

MODE is `starttls` (demanded, then a login), `tls` (from the start, then a login), `plain` (no TLS, no login) or `reject` (as
`plain`, and refuses every mail with 554). The first line on standard output is its port; then each mail is a line of JSON:
`from`, `to`, `data` (base64), `tls` (version or null) and `user` (or null). It ends when standard input does.
"""

import asyncio
import base64
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

# It warns of what is wanted here, and tells of clients that leave.
warnings.simplefilter("ignore")
logging.disable()

mode, certificate, key, user, password = sys.argv[1:]
needs_login = mode in ("starttls", "tls")


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made


class Handler:
    async def handle_DATA(self, server, session, envelope):
        if mode == "reject":
            return "554 5.7.1 not wanted here"
        tls = server.transport.get_extra_info("ssl_object")
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": base64.b64encode(envelope.content).decode(),
            "tls": None if tls is None else tls.version(),
            "user": session.auth_data.decode() if session.authenticated else None,
        }
        print(json.dumps(mail), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.login == user.encode() and data.password == password.encode()
    # Not handled: aiosmtpd answers 535 itself.
    return AuthResult(success=good, handled=good, auth_data=data.login if good else None)


def connection():
    return SMTP(
        Handler(),
        hostname="127.0.0.1",
        tls_context=context() if mode == "starttls" else None,
        require_starttls=mode == "starttls",
        auth_required=needs_login,
        # aiosmtpd knows of no TLS that was there from the start.
        auth_require_tls=mode == "starttls",
        authenticator=authenticate if needs_login else None,
    )


async def main():
    loop = asyncio.get_running_loop()
    implicit = context() if mode == "tls" else None
    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=implicit)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
