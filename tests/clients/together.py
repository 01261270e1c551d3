"""One of several that use the same nodes: kazoo's part of tests/recipes.rs.

    together.py HOST:PORT WHAT PATH ROUNDS [FOLDER]

Each round is one turn; what is done in a turn is told in files of FOLDER, or printed.
"""

import os
import sys
import tempfile

from kazoo.client import KazooClient
from kazoo.recipe.lock import Lock

HOSTS, WHAT, PATH, ROUNDS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
FOLDER = sys.argv[5] if len(sys.argv) > 5 else None


class CuratorLock(Lock):
    """A lock whose nodes Curator takes for its own: all contenders' end in lock- and a number."""

    _NODE_NAME = "-lock-"
    _EXCLUDE_NAMES = ["-lock-"]


def section(line):
    """Alone: the file cannot be made twice."""
    inside = os.path.join(FOLDER, "inside")
    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
    with open(os.path.join(FOLDER, "order"), "a") as order:
        order.write(f"{line} kazoo\n")
    os.unlink(inside)


def locks(zk, kind):
    for _ in range(ROUNDS):
        lock = kind(zk, PATH)
        with lock:
            section(zk.exists(f"{PATH}/{lock.node}").czxid)


def readers_and_writers(zk):
    for _ in range(ROUNDS):
        with zk.WriteLock(PATH):
            section("-")
        with zk.ReadLock(PATH):
            assert not os.path.exists(os.path.join(FOLDER, "inside")), "a writer is in beside a reader"


def semaphore(zk):
    for _ in range(ROUNDS):
        with zk.Semaphore(PATH, max_leases=2):
            with tempfile.NamedTemporaryFile(dir=FOLDER, prefix="lease-"):
                assert sum(name.startswith("lease-") for name in os.listdir(FOLDER)) <= 2


def election(zk):
    for _ in range(ROUNDS):
        zk.Election(PATH).run(section, "-")


def queue(zk):
    entries = zk.Queue(PATH)
    for _ in range(ROUNDS):
        print(entries.get().decode())
    for at in range(ROUNDS):
        entries.put(f"kazoo-{at}".encode(), priority=100 + at)


def counters(zk):
    text = zk.Counter(f"{PATH}/text")
    four_bytes = zk.Counter(f"{PATH}/int", support_curator=True)
    for _ in range(ROUNDS):
        text += 1
        four_bytes += 1


def barriers(zk):
    for at in range(ROUNDS):
        both = zk.DoubleBarrier(f"{PATH}/double-{at}", 3)
        both.enter()
        both.leave()


def party(zk):
    mine = zk.Party(PATH, "kazoo")
    mine.join()
    print(" ".join(sorted(mine)))


def main():
    zk = KazooClient(hosts=HOSTS, timeout=30)
    zk.start(30)
    kinds = {
        "mutex": lambda: locks(zk, CuratorLock),
        "own-lock": lambda: locks(zk, Lock),
        "readers-writers": lambda: readers_and_writers(zk),
        "semaphore": lambda: semaphore(zk),
        "election": lambda: election(zk),
        "queue": lambda: queue(zk),
        "counters": lambda: counters(zk),
        "barriers": lambda: barriers(zk),
        "party": lambda: party(zk),
    }
    kinds[WHAT]()
    zk.stop()


main()
