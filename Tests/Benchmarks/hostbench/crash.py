"""How long nobody is answered when a plugin brings the engine down."""
import pathlib
import statistics
import tempfile
import time
import urllib.error
import urllib.request

from . import workplace
from .servers import Host, sample_bundles

SOURCE = r"""
#include <pluginhost/plugin.h>
PH_PLUGIN_NOTE;
static const ph_host *host;
static const ph_route routes[] = {{PH_TEXT_INIT("GET"), PH_TEXT_INIT("/crash"), 0, 0}};
static const ph_manifest manifest = {sizeof(ph_manifest), sizeof(ph_route),
    PH_TEXT_INIT("crash"), PH_TEXT_INIT("1.0.0"), PH_TEXT_INIT("Crashes."), routes, 1, 0, 0};
static ph_status init(const ph_host *given, void **state, ph_error *error) {
    (void)error; host = given; *state = &host; return PH_OK; }
static ph_status step(void *state, ph_error *error) { (void)state, (void)error; return PH_OK; }
static void end(void *state) { (void)state; }
static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    (void)state, (void)request, (void)response; *(volatile int *)8 = 1; return PH_OK; }
static const ph_plugin plugin = {sizeof(ph_plugin), PH_ABI_VERSION, &manifest, init, step, step,
    end, handle, 0};
const ph_plugin *ph_plugin_entry(const ph_host *h, uint32_t abi) {
    (void)h, (void)abi; return &plugin; }
"""


def build(directory):
    """A bundle of a plugin whose one route writes to an address that is not there."""
    top = pathlib.Path(directory) / "crash"
    (top / "lib").mkdir(parents=True)
    (top / "crash.c").write_text(SOURCE)
    workplace.run(["gcc", "-std=c11", "-O1", "-fPIC", "-shared", "-fvisibility=hidden",
                   "-I", workplace.TOP / "Sources/CPluginABI/include", top / "crash.c",
                   "-o", top / "lib/libcrash.so"])
    (top / "crash.c").unlink()
    (top / "manifest.json").write_text(
        '{"name":"crash","version":"1.0.0","abi":"1.0","description":"Crashes.",'
        '"library":{"file":"libcrash.so"}}')
    bundle = top.with_suffix(".tar.gz")
    workplace.run([workplace.HOST, "pack", top, "-o", bundle])
    return bundle


def measure(crashes):
    """Milliseconds from the crash to the next answer of another plugin, sorted."""
    with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
        bundles = [*sample_bundles(("hello-c", "hello-swift")).values(), build(directory)]
        with Host(bundles, {"hello-c": "/plugin/hello-c/api/hello"}) as host:
            host.start()
            url = f"http://127.0.0.1:{host.port}/plugin"
            found = []
            for _ in range(crashes):
                host.run("activate", "crash")
                begun = time.monotonic()
                try:
                    urllib.request.urlopen(f"{url}/crash/api/crash", timeout=30)
                except (urllib.error.URLError, ConnectionError):
                    pass
                urllib.request.urlopen(f"{url}/hello-c/api/hello", timeout=30).read()
                found.append((time.monotonic() - begun) * 1000)
            return {"median_milliseconds": round(statistics.median(found), 1),
                    "worst_milliseconds": round(max(found), 1), "crashes": crashes}
