"""CPU time per request, kernel and user together, while wrk drives one server after the other.

The servers take turns, several rounds of it, each on CPU 0 with wrk on CPU 1; the median of the
rounds is compared with that of nginx in the same run."""
import pathlib
import re
import statistics

from . import workplace

CONNECTIONS = 64


def nanoseconds(pids):
    """CPU time that all threads of these processes have used, as the scheduler books it."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                pass
    return total


def measure(servers, rounds, seconds):
    """Returns per path: requests a second, microseconds of CPU a request, the ratio to nginx."""
    samples = {name: [] for server in servers for name in server.paths}
    for server in servers:
        server.start(["taskset", "-c", "0"])
    for _ in range(rounds):
        for server in servers:
            for name, path in server.paths.items():
                samples[name].append(_one(server, path, seconds))
    found = {}
    for name, values in samples.items():
        found[name] = {
            "requests_per_second": round(statistics.median(value[0] for value in values)),
            "microseconds": statistics.median(value[1] for value in values),
            "p99_milliseconds": statistics.median(value[2] for value in values),
            "failed": sum(value[3] for value in values),
        }
    base = next((found[name]["microseconds"] for name in found if name.startswith("nginx")), None)
    for one in found.values():
        one["ratio_to_nginx"] = round(one["microseconds"] / base, 3) if base else None
        one["microseconds"] = round(one["microseconds"], 2)
    return found


def _one(server, path, seconds):
    before = nanoseconds(server.pids())
    output = wrk(server.port, path, seconds)
    used = nanoseconds(server.pids()) - before
    return (output["requests"] / seconds, used / 1000 / output["requests"],
            output["p99_milliseconds"], output["failed"])


def wrk(port, path, seconds, connections=CONNECTIONS):
    text = workplace.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
         f"http://127.0.0.1:{port}{path}"])
    return read_wrk(text)


def read_wrk(text):
    """What wrk printed: requests, failed ones, and the 99th percentile."""
    requests = int(re.search(r"(\d+) requests in", text)[1])
    failed = sum(int(count) for count in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    for line in re.findall(r"Socket errors: (.*)", text):
        failed += sum(int(count) for count in re.findall(r"\d+", line))
    percentile = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    unit = {"us": 0.001, "ms": 1, "s": 1000}
    return {"requests": requests, "failed": failed,
            "p99_milliseconds": float(percentile[1]) * unit[percentile[2]] if percentile else None}
