"""What it costs that a plugin runs in a process of its own."""
import re

from . import servers, workplace


def build_pingpong():
    source, product = workplace.HERE / "peers/pingpong/pingpong.c", workplace.PEERS / "pingpong"
    workplace.PEERS.mkdir(parents=True, exist_ok=True)
    if not workplace.is_newer(product, source):
        workplace.run(["gcc", "-O2", "-Wall", "-Wextra", source, "-o", product])
    return product


def round_trip(host, seconds):
    """Microseconds from request to answer, on one connection."""
    out = workplace.run(["wrk", "-t1", "-c1", f"-d{seconds}s",
                         f"http://127.0.0.1:{host.port}{servers.PATH}"])
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(out)
    requests = int(re.search(r"(\d+) requests in", out)[1])
    return seconds * 1e6 / requests


def measure(rounds, seconds):
    """Medians of the round trip in the host, isolated, and of two bare processes."""
    pingpong = build_pingpong()
    bundle = servers.sample_bundles(["hello-c"])["hello-c"]
    found = {"in_process": [], "isolated": [], "pingpong": []}
    with servers.Host([bundle], {"hello-c": servers.PATH}) as host:
        host.start()
        for mode in ("isolated", "in-process") * rounds:
            host.run("install", bundle, "--mode", mode)
            found[mode.replace("-", "_")].append(round_trip(host, seconds))
            found["pingpong"].append(int(workplace.run([pingpong, 100000])) / 1000)
    median = {key: sorted(values)[len(values) // 2] for key, values in found.items()}
    median["ratio"] = (median["isolated"] - median["in_process"]) / median["pingpong"]
    return {key: round(value, 2) for key, value in median.items()}
