"""Clients that go on while the servers of an ensemble are replaced one after the other.

    rolling_load.py HOST:PORT[,HOST:PORT]...

Reads commands from its input: `rest` stops new work (answered `resting`), `go` continues, `end`
checks what was acknowledged and prints one line of JSON: counts, and `errors`, which must be
empty. An error is anything that a client sees beyond a reconnect: a session that is over, an
acknowledged write that is gone, an increment lost under a lock, an ephemeral that was not there,
a watch that did not fire.
"""

import json
import logging
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, ConnectionClosedError, OperationTimeoutError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry

RECONNECT = (ConnectionLoss, ConnectionClosedError, OperationTimeoutError, KazooTimeoutError)


class Load:
    def __init__(self, hosts):
        self.hosts = hosts
        self.errors = []
        self.reconnects = 0
        self.counts = {"increments": 0, "items": 0, "events": 0}
        self.stop = threading.Event()
        self.working = threading.Event()
        self.busy = 0
        self.lock = threading.Lock()
        self.items = set()
        self.clients = []
        self.seen = None
        self.members = set()
        self.threads = []

    def client(self):
        retry = KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5)
        made = KazooClient(hosts=self.hosts, timeout=30, connection_retry=retry, command_retry=retry)
        made.start(60)
        made.add_listener(self.state)
        self.clients.append(made)
        return made

    def state(self, state):
        if state == KazooState.LOST and not self.stop.is_set():
            self.error("a session was lost")
        elif state == KazooState.SUSPENDED:
            with self.lock:
                self.reconnects += 1

    def error(self, text):
        with self.lock:
            if len(self.errors) < 20:
                self.errors.append(text)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def run(self, turn):
        """Repeats a turn; a lost connection in it is a turn that has not happened."""

        def work():
            while not self.stop.is_set():
                if not self.working.wait(0.1):
                    continue
                with self.lock:
                    self.busy += 1
                try:
                    turn()
                except RECONNECT:
                    time.sleep(0.05)
                except Exception as error:  # whatever else a client sees is a finding
                    self.error(repr(error))
                    time.sleep(0.5)
                finally:
                    with self.lock:
                        self.busy -= 1
                time.sleep(0.01)

        self.threads.append(threading.Thread(target=work, daemon=True))

    def increments(self, name):
        """Read, think, write under a lock: loses updates wherever two are inside."""
        zk = self.client()
        lock = zk.Lock("/rolling/lock", name)
        state = {"turn": 0}

        def turn():
            with lock:
                value = json.loads(zk.retry(zk.get, "/rolling/sum")[0])
                # A write whose answer was lost shows here whether it happened.
                mine = value["by"].get(name, 0)
                if mine < state["turn"]:
                    self.error(f"increment {state['turn']} of {name} is gone, {mine} is there")
                state["turn"] = mine
                value["by"][name] = mine + 1
                value["sum"] += 1
                time.sleep(0.002)
                zk.set("/rolling/sum", json.dumps(value).encode())
                state["turn"] = mine + 1
                self.count("increments")

        self.run(turn)

    def queue(self, name):
        zk = self.client()
        state = {"next": 0}

        def turn():
            number = state["next"]
            state["next"] += 1
            path = f"/rolling/items/{name}-{number}"
            zk.create(path, b"item")
            self.items.add(path)
            self.count("items")

        self.run(turn)

    def member(self, name):
        zk = self.client()
        zk.create(f"/rolling/members/{name}", ephemeral=True)
        self.members.add(name)

    def watchers(self):
        zk = self.client()

        def changed(data, stat):
            self.seen = data
            self.count("events")

        def who(names):
            missing = self.members - set(names)
            if missing and not self.stop.is_set():
                self.error(f"ephemerals of {sorted(missing)} were gone")

        zk.DataWatch("/rolling/sum", changed)
        zk.ChildrenWatch("/rolling/members", who)

    def begin(self):
        zk = self.client()
        for path in ["/rolling", "/rolling/items", "/rolling/members"]:
            zk.create(path)
        zk.create("/rolling/sum", json.dumps({"sum": 0, "by": {}}).encode())
        for name in ["m1", "m2", "m3"]:
            self.member(name)
        self.watchers()
        for name in ["a", "b", "c"]:
            self.increments(name)
        for name in ["x", "y"]:
            self.queue(name)
        self.working.set()
        for thread in self.threads:
            thread.start()
        self.checker = zk

    def rest(self):
        self.working.clear()
        deadline = time.time() + 60
        while time.time() < deadline:
            with self.lock:
                if self.busy == 0:
                    return
            time.sleep(0.02)
        self.error("the clients do not come to rest")

    def check(self):
        zk = self.checker
        zk.retry(zk.sync, "/rolling")
        data = zk.retry(zk.get, "/rolling/sum")[0]
        value = json.loads(data)
        if value["sum"] != sum(value["by"].values()):
            self.error(f"increments were lost under the lock: {value}")
        if value["sum"] < self.counts["increments"]:
            self.error(f"{self.counts['increments']} increments were acknowledged: {value}")
        names = {f"/rolling/items/{name}" for name in zk.retry(zk.get_children, "/rolling/items")}
        if lost := self.items - names:
            self.error(f"acknowledged items are gone: {sorted(lost)[:5]}")
        if set(zk.retry(zk.get_children, "/rolling/members")) != self.members:
            self.error("the members' ephemerals are not all there")
        deadline = time.time() + 20
        while self.seen != data and time.time() < deadline:
            time.sleep(0.05)
        if self.seen != data:
            self.error(f"the watch stopped at {self.seen}, {data} is there")

    def end(self):
        self.check()
        self.stop.set()
        for made in self.clients:
            made.stop()


def main():
    # A lost connection is what this is about, and is counted.
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)
    load = Load(sys.argv[1])
    load.begin()
    print("running", flush=True)
    for line in sys.stdin:
        if line.strip() == "rest":
            load.rest()
            print("resting", flush=True)
        elif line.strip() == "go":
            load.working.set()
        elif line.strip() == "end":
            break
    load.rest()
    load.end()
    print(json.dumps({**load.counts, "reconnects": load.reconnects, "errors": load.errors}), flush=True)


if __name__ == "__main__":
    main()
