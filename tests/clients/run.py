#!/usr/bin/env python3
"""Client suites and recipes that no one here wrote, run against Java ZooKeeper 3.9.5 and against us.

    tests/clients/run.py [--server java|ringkeeper|both] [kazoo|kazoo3|go|rust|node|recipes|curator|all]...

For each suite: how many tests passed and failed against each server, and the names of those that
differ. Ends with 1 when one passes against Java and not against us. What needs an ensemble or a
feature of a later issue is listed by name in tests/clients/excluded/, with the reason.
The server binary is $RINGKEEPER, or the newest of target/{release,debug}/ringkeeper.
"""

import argparse
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WORK = TARGET / "clients"


def sh(*command, **options):
    """Runs a command that has to succeed."""
    subprocess.run([str(part) for part in command], check=True, **options)


def need(*tools):
    sh(ROOT / "tests/support/need.sh", *tools)


def jars(what):
    script = ROOT / "tests/support/fetch-jars.sh"
    return subprocess.run([script, what], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def excluded(suite):
    """Names left out of a suite, from excluded/<suite>.txt."""
    lines = (HERE / "excluded" / f"{suite}.txt").read_text().splitlines()
    names = [line.split("#")[0].strip() for line in lines]
    return [name for name in names if name]


def binary():
    if os.environ.get("RINGKEEPER"):
        return os.environ["RINGKEEPER"]
    built = [path for kind in ("release", "debug") if (path := TARGET / kind / "ringkeeper").exists()]
    if not built:
        sys.exit(f"no server binary under {TARGET}: cargo build first")
    return str(max(built, key=lambda path: path.stat().st_mtime))


def environment(server):
    """What a suite is run with: the stand-ins for java and zkServer.sh in front of the path."""
    env = dict(os.environ)
    env["PATH"] = f"{HERE / 'shim'}:{env['PATH']}"
    env["RK_TEST_SERVER"] = server
    env["ZOOKEEPER_JARS"] = jars("zookeeper") + "/*"
    env["RINGKEEPER"] = binary() if server == "ringkeeper" else ""
    return env


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server for suites that only connect: started by the shim, killed by its pid."""

    def __init__(self, server, name, extra=""):
        self.folder = WORK / f"data-{name}-{server}"
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "data").mkdir(parents=True)
        self.port = free_port()
        cfg = self.folder / "zoo.cfg"
        cfg.write_text(
            f"tickTime=500\ndataDir={self.folder}/data\nclientPort={self.port}\n"
            "clientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n"
            f"4lw.commands.whitelist=*\nextendedTypesEnabled=true\n{extra}"
        )
        log = open(self.folder / "server.log", "wb")
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        self.process = subprocess.Popen(
            [HERE / "shim/java", main, cfg], env=environment(server), stdout=log, stderr=log
        )
        deadline = time.time() + 60
        while not self.serves():
            if self.process.poll() is not None or time.time() > deadline:
                self.stop()
                sys.exit(f"{server} does not serve; see {self.folder}/server.log")
            time.sleep(0.05)

    def serves(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                probe.sendall(b"srvr")
                text = b""
                while chunk := probe.recv(4096):
                    text += chunk
                return b"Mode: standalone" in text
        except OSError:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()


def run_logged(name, server, command, timeout, **options):
    """Runs a suite; returns its output, kept in target/clients/<name>-<server>.log too."""
    log = WORK / f"{name}-{server}.log"
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, **options
        )
        output = done.stdout
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"") + f"\nTIMED OUT after {timeout} s\n".encode()
    log.write_bytes(output)
    return output.decode("utf-8", "replace")


def venv():
    """A virtual environment with kazoo and what its tests need."""
    need("python3")
    folder = WORK / "venv"
    python = folder / "bin/python"
    WORK.mkdir(parents=True, exist_ok=True)
    # Several tests may ask at once: one makes it, the others wait.
    with open(WORK / ".venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_venv(folder, python)
    return python


PACKAGES = ["kazoo==2.11.0", "pytest", "pytest-timeout", "pyjks", "pyopenssl==23.3.0", "objgraph", "gevent",
            "eventlet", "setuptools<81", "wheel", "prometheus-client", "pure-sasl"]


def make_venv(folder, python):
    stamp, packages = folder / ".complete", "\n".join(PACKAGES)
    if not stamp.exists() or stamp.read_text() != packages:
        shutil.rmtree(folder, ignore_errors=True)
        sh("python3", "-m", "venv", folder)
        sh(python, "-m", "pip", "install", "-q", *PACKAGES)
        stamp.write_text(packages)


def kazoo3(server):
    """kazoo's own tests as they are meant: on a cluster of three servers."""
    return kazoo(server, 3)


def kazoo(server, size=1):
    """kazoo's own tests on a cluster of one server."""
    name = "kazoo" if size == 1 else f"kazoo{size}"
    left_out = excluded("kazoo") + (excluded("kazoo-alone") if size == 1 else [])
    python = venv()
    source = WORK / "kazoo-2.11.0"
    if not source.exists():
        sh(python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:",
           "--no-build-isolation", "kazoo==2.11.0", "-d", WORK)
        with tarfile.open(WORK / "kazoo-2.11.0.tar.gz") as archive:
            archive.extractall(WORK)
    env = environment(server)
    env.update(
        ZOOKEEPER_PATH="/nowhere", ZOOKEEPER_CLASSPATH=env["ZOOKEEPER_JARS"], ZOOKEEPER_VERSION="3.9.5",
        ZOOKEEPER_CLUSTER_SIZE=str(size), ZOOKEEPER_PORT_OFFSET=str(random.randrange(21000, 31000, 10)),
    )
    words = [word for word in left_out if not word.endswith(".py")]
    ignores = [a for file in left_out if file.endswith(".py") for a in ("--ignore", file)]
    command = [python, "-m", "pytest", "-q", "--color=no", "-rA", "--timeout", "120", "-p", "no:cacheprovider",
               "-o", "log_cli=false", "--show-capture=no", "--tb=short", "kazoo/tests", *ignores]
    if words:
        command += ["-k", " and ".join(f"not {word}" for word in words)]
    output = run_logged(name, server, command, 1500 + 600 * (size - 1), cwd=source, env=env)
    return {
        name: outcome == "PASSED"
        for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR) (\S+)", output, re.M)
    }


