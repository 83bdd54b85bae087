"""What many plugins and many connections cost."""
import resource
import shutil
import tempfile
import time

from . import instructions, servers, workplace
from .client import Connection
from .processor_time import Load, wrk
from .reloads import State


def scale_paths(count):
    """A path with a parameter, of a plugin in the middle: what routing has to find."""
    name = f"scale-{count // 2:04}"
    return {f"{count} plugins": f"/plugin/{name}/api/users/42/notes"}


_roots = {}


def host_with(count):
    """A host with this many plugins, which are installed once and then copied."""
    if count not in _roots:
        _roots[count] = tempfile.TemporaryDirectory(prefix="plugin-host-bench.")
        with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
            bundles = workplace.build_scale_bundles(count, directory)
            with servers.Host([bundle for _, bundle in bundles], {}) as host:
                shutil.copytree(host.root, _roots[count].name, symlinks=True, dirs_exist_ok=True)
    host = servers.Host([], scale_paths(count))
    shutil.copytree(_roots[count].name, host.root, symlinks=True, dirs_exist_ok=True)
    return host


def start(host):
    """Starts a host; returns the seconds to the first answer, and what it then holds."""
    begun = time.monotonic()
    host.start(within=300)
    return time.monotonic() - begun, State(host.engine)


def measure_start(count):
    """Seconds from exec to the first answer, and memory for each plugin.

    The first start loads each library in a throwaway process; later ones know them."""
    with host_with(1) as host:
        alone, state_alone = start(host)
    with host_with(count) as host:
        first, _ = start(host)
        host.end()
        seconds, state = start(host)
    return {
        "plugins": count, "seconds_first": round(first, 2), "seconds": round(seconds, 2),
        "seconds_with_one": round(alone, 3),
        "bytes_per_plugin": round((state.private - state_alone.private) / (count - 1)),
    }


def measure_dispatch(count, requests):
    """User instructions a request with many plugins against one."""
    found = {}
    for plugins in (1, count):
        host = host_with(plugins)
        found[plugins] = list(instructions.measure(host, requests).values())[0]
    return {"plugins": count, "instructions_with_one": found[1], "instructions": found[count],
            "ratio": round(found[count] / found[1], 3)}


def measure_idle(count):
    """Memory of the host for each keep-alive connection that waits after one request."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = min(count, hard - 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with servers.make_host() as host:
        host.start()
        path = list(host.paths.values())[0]
        for _ in range(200):
            Connection(host.port).get(path)
        before = State(host.engine)
        connections = [Connection(host.port) for _ in range(count)]
        for connection in connections:
            connection.get(path)
        after = State(host.engine)
        for connection in connections:
            connection.close()
    grown = after.private - before.private
    return {"connections": count, "bytes_each": round(grown / count), "bytes": grown}


def measure_sleep(seconds):
    """The 99th percentile of quick answers, while nothing else happens and while one handler after
    the other sleeps 100 ms in the same reactor."""
    with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
        bundle = workplace.build_bulk_bundle(directory)
        with servers.Host([bundle], {"hello": "/plugin/scale-0000/api/hello"}) as host:
            host.start()
            load = Load("beside a sleeper", connections=16)
            path = host.paths["hello"]
            alone = wrk(host.port, path, seconds, load)
            sleeper = servers.Load(host.port, "/plugin/scale-0000/api/sleep")
            sleeper.start()
            beside = wrk(host.port, path, seconds, load)
            sleeper.end()
    return {
        "p99_alone_ms": alone["p99_milliseconds"], "p99_beside_ms": beside["p99_milliseconds"],
        "ratio": round(beside["p99_milliseconds"] / alone["p99_milliseconds"], 2),
        "slept": sleeper.done, "failed": beside["failed"] + sleeper.failed,
    }
