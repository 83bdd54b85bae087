"""What it costs to prove new code in a process of its own before it enters."""
import json
import pathlib
import tempfile

from . import reloads, servers, workplace

WAYS = {"none": None, "loaded": {"start": False}, "started": {}, "asked": {"requests": True}}


def with_proof(bundle, proof, directory):
    """The same bundle with another `proof` in its manifest."""
    draft = pathlib.Path(directory) / "draft"
    draft.mkdir()
    workplace.run(["tar", "-xzf", bundle, "-C", draft])
    manifest = json.loads((draft / "manifest.json").read_text())
    manifest["proof"] = proof
    (draft / "manifest.json").write_text(json.dumps(manifest))
    other = pathlib.Path(directory) / bundle.name
    workplace.run([workplace.HOST, "pack", draft, "-o", other])
    return other


def measure(count):
    """Milliseconds from a replaced file to the first answer of code that was never seen, by how
    far it is proven first; medians, without other traffic."""
    found = {}
    for plugin, bundle in servers.sample_bundles(("hello-c", "hello-swift")).items():
        found[plugin] = {}
        for way, proof in WAYS.items():
            with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
                used = with_proof(bundle, proof or {}, directory)
                with servers.Host([used], {plugin: f"/plugin/{plugin}/api/hello"}) as host:
                    host.command += ["--no-proof"] if proof is None else []
                    host.start()
                    times = reloads.latencies(host, plugin, count, never_seen=True)
            found[plugin][way] = reloads.spread(times)["median"]
    return found
