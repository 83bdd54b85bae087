"""Where things are, what is installed, and what has to be built before measuring."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
TOP = HERE.parent.parent
OUT = TOP / ".build" / "bench"
PEERS = OUT / "peers"
HOST = pathlib.Path(os.environ.get("HOST_BINARY", TOP / ".build" / "release" / "host"))
BUNDLES = TOP / ".build" / "bundles"
SDK = TOP / "Sources" / "CPluginABI" / "include"

skipped = []


def skip(what, why):
    """Says aloud that something is not measured, and why."""
    why = str(why).strip()
    skipped.append({"what": what, "why": why})
    print(f"skipped: {what}: {why}", file=sys.stderr)


def have(command):
    return shutil.which(command) is not None or shutil.which(command, path="/usr/sbin") is not None


def run(command, **options):
    """Runs a command that must succeed; what it printed is shown only when it does not."""
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def is_newer(product, *sources):
    return product.exists() and all(
        source.stat().st_mtime <= product.stat().st_mtime for source in sources)


def build_peer(name):
    """Builds one peer, if it is not there yet; returns whether it can be measured."""
    PEERS.mkdir(parents=True, exist_ok=True)
    try:
        return BUILDERS[name]()
    except (RuntimeError, OSError) as error:
        skip(name, f"it cannot be built: {str(error).strip().splitlines()[-1]}")
        return False


def _build_floor():
    source, product = HERE / "peers/floor/floor.c", PEERS / "floor"
    if not is_newer(product, source):
        run(["gcc", "-O2", source, "-o", product])
    return True


def _build_libmicrohttpd():
    source, product = HERE / "peers/libmicrohttpd/hello.c", PEERS / "libmicrohttpd"
    if not pathlib.Path("/usr/include/microhttpd.h").exists():
        skip("libmicrohttpd", "libmicrohttpd-dev is not installed")
        return False
    if not is_newer(product, source):
        run(["gcc", "-O2", source, "-o", product, "-lmicrohttpd"])
    return True


def _build_nginx():
    module = HERE / "peers/nginx"
    product = PEERS / "ngx_http_hello_module.so"
    sources = pathlib.Path("/usr/share/nginx/src")
    if not have("nginx") or not sources.exists():
        skip("nginx", "nginx-light or nginx-dev is not installed")
        return False
    if not is_newer(product, module / "ngx_http_hello_module.c"):
        tree = PEERS / "nginx-source"
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(sources, tree)
        script = (
            f". ./conf_flags; ./configure \"${{NGX_CONF_FLAGS[@]}}\" --add-dynamic-module={module}"
            " && make -f objs/Makefile modules")
        run(["bash", "-c", script], cwd=tree)
        shutil.copy(tree / "objs/ngx_http_hello_module.so", product)
        shutil.rmtree(tree)
    return True


def _build_apache():
    source, product = HERE / "peers/apache/mod_hello.c", PEERS / "apache" / ".libs/mod_hello.so"
    if not have("apache2") or not have("apxs"):
        skip("apache", "apache2 or apache2-dev is not installed")
        return False
    if not is_newer(product, source):
        (PEERS / "apache").mkdir(exist_ok=True)
        shutil.copy(source, PEERS / "apache")
        run(["apxs", "-c", "mod_hello.c"], cwd=PEERS / "apache")
    return True


def _build_caddy():
    if not have("caddy"):
        skip("caddy", "caddy is not installed")
    return have("caddy")


BUILDERS = {
    "floor": _build_floor, "libmicrohttpd": _build_libmicrohttpd, "nginx": _build_nginx,
    "apache": _build_apache, "caddy": _build_caddy,
}


def build_scale_bundles(count, directory):
    """Makes `count` bundles of one small C plugin, each with another number in its name."""
    return [(f"scale-{number:04}", _pack_scale(f"scale-{number:04}", directory, {}))
            for number in range(count)]


def build_bulk_bundle(directory):
    """A bundle of the same plugin, with a megabyte and a kilobyte among its files."""
    return _pack_scale("scale-0000", directory,
                       {"megabyte.bin": bytes(1 << 20), "kilobyte.txt": b"x" * 1024})


def abi():
    """The version of the contract that plugins are built with, such as 1.0."""
    header = (SDK / "pluginhost/plugin.h").read_text()
    return ".".join(re.search(rf"define PH_ABI_{part}\s+(\d+)", header)[1]
                    for part in ("MAJOR", "MINOR"))


def _pack_scale(name, directory, files):
    source, library = HERE / "plugins/scale.c", OUT / "scale.so"
    if not is_newer(library, source, SDK / "pluginhost/plugin.h"):
        run(["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC",
             "-fvisibility=hidden", "-shared", "-s", f"-I{SDK}", source, "-o", library])
    code = library.read_bytes()
    draft = pathlib.Path(directory) / name
    (draft / "lib").mkdir(parents=True)
    (draft / "lib" / f"lib{name}.so").write_bytes(code.replace(b"scale-0000", name.encode()))
    (draft / "manifest.json").write_text(
        f'{{"name":"{name}","version":"1.0.0","abi":"{abi()}","description":"Ten routes."}}\n')
    for file, contents in files.items():
        (draft / "priv/static").mkdir(parents=True, exist_ok=True)
        (draft / "priv/static" / file).write_bytes(contents)
    bundle = pathlib.Path(directory) / f"{name}.tar.gz"
    run([HOST, "pack", draft, "-o", bundle])
    shutil.rmtree(draft)
    return bundle
