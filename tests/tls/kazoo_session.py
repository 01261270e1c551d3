"""A session of kazoo's over TLS: prints what it saw, a line each.

    kazoo_session.py HOST:PORT CERTIFICATE KEY AUTHORITY
"""

import sys

from kazoo.client import KazooClient

hosts, certificate, key, authority = sys.argv[1:]
client = KazooClient(
    hosts=hosts, use_ssl=True, certfile=certificate, keyfile=key, ca=authority, timeout=20
)
client.start(timeout=30)
seen = []
client.create("/kazoo", b"one")
client.get("/kazoo", watch=lambda event: seen.append(event.type))
client.set("/kazoo", b"x" * 500_000)
print("data", len(client.get("/kazoo")[0]))
with client.Lock("/lock", "me"):
    print("locked")
for n in range(200):
    client.create(f"/kazoo/{n}", b"")
print("children", len(client.get_children("/kazoo")))
client.stop()
print("events", *seen)
