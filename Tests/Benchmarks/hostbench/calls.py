"""What a call from one plugin to another costs on the caller's thread."""
import json
import pathlib
import tempfile

from . import instructions, servers, workplace
from .client import Connection

CALLS_PER_REQUEST = 100


def build_bundle(directory):
    """Packs the plugin of plugins/calls.c, which calls its own method."""
    draft = pathlib.Path(directory) / "calls"
    (draft / "lib").mkdir(parents=True)
    workplace.run(["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC",
                   "-fvisibility=hidden", "-shared", "-s", f"-I{workplace.SDK}",
                   workplace.HERE / "plugins/calls.c", "-o", draft / "lib/libcalls.so"])
    (draft / "manifest.json").write_text(
        f'{{"name":"calls","version":"1.0.0","abi":"{workplace.abi()}","description":"Calls.",'
        '"services":["ph.rpc/1"]}\n')
    bundle = pathlib.Path(directory) / "calls.tar.gz"
    workplace.run([workplace.HOST, "pack", draft, "-o", bundle])
    return bundle


def measure(requests):
    """A call through the host, beside one through a pointer with a pin: instructions and time."""
    with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
        paths = {name: f"/plugin/calls/api/{name}" for name in ("none", "plain", "rpc")}
        bundle = build_bundle(directory)
        with servers.Host([bundle], paths) as host:
            host.start()
            times = [json.loads(Connection(host.port).get("/plugin/calls/api/time")[1])
                     for _ in range(9)]
        found = instructions.measure(servers.Host([bundle], paths), requests)
    plain, rpc = ((found[name] - found["none"]) / CALLS_PER_REQUEST for name in ("plain", "rpc"))
    # The least is what it takes when nothing else has the processor.
    fastest = {name: min(one[name] for one in times) for name in ("plain", "rpc")}
    return {"plain": round(plain, 1), "rpc": round(rpc, 1), "ratio": round(rpc / plain, 2),
            "plain_nanoseconds": fastest["plain"], "rpc_nanoseconds": fastest["rpc"],
            "ratio_of_time": round(fastest["rpc"] / fastest["plain"], 2)}
