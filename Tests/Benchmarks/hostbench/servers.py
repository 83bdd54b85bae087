"""The servers that are measured: how each is started, and what it is asked for."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from . import workplace
from .client import Connection, Refused

HELLO = b'{"message":"Hello, World!"}'
PATH = "/plugin/hello-c/api/hello"
QUIET_SECONDS = 2


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def tasks(pid):
    """Where the kernel tells of the threads of a process; nowhere when it has ended."""
    try:
        return list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


class Server:
    """One running server, and the paths on it that are measured, by name.

    Those of `paths` say hello; those of `bodies` answer with a megabyte, from "memory" or a
    "file", or with a kilobyte from a "small file"."""

    def __init__(self, name, command, port, paths, environment=None, bodies=None):
        self.name, self.command, self.port, self.paths = name, command, port, paths
        self.bodies = bodies or {}
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None

    def start(self, prefix=(), within=30):
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(word) for word in [*prefix, *self.command]], stdin=subprocess.DEVNULL,
            stdout=self.output, stderr=subprocess.STDOUT, env=self.environment,
            start_new_session=True)
        deadline = time.monotonic() + within
        for name, path in self.paths.items():
            self._wait_for(name, path, deadline)

    def start_for_counting(self, prefix, within):
        """Starts the server under a counter, and waits until its start leaves no work behind."""
        self.start(prefix, within)
        deadline = time.monotonic() + within
        used, before = self.processor_time(), -1
        while used != before:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not come to rest within {within} s")
            time.sleep(QUIET_SECONDS)
            used, before = self.processor_time(), used

    def processor_time(self):
        """Of the process and all its threads, in ticks of the kernel."""
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = text.rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def _wait_for(self, name, path, deadline):
        """Waits until a path gives the answer that every measured path gives."""
        last = "no connection"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                status, body = Connection(self.port).get(path)
                if (status, body) == (200, HELLO):
                    return
                last = f"{status} {body[:200]!r}"
            except (OSError, Refused) as error:
                last = str(error)
            time.sleep(0.02)
        self.output.seek(0)
        log = self.output.read().decode(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"{name} does not answer {path}: {last}\n{log}")

    def stop(self):
        """Ends the server and all that it started."""
        if self.process is None:
            return
        try:
            self.process.terminate()
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None

    def pids(self):
        """The process and all that descend from it."""
        found = [self.process.pid]
        for pid in found:
            for task in tasks(pid):
                try:
                    found += [int(child) for child in (task / "children").read_text().split()]
                except OSError:
                    pass
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Host(Server):
    """`host serve` with a root of its own, which is removed at the end."""

    def __init__(self, bundles, paths, threads=1, name="host", bodies=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="plugin-host-bench."))
        port = free_port()
        super().__init__(
            name, [workplace.HOST, "serve", "--root", self.root, "--listen", f"127.0.0.1:{port}",
                   "--threads", threads, "--grant-default", "all"], port, paths, bodies=bodies)
        for bundle in bundles:
            self.run("install", bundle)

    def start_for_counting(self, prefix, within):
        """Under valgrind, which understands neither the debug information nor pidfd_open: without
        them. The throwaway process needs the latter, and has no part in what is counted; nor has
        what the host does from time to time, which would weigh many times as much there."""
        bare = workplace.OUT / "host"
        if not workplace.is_newer(bare, workplace.HOST):
            workplace.run(["strip", "--strip-debug", workplace.HOST, "-o", bare])
        self.command = [bare, *self.command[1:], "--no-proof", "--no-supervisor",
                        "--monitor-seconds", 0, "--heartbeat-seconds", 0, "--reconcile-seconds", 0]
        super().start_for_counting(prefix, within)

    @property
    def engine(self):
        """The process in which the plugins are."""
        return self.pids()[1]

    def run(self, *arguments):
        return workplace.run([workplace.HOST, *arguments, "--root", self.root])

    def library(self, plugin):
        return self.root / "plugins" / plugin / "lib" / f"lib{plugin}.so"

    def end(self):
        """Ends the process and keeps the root, for another start."""
        super().stop()

    def stop(self):
        self.end()
        shutil.rmtree(self.root, ignore_errors=True)


SAMPLES = ("hello-c", "hello-embedded", "hello-swift")
ALL_SAMPLES = ("hello-c", "hello-cpp", "hello-rust", "hello-embedded", "hello-swift")


def sample_bundles(names=SAMPLES):
    """The sample plugins that `make plugins` has left, by name."""
    found = {}
    for name in names:
        bundle = workplace.BUNDLES / f"{name}.tar.gz"
        if bundle.exists():
            found[name] = bundle
        else:
            workplace.skip(f"host, {name}", f"there is no {bundle.relative_to(workplace.TOP)}")
    return found


def make_host(threads=1):
    """The host with the samples, and a plugin that has a megabyte in memory and one in a file."""
    bundles = sample_bundles()
    paths = {f"host, {name}": f"/plugin/{name}/api/hello" for name in bundles}
    with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
        bulk = workplace.build_bulk_bundle(directory)
        return Host([*bundles.values(), bulk], paths, threads, bodies={
            "memory": {"host, C plugin": "/plugin/scale-0000/api/megabyte"},
            "file": {"host, its files": "/plugin/scale-0000/megabyte.bin"},
            "small file": {"host, its files": "/plugin/scale-0000/kilobyte.txt"},
        })


def make_floor():
    port = free_port()
    return Server("floor", [workplace.PEERS / "floor", port], port, {"floor": PATH})


def make_libmicrohttpd():
    port = free_port()
    return Server("libmicrohttpd", [workplace.PEERS / "libmicrohttpd", port], port,
                  {"libmicrohttpd": PATH})


def make_nginx():
    port, peers = free_port(), workplace.PEERS
    (peers / "megabyte.bin").write_bytes(bytes(1 << 20))
    (peers / "kilobyte.txt").write_bytes(b"x" * 1024)
    (peers / "nginx.conf").write_text(f"""
