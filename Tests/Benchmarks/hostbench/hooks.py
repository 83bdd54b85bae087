"""What hooks cost a request: without any, and with one around it.

The hook is that of the telemetry sample, which counts and times every request."""
from . import instructions, servers


def measure(requests):
    """Returns user instructions per request by the number of around hooks."""
    found = {}
    for count, names in enumerate([("hello-c",), ("hello-c", "telemetry")]):
        bundles = servers.sample_bundles(names)
        if len(bundles) < len(names):
            raise RuntimeError("a sample is missing: make plugins")
        host = servers.Host(bundles.values(), {"hello": servers.PATH}, name=f"host, {count} hooks")
        found[count] = instructions.measure(host, requests)["hello"]
    return found
