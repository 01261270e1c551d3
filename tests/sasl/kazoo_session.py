"""A session of kazoo's that proves itself by DIGEST-MD5: prints what came of it, a line each.

    kazoo_session.py HOST:PORT USER PASSWORD
"""

import logging
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import make_acl


def session(client, user):
    client.start(timeout=15)
    client.create("/mine", b"mine", acl=[make_acl("sasl", user, all=True)])
    print(client.get("/mine")[0].decode(), *client.get_acls("/mine")[0][0].id)
    with client.Lock("/lock", "me"):
        print("locked")
    client.stop()
    client.start(timeout=15)
    print("reconnected", client.get("/mine")[0].decode())
    client.stop()


hosts, user, password = sys.argv[1:]
logging.disable(logging.CRITICAL)
proof = {"mechanism": "DIGEST-MD5", "username": user, "password": password}
try:
    session(KazooClient(hosts=hosts, sasl_options=proof, timeout=20), user)
# Which of these it is goes by who is quicker: whoever asks, or whoever sees the connection end.
except (KazooException, KazooTimeoutError):
    print("refused")