def go(server):
    """go-zookeeper's own tests. Their binary is built once and run from a copy of the module."""
    need("go")
    source = WORK / "go-zookeeper"
    if not source.exists():
        probe = WORK / "go-probe"
        probe.mkdir(parents=True, exist_ok=True)
        (probe / "go.mod").write_text("module probe\n\ngo 1.19\n")
        found = subprocess.run(["go", "mod", "download", "-json", "github.com/go-zookeeper/zk@v1.0.4"],
                               cwd=probe, check=True, text=True, stdout=subprocess.PIPE).stdout
        shutil.copytree(re.search(r'"Dir": "([^"]+)"', found)[1], source)
        sh("chmod", "-R", "u+w", source)
        # The helper that waits for a server reads the build date of `srvr` as 3.5 wrote it; with
        # 3.9 (Java's as ours) it would wait for ever. It asks `ruok` instead.
        helper = source / "server_help_test.go"
        helper.write_text(helper.read_text().replace(
            "_, ok := FLWSrvr(serverAddrs, time.Second)",
            "ok := true\n\t\tfor _, one := range FLWRuok(serverAddrs, time.Second) {\n\t\t\tok = ok && one\n\t\t}",
        ))
    env = environment(server)
    env["ZOOKEEPER_BIN_PATH"] = str(HERE / "shim")
    # Tests of what older servers do not have run where this says so.
    env["ZK_VERSION"] = "3.9.5"
    skip = "|".join(f"^{name}$" for name in excluded("go"))
    command = ["go", "test", "-timeout", "900s", "-v", "-skip", skip, "./"]
    output = run_logged("go", server, command, 1000, cwd=source, env=env)
    return {
        name: outcome == "PASS"
        for outcome, name in re.findall(r"^--- (PASS|FAIL): (\S+)", output, re.M)
    }


