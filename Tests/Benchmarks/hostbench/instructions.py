"""User instructions per request, counted by callgrind.

The server runs single-threaded under valgrind. Once it has answered some requests, counting is
switched on; then the cost of N requests is taken from that of 2N on one keep-alive connection, so
that neither the start nor what is counted between the dumps matters. Valgrind counts nothing of
what the kernel does."""
import pathlib
import re
import tempfile

from . import workplace
from .client import Connection

WARM_UP_REQUESTS = 200

# Valgrind counts every repetition of `rep stosb` and `rep movsb`, which a processor counts as one
# instruction; glibc is told to set and copy large blocks by vector stores instead.
TUNABLES = ":".join(f"glibc.cpu.x86_rep_{kind}_threshold={1 << 30}" for kind in ("stosb", "movsb"))


def measure(server, requests):
    """Returns user instructions per request, by the name of each path of the server."""
    with tempfile.TemporaryDirectory(prefix="plugin-host-bench.") as directory:
        out = pathlib.Path(directory) / "callgrind"
        prefix = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--trace-children=no",
                  f"--callgrind-out-file={out}"]
        server.environment["GLIBC_TUNABLES"] = TUNABLES
        with server:
            server.start_for_counting(prefix, within=180)
            pid = server.process.pid
            found = {}
            for name, path in server.paths.items():
                connection = Connection(server.port, timeout=120)
                _repeat(connection, path, WARM_UP_REQUESTS)
                _control("--instr=on", pid)
                _repeat(connection, path, WARM_UP_REQUESTS)
                _control("--zero", pid)
                _repeat(connection, path, requests)
                _control("--dump", pid)
                _repeat(connection, path, 2 * requests)
                _control("--dump", pid)
                _control("--instr=off", pid)
                once, twice = sorted(directory_counts(directory))[-2:]
                found[name] = round((twice[1] - once[1]) / requests)
            return found


def directory_counts(directory):
    """What each dump counted, in the order of the dumps: (number, instructions)."""
    for dump in pathlib.Path(directory).glob("callgrind.*"):
        number = int(dump.name.rsplit(".", 1)[1])
        count = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(errors="replace"), re.M)
        yield number, int(count[1]) if count else 0


def _repeat(connection, path, count):
    for _ in range(count):
        status, _ = connection.get(path)
        if status != 200:
            raise RuntimeError(f"{path} answered {status}")


def _control(option, pid):
    workplace.run(["callgrind_control", option, pid])
