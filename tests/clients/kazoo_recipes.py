"""kazoo's recipes between several clients and processes; prints `ok NAME` or `not ok NAME`.

    kazoo_recipes.py HOST:PORT
"""

import multiprocessing
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.recipe.barrier import DoubleBarrier
from kazoo.recipe.watchers import ChildrenWatch, DataWatch

HOSTS = sys.argv[1]


def client():
    made = KazooClient(hosts=HOSTS, timeout=10)
    made.start(30)
    return made


def add_under_lock(hosts, times):
    """Read, think, write: loses updates wherever two are inside."""
    mine = KazooClient(hosts=hosts, timeout=10)
    mine.start(30)
    lock = mine.Lock("/lock", str(times))
    for _ in range(times):
        with lock:
            value = int(mine.get("/sum")[0])
            time.sleep(0.001)
            mine.set("/sum", str(value + 1).encode())
    mine.stop()


def lock():
    zk = client()
    zk.create("/sum", b"0")
    workers = [multiprocessing.Process(target=add_under_lock, args=(HOSTS, 25)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert zk.get("/sum")[0] == b"100", zk.get("/sum")
    zk.stop()


def lock_is_freed_with_its_session():
    holder, waiter = client(), client()
    assert holder.Lock("/freed").acquire()
    second = waiter.Lock("/freed")
    assert not second.acquire(blocking=False)
    holder.stop()
    assert second.acquire(timeout=10)
    waiter.stop()


def read_and_write_locks():
    one, two = client(), client()
    first, second = one.ReadLock("/rw"), two.ReadLock("/rw")
    assert first.acquire() and second.acquire(timeout=5)
    writer = two.WriteLock("/rw")
    assert not writer.acquire(blocking=False)
    first.release()
    second.release()
    assert writer.acquire(timeout=5)
    one.stop()
    two.stop()


def semaphore():
    clients = [client() for _ in range(3)]
    semaphores = [c.Semaphore("/semaphore", max_leases=2) for c in clients]
    assert semaphores[0].acquire() and semaphores[1].acquire()
    assert not semaphores[2].acquire(blocking=False)
    semaphores[0].release()
    assert semaphores[2].acquire(timeout=5)
    for c in clients:
        c.stop()


def election():
    clients = [client() for _ in range(3)]
    leaders, rounds = [], threading.Semaphore(0)

    def lead(name):
        leaders.append(name)
        rounds.release()

    threads = [
        threading.Thread(target=c.Election("/election", str(i)).run, args=(lead, i))
        for i, c in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for _ in clients:
        assert rounds.acquire(timeout=20)
    for thread in threads:
        thread.join(20)
    assert sorted(leaders) == [0, 1, 2], leaders
    for c in clients:
        c.stop()


def barrier():
    one, two = client(), client()
    gate = one.Barrier("/barrier")
    gate.create()
    passed = threading.Event()
    thread = threading.Thread(target=lambda: two.Barrier("/barrier").wait(20) and passed.set())
    thread.start()
    assert not passed.wait(0.3)
    gate.remove()
    assert passed.wait(10)
    thread.join()
    one.stop()
    two.stop()


def double_barrier():
    clients = [client() for _ in range(3)]
    inside, gone = [], []

    def visit(c):
        gate = DoubleBarrier(c, "/double", 3)
        gate.enter()
        inside.append(1)
        gate.leave()
        gone.append(len(inside))

    threads = [threading.Thread(target=visit, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert gone == [3, 3, 3], gone
    for c in clients:
        c.stop()


def queue():
    one, two = client(), client()
    first = one.Queue("/queue")
    for number in range(20):
        first.put(str(number).encode())
    second = two.Queue("/queue")
    got = [second.get() for _ in range(20)]
    assert got == [str(number).encode() for number in range(20)], got
    one.stop()
    two.stop()


def locking_queue():
    one, two = client(), client()
    first, second = one.LockingQueue("/locking"), two.LockingQueue("/locking")
    first.put_all([b"a", b"b"])
    assert first.get(5) == b"a"
    assert second.get(5) == b"b"
    assert first.consume() and second.consume()
    assert len(second) == 0
    one.stop()
    two.stop()


def party():
    one, two = client(), client()
    first, second = one.Party("/party", "one"), two.Party("/party", "two")
    first.join()
    second.join()
    assert sorted(first) == ["one", "two"]
    two.stop()
    deadline = time.time() + 10
    while sorted(first) != ["one"] and time.time() < deadline:
        time.sleep(0.05)
    assert sorted(first) == ["one"]
    one.stop()


def counter():
    clients = [client() for _ in range(3)]

    def add(c):
        mine = c.Counter("/counter")
        for _ in range(20):
            mine += 1

    threads = [threading.Thread(target=add, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clients[0].Counter("/counter").value == 60
    for c in clients:
        c.stop()


def watchers():
    one, two = client(), client()
    one.create("/watched")
    values, children = [], []
    DataWatch(one, "/watched", lambda data, stat: values.append(data))
    ChildrenWatch(one, "/watched", lambda names: children.append(sorted(names)))
    for number in range(5):
        two.set("/watched", str(number).encode())
        two.create(f"/watched/{number}")
    deadline = time.time() + 10
    while (values[-1] != b"4" or len(children[-1]) != 5) and time.time() < deadline:
        time.sleep(0.02)
    assert values[-1] == b"4" and len(children[-1]) == 5, (values, children)
    one.stop()
    two.stop()


def work(hosts, name):
    """A worker that takes tasks assigned to it and says that they are done."""
    mine = KazooClient(hosts=hosts, timeout=10)
    mine.start(30)
    mine.create(f"/workers/{name}", ephemeral=True)
    stop = threading.Event()

    @mine.ChildrenWatch(f"/assign/{name}")
    def assigned(tasks):
        for task in sorted(tasks):
            if task == "stop":
                stop.set()
                continue
            transaction = mine.transaction()
            transaction.create(f"/done/{task}", name.encode())
            transaction.delete(f"/assign/{name}/{task}")
            transaction.commit()

    stop.wait(30)
    mine.stop()


def master_worker():
    zk = client()
    names = ["w0", "w1", "w2"]
    for path in ["/workers", "/assign", "/done"]:
        zk.create(path)
    for name in names:
        zk.create(f"/assign/{name}")
    workers = [multiprocessing.Process(target=work, args=(HOSTS, name)) for name in names]
    for worker in workers:
        worker.start()
    everyone = threading.Event()
    ChildrenWatch(zk, "/workers", lambda found: everyone.set() if len(found) == 3 else None)
    assert everyone.wait(20)
    for task in range(30):
        zk.create(f"/assign/{names[task % 3]}/task-{task:03}")
    deadline = time.time() + 20
    while len(zk.get_children("/done")) < 30 and time.time() < deadline:
        time.sleep(0.05)
    assert len(zk.get_children("/done")) == 30
    for name in names:
        zk.create(f"/assign/{name}/stop")
    for worker in workers:
        worker.join(20)
    assert zk.get_children("/workers") == []
    zk.stop()


RECIPES = [lock, lock_is_freed_with_its_session, read_and_write_locks, semaphore, election, barrier,
           double_barrier, queue, locking_queue, party, counter, watchers, master_worker]

if __name__ == "__main__":
    failed = 0
    for recipe in RECIPES:
        try:
            recipe()
            print(f"ok {recipe.__name__}", flush=True)
        except Exception as error:  # every failure is one line, the next recipe still runs
            failed += 1
            print(f"not ok {recipe.__name__}: {error!r}", flush=True)
    sys.exit(1 if failed else 0)