def rust(server):
    """zookeeper-client's own tests, built once with our stand-in for testcontainers (no Docker)."""
    need("cargo")
    source = WORK / "zookeeper-client-0.11.2"
    if not (source / ".complete").exists():
        shutil.rmtree(source, ignore_errors=True)
        probe = WORK / "rust-probe"
        (probe / "src").mkdir(parents=True, exist_ok=True)
        (probe / "src/lib.rs").touch()
        (probe / "Cargo.toml").write_text(
            '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n'
            '[dependencies]\nzookeeper-client = "=0.11.2"\n[workspace]\n'
        )
        found = subprocess.run(["cargo", "metadata", "--format-version", "1"], cwd=probe, check=True, text=True,
                               stdout=subprocess.PIPE).stdout
        crates = {package["name"]: package for package in json.loads(found)["packages"]}
        shutil.copytree(Path(crates["zookeeper-client"]["manifest_path"]).parent, source)
        sh("chmod", "-R", "u+w", source)
        # As published it names no testcontainers: the crate's own is a branch of a git repository.
        with open(source / "Cargo.toml", "a") as manifest:
            manifest.write(f'\n[dev-dependencies.testcontainers]\npath = "{HERE / "shim/testcontainers"}"\n'
                           "\n[workspace]\n")
        (source / ".complete").touch()
    quick = dict(os.environ, CARGO_PROFILE_DEV_LTO="off", CARGO_PROFILE_DEV_DEBUG="0")
    built = subprocess.run(
        ["cargo", "test", "--test", "zookeeper", "--no-run", "--message-format", "json", "--quiet",
         "--target-dir", WORK / "rust-target"],
        cwd=source, env=quick, check=True, text=True, stdout=subprocess.PIPE,
    ).stdout
    tests = re.findall(r'"executable":"([^"]+)"', built)[-1]
    env = environment(server)
    servers = WORK / f"data-rust-{server}"
    shutil.rmtree(servers, ignore_errors=True)
    servers.mkdir()
    env["RK_TEST_FOLDER"] = str(servers)
    command = [tests, "--exact", "--test-threads", "4"]
    for name in excluded("rust"):
        command += ["--skip", name]
    try:
        output = run_logged("rust", server, command, 900, cwd=source, env=env)
    finally:
        # Servers of a test that was killed: those whose pid is still of a process of that folder.
        for left in servers.glob("*/server.pid"):
            command_line = Path("/proc", left.read_text(), "cmdline")
            if command_line.exists() and str(left.parent).encode() in command_line.read_bytes():
                os.kill(int(left.read_text()), signal.SIGKILL)
    return {
        name: outcome == "ok"
        for name, outcome in re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (?:.*\n)*?(ok|FAILED)$", output, re.M)
    }


def checks(output):
    """Results of our own small programs: lines `ok NAME` and `not ok NAME`."""
    return {name: not bad for bad, name in re.findall(r"^(not )?ok ([\w.-]+)", output, re.M)}


def node(server):
    """node-zookeeper-client: a session with every call it has."""
    need("node", "npm")
    folder = WORK / "node"
    if not (folder / "node_modules/node-zookeeper-client").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}\n")
        sh("npm", "install", "--silent", "--no-audit", "--no-fund", "node-zookeeper-client@1.1.3", cwd=folder)
    running = Server(server, "node")
    try:
        env = dict(os.environ, NODE_PATH=str(folder / "node_modules"))
        command = ["node", HERE / "node_client.js", f"127.0.0.1:{running.port}"]
        return checks(run_logged("node", server, command, 120, env=env))
    finally:
        running.stop()


def recipes(server):
    """kazoo's recipes between processes: lock, election, barriers, queues, party, counter."""
    python = venv()
    running = Server(server, "recipes")
    try:
        command = [python, HERE / "kazoo_recipes.py", f"127.0.0.1:{running.port}"]
        return checks(run_logged("recipes", server, command, 300))
    finally:
        running.stop()


def curator(server):
    """Curator's recipes, several processes for the lock."""
    need("java")
    classpath = jars("curator") + "/*"
    running = Server(server, "curator")
    try:
        source = ROOT / "tests/java/curator/Recipes.java"
        command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", classpath, source, f"127.0.0.1:{running.port}"]
        env = dict(os.environ, RECIPES_SOURCE=str(source))
        return checks(run_logged("curator", server, command, 300, env=env))
    finally:
        running.stop()


SUITES = {"kazoo": kazoo, "kazoo3": kazoo3, "go": go, "rust": rust, "node": node, "recipes": recipes, "curator": curator}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--server", default="both", choices=["java", "ringkeeper", "both"])
    parser.add_argument("--venv", action="store_true", help="make the environment with kazoo, print its Python")
    parser.add_argument("suites", nargs="*", default=["all"], metavar="suite")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if options.venv:
        print(venv())
        return
    names = list(SUITES) if "all" in options.suites else options.suites
    servers = ["java", "ringkeeper"] if options.server == "both" else [options.server]
    worse = False
    for name in names:
        results = {}
        for server in servers:
            began = time.time()
            results[server] = SUITES[name](server)
            passed = sum(results[server].values())
            failed = len(results[server]) - passed
            print(f"{name} against {server}: {passed} passed, {failed} failed"
                  f" ({time.time() - began:.0f} s)", flush=True)
            worse |= not results[server]
            for test, good in results[server].items():
                if not good:
                    print(f"  failed: {test}")
        if len(servers) == 2:
            for test in sorted(set(results["java"]) | set(results["ringkeeper"])):
                theirs, ours = (results[server].get(test) for server in servers)
                if theirs != ours:
                    print(f"  differs: {test}: java {theirs}, ringkeeper {ours}")
                    worse |= theirs is True
        elif servers == ["ringkeeper"]:
            worse |= not all(results["ringkeeper"].values())
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