load_module {peers}/ngx_http_hello_module.so;
worker_processes 1;
daemon off;
master_process off;
pid {peers}/nginx.pid;
error_log {peers}/nginx.log;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port};
        location {PATH} {{ hello_plugin; }}
        location ~ ^/(mega|kilo)byte[.] {{ root {peers}; }}
    }}
}}
""")
    return Server("nginx", ["nginx", "-c", peers / "nginx.conf", "-p", peers], port,
                  {"nginx, C module": PATH}, bodies={
                      "memory": {"nginx, C module": PATH + "/megabyte"},
                      "file": {"nginx, its files": "/megabyte.bin"},
                      "small file": {"nginx, its files": "/kilobyte.txt"}})


def make_apache():
    port, peers = free_port(), workplace.PEERS
    (peers / "apache.conf").write_text(f"""
ServerRoot /etc/apache2
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule hello_module {peers}/apache/.libs/mod_hello.so
PidFile {peers}/apache.pid
ErrorLog {peers}/apache.log
ServerName localhost
Listen 127.0.0.1:{port}
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
AsyncRequestWorkerFactor 16
MaxKeepAliveRequests 0
KeepAliveTimeout 60
<Location {PATH}>
SetHandler hello
Require all granted
</Location>
""")
    return Server("apache", ["/usr/sbin/apache2", "-f", peers / "apache.conf", "-DFOREGROUND"],
                  port, {"apache, C module": PATH})


def make_caddy():
    port = free_port()
    return Server("caddy", ["caddy", "respond", "--listen", f"127.0.0.1:{port}", "--body",
                            HELLO.decode()], port, {"caddy": PATH}, {"GOMAXPROCS": "1"})


PEERS = {
    "floor": make_floor, "nginx": make_nginx, "libmicrohttpd": make_libmicrohttpd,
    "caddy": make_caddy, "apache": make_apache,
}


def host_is_built():
    if not workplace.HOST.exists():
        workplace.skip("host", f"there is no {workplace.HOST}; run `make build plugins`")
    return workplace.HOST.exists()


class Load(threading.Thread):
    """Requests without pause from one connection, until it is told to end; counts what failed."""

    def __init__(self, port, path):
        super().__init__(daemon=True)
        self.port, self.path, self.done, self.failed = port, path, 0, 0
        self.ending = threading.Event()

    def run(self):
        connection = None
        while not self.ending.is_set():
            try:
                connection = connection or Connection(self.port)
                status, _ = connection.get(self.path)
                self.failed += status != 200
                self.done += 1
            except (OSError, Refused):
                connection = None
                self.failed += 1

    def end(self):
        self.ending.set()
        self.join()
