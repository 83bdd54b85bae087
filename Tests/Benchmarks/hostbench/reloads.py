"""What a reload costs: from the replaced file to the first new answer, and what it leaves."""
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import tempfile
import time

from . import servers
from .client import Connection
from .processor_time import read_wrk


class Traffic:
    """wrk on a path of a host, from now until it is asked what came of it."""

    def __init__(self, port, paths, connections=16):
        self.script = tempfile.NamedTemporaryFile("w", suffix=".lua")
        quoted = ", ".join(f'"{path}"' for path in paths)
        self.script.write(
            f"local paths, next = {{ {quoted} }}, 0\n"
            "request = function()\n"
            "    next = next % #paths + 1\n"
            "    return wrk.format('GET', paths[next])\n"
            "end\n")
        self.script.flush()
        self.process = subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", "-d3600s", "--latency", "-s", self.script.name,
             f"http://127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)

    def result(self):
        self.process.send_signal(signal.SIGINT)
        text, _ = self.process.communicate(timeout=30)
        return read_wrk(text)


def generation(connection, plugin):
    status, body = connection.get(f"/plugin/{plugin}/api/version")
    if status != 200:
        raise RuntimeError(f"{plugin} answered {status}: {body!r}")
    return json.loads(body)["generation"]


def variant(code, number):
    """The same library with another digest: bytes behind its end mean nothing to the loader."""
    return code + f"variant {number:012}".encode()


def replace(library, code):
    """Replaces a library as a linker or an installer does: beside it, then over it."""
    beside = library.with_name(f".{library.name}.new")
    beside.write_bytes(code)
    os.rename(beside, library)


def latencies(host, plugin, count, never_seen):
    """Milliseconds from each replaced file to the first answer of the new code."""
    code = host.library(plugin).read_bytes()
    connection = Connection(host.port)
    found = []
    known = [variant(code, number) for number in (1, 2)]
    rounds = count if never_seen else count + 2
    for number in range(rounds):
        new = variant(code, 1000 + number) if never_seen else known[number % 2]
        before = generation(connection, plugin)
        begun = time.monotonic()
        replace(host.library(plugin), new)
        while generation(connection, plugin) == before:
            if time.monotonic() - begun > 30:
                raise RuntimeError(f"{plugin} was not reloaded within 30 s")
        found.append((time.monotonic() - begun) * 1000)
        wait_for_unload(host, plugin, before)
    return found if never_seen else found[2:]


def wait_for_unload(host, plugin, generation):
    """Waits until the maps of the host hold no copy of that generation any more."""
    deadline = time.monotonic() + 30
    mark = re.compile(rf"/{re.escape(plugin)}/run/.*\.{generation}\.")
    while mark.search(pathlib.Path(f"/proc/{host.engine}/maps").read_text()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"generation {generation} of {plugin} is still mapped")


def measure_latency(bundles, count):
    """Reload latencies of each sample under load, for known and for never seen digests."""
    found = {}
    for plugin in bundles:
        paths = {name: f"/plugin/{name}/api/hello" for name in bundles}
        with servers.Host(bundles.values(), paths, threads=2) as host:
            host.start()
            traffic = Traffic(host.port, paths.values())
            seen = latencies(host, plugin, count, never_seen=False)
            new = latencies(host, plugin, count, never_seen=True)
            result = traffic.result()
            found[plugin] = {
                "seen_digest_ms": spread(seen), "new_digest_ms": spread(new),
                "reloads": 2 * count + 2, "requests": result["requests"],
                "failed": result["failed"],
            }
    return found


def spread(values):
    ordered = sorted(values)
    return {"median": round(statistics.median(ordered), 2),
            "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2)}


def measure_leak(bundles, count):
    """What a reload leaves behind, without other traffic: heap in use, memory, threads, fds.

    The first reloads fill what is bounded: the images that are remembered for backtraces, and the
    caches of the allocator. They come before the count."""
    found = {}
    for plugin, bundle in bundles.items():
        with servers.Host([bundle], {plugin: f"/plugin/{plugin}/api/hello"}) as host:
            host.start()
            latencies(host, plugin, max(20, count // 4), never_seen=False)
            before, heap = State(host.engine), heap_bytes(host, plugin)
            latencies(host, plugin, count - 2, never_seen=False)
            after = State(host.engine)
            found[plugin] = {
                "reloads": count,
                "heap_bytes_each": round((heap_bytes(host, plugin) - heap) / count),
                "private_bytes_each": round((after.private - before.private) / count),
                "threads": after.threads - before.threads,
                "descriptors": after.descriptors - before.descriptors,
            }
    return found


def heap_bytes(host, plugin):
    """What was in use on the heap after the last unload, as the host counts it."""
    return json.loads(host.run("status", plugin, "--json"))["reloads"]["heap_bytes"]


class State:
    """What a process holds."""

    def __init__(self, pid):
        process = pathlib.Path(f"/proc/{pid}")
        rollup = (process / "smaps_rollup").read_text()
        kib = sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.M))
        self.private = kib * 1024
        self.threads = len(list((process / "task").iterdir()))
        self.descriptors = len(list((process / "fd").iterdir()))
