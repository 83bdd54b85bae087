"""What an event costs its publisher and each of its subscribers."""
import json
import pathlib
import tempfile
import time

from . import servers, workplace
from .client import Connection, Refused

SUBSCRIBERS = (1, 10, 1000)


def build_bundle(directory):
    """A bundle of a plugin that publishes to itself and looks at the clock."""
    source, library = workplace.HERE / "plugins/events.c", workplace.OUT / "events.so"
    if not workplace.is_newer(library, source, workplace.SDK / "pluginhost/events.h"):
        workplace.run(["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC",
                       "-fvisibility=hidden", "-shared", "-s", f"-I{workplace.SDK}", source,
                       "-o", library])
    draft = pathlib.Path(directory) / "events"
    (draft / "lib").mkdir(parents=True)
    (draft / "lib/libevents.so").write_bytes(library.read_bytes())
    (draft / "manifest.json").write_text(
        f'{{"name":"events","version":"1.0.0","abi":"{workplace.abi()}",'
        '"services":["ph.events/1"],"description":"Measures the event bus."}\n')
    bundle = pathlib.Path(directory) / "events.tar.gz"
    workplace.run([workplace.HOST, "pack", draft, "-o", bundle])
    return bundle


def measure_events(deliveries):
    """Nanoseconds of a publish and of a delivery, by the number of subscribers."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
        with servers.Host([build_bundle(directory)], {}) as host:
            host.start()
            wait_for_listener(host.port)
            connection = Connection(host.port, timeout=120)
            for subscribers in SUBSCRIBERS:
                events = min(deliveries // subscribers, 60000)
                path = f"/plugin/events/api/run?subscribers={subscribers}&events={events}"
                rounds = []
                for _ in range(5):
                    status, body = connection.get(path)
                    if status != 200:
                        raise RuntimeError(f"{path} answered {status}: {body!r}")
                    rounds.append(json.loads(body))
                found[str(subscribers)] = {
                    key: sorted(one[key] for one in rounds)[2] for key in rounds[0]}
                found[str(subscribers)]["out_of_order"] = sum(
                    one["out_of_order"] for one in rounds)
                found[str(subscribers)]["events"] = events
    return found


def wait_for_listener(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return Connection(port).get("/healthz")
        except (OSError, Refused):
            time.sleep(0.02)
    raise RuntimeError("the host does not answer")
