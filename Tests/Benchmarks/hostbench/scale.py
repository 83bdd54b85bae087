"""What many plugins and many connections cost."""
import resource
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


def host_with(count, directory):
    bundles = workplace.build_scale_bundles(count, directory)
    return servers.Host([bundle for _, bundle in bundles], scale_paths(count))


def measure_start(count):
    """Seconds from exec to the first answer, and memory for each plugin."""
    with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
        with host_with(1, directory) as host:
            begun = time.monotonic()
            host.start()
            alone = {"seconds": time.monotonic() - begun, "state": State(host.process.pid)}
    with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
        with host_with(count, directory) as host:
            begun = time.monotonic()
            host.start(within=300)
            seconds = time.monotonic() - begun
            state = State(host.process.pid)
    return {
        "plugins": count, "seconds": round(seconds, 2),
        "seconds_with_one": round(alone["seconds"], 3),
        "bytes_per_plugin": round((state.private - alone["state"].private) / (count - 1)),
    }


def measure_dispatch(count, requests):
    """User instructions a request with many plugins against one."""
    found = {}
    for plugins in (1, count):
        with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
            host = host_with(plugins, directory)
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
        before = State(host.process.pid)
        connections = [Connection(host.port) for _ in range(count)]
        for connection in connections:
            connection.get(path)
        after = State(host.process.pid)
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
