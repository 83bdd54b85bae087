"""CPU time per request, kernel and user together, while wrk drives one server after the other.

The servers take turns, several rounds of it, each on CPU 0 with wrk on CPU 1. What is compared is
the CPU time of a request with that of nginx, and of the floor, in the same round; the median of
these ratios holds on a machine that has other things to do, which requests a second do not.

The ratio to nginx depends on what the kernel takes for its part of a request, which is the same for
every server: where that is dear, even a server that does nothing comes close to nginx. The ratio to
the floor tells what a server adds to that part."""
import pathlib
import re
import statistics
import subprocess
import tempfile

from . import workplace
from .client import Refused
from .servers import tasks


class Load:
    """How wrk asks: how many connections, and how many requests at a time on each."""

    def __init__(self, name, connections=64, depth=1, body="hello"):
        self.name, self.connections, self.depth, self.body = name, connections, depth, body

    def paths(self, server):
        return server.paths if self.body == "hello" else server.bodies.get(self.body, {})


LOADS = (
    Load("64 connections"),
    Load("1 connection", connections=1),
    Load("1,000 connections", connections=1000),
    Load("64 connections, 16 requests at a time", depth=16),
    Load("1 MB from memory, 16 connections", connections=16, body="memory"),
    Load("1 MB from a file, 16 connections", connections=16, body="file"),
    Load("1 KB from a file, 64 connections", body="small file"),
)


def nanoseconds(pids):
    """CPU time that all threads of these processes have used, as the scheduler books it."""
    total = 0
    for pid in pids:
        for task in tasks(pid):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                pass
    return total


def start_all(servers):
    """Starts the servers, and leaves out those that do not answer."""
    running = []
    for server in servers:
        try:
            server.start(["taskset", "-c", "0"])
            running.append(server)
        except (RuntimeError, OSError, Refused) as error:
            workplace.skip(f"cpu of {server.name}", error)
    return running


def measure(servers, load, rounds, seconds):
    """Returns per path: requests a second, microseconds of CPU a request, and the ratios to nginx
    and to the floor."""
    samples = {}
    for number in range(rounds):
        for server in servers:
            for name, path in load.paths(server).items():
                try:
                    samples.setdefault(name, {})[number] = _one(server, path, load, seconds)
                except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                    workplace.skip(f"{load.name}, {name}, round {number + 1}", error)
    nginx = next((rounds_of for name, rounds_of in samples.items() if name.startswith("nginx")), {})
    floor = samples.get("floor", {})
    return {name: _summary(rounds_of, nginx, floor) for name, rounds_of in samples.items()}


def _summary(samples, nginx, floor):
    """The medians of what was measured in the rounds."""
    def median(key):
        values = [one[key] for one in samples.values() if one[key] is not None]
        return round(statistics.median(values), 3) if values else None

    def ratio_to(base):
        ratios = [one["microseconds"] / base[number]["microseconds"]
                  for number, one in samples.items() if number in base]
        return round(statistics.median(ratios), 3) if ratios else None

    return {
        "requests_per_second": round(median("requests_per_second")),
        "microseconds": round(median("microseconds"), 2),
        "ratio_to_nginx": ratio_to(nginx),
        "ratio_to_floor": ratio_to(floor),
        "p99_milliseconds": median("p99_milliseconds"),
        "failed": sum(one["failed"] for one in samples.values()),
    }


def _one(server, path, load, seconds):
    before = nanoseconds(server.pids())
    output = wrk(server.port, path, seconds, load)
    used = nanoseconds(server.pids()) - before
    if not output["requests"]:
        raise RuntimeError("no request was answered")
    return {
        "requests_per_second": output["requests"] / seconds,
        "microseconds": used / 1000 / output["requests"],
        "p99_milliseconds": output["p99_milliseconds"], "failed": output["failed"],
    }


def wrk(port, path, seconds, load):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s",
                   "--latency", "--timeout", "10s"]
        if load.depth > 1:
            script.write(
                "init = function()\n"
                f"    local one = wrk.format('GET', '{path}')\n"
                f"    all = string.rep(one, {load.depth})\n"
                "end\n"
                "request = function() return all end\n")
            script.flush()
            command += ["-s", script.name]
        return read_wrk(workplace.run([*command, f"http://127.0.0.1:{port}{path}"], timeout=60))


def read_wrk(text):
    """What wrk printed: requests, failed ones, and the 99th percentile."""
    found = re.search(r"(\d+) requests in", text)
    if not found:
        raise RuntimeError(f"wrk said: {text.strip()}")
    failed = sum(int(count) for count in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    for line in re.findall(r"Socket errors: (.*)", text):
        failed += sum(int(count) for count in re.findall(r"\d+", line))
    percentile = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    unit = {"us": 0.001, "ms": 1, "s": 1000}
    return {"requests": int(found[1]), "failed": failed,
            "p99_milliseconds":
                round(float(percentile[1]) * unit[percentile[2]], 3) if percentile else None}
