#!/usr/bin/env python3
"""Measures the host and its peers, prints tables, and adds them to .build/bench/results.json.

usage: bench.py [--quick] [--only FIGURE,...]

Figures: instructions, cpu, reload, leak, start, dispatch, idle, sleep, journal, events, rpc,
hooks, crash, isolation, proof. What is not installed or does not answer is skipped, and said so."""
import argparse
import datetime
import json
import os
import platform
import sys

from hostbench import (calls, crash, events, hooks, instructions, isolation, journal,
                       processor_time, proof, reloads, scale, servers, workplace)

FIGURES = ("instructions", "cpu", "reload", "leak", "start", "dispatch", "idle",
           "sleep", "journal", "events", "rpc", "hooks", "crash", "isolation", "proof")


def table(title, columns, rows):
    """Prints rows under a title, with the columns as wide as what is in them."""
    cells = [columns] + [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    print(f"\n{title}")
    for row in cells:
        first, *rest = (cell.ljust(widths[0]) if at == 0 else cell.rjust(widths[at])
                        for at, cell in enumerate(row))
        print("  ".join(["  " + first, *rest]).rstrip())
    sys.stdout.flush()


def all_servers(names, with_host):
    found = [servers.make_host()] if with_host else []
    return found + [servers.PEERS[name]() for name in names if workplace.build_peer(name)]


def figure_instructions(arguments, has_host):
    if not workplace.have("valgrind"):
        workplace.skip("instructions", "valgrind is not installed")
        return None
    found = {}
    for server in all_servers(("nginx", "libmicrohttpd", "floor"), has_host):
        try:
            found.update(instructions.measure(server, 500 if arguments.quick else 2000))
        except RuntimeError as error:
            workplace.skip(f"instructions of {server.name}", str(error))
    table("User instructions a request (callgrind, one keep-alive connection)",
          ["server", "instructions"], found.items())
    return found


def figure_cpu(arguments, has_host):
    if not workplace.have("wrk"):
        workplace.skip("cpu", "wrk is not installed")
        return None
    chosen = all_servers(("nginx", "floor", "libmicrohttpd", "caddy", "apache"), has_host)
    found = {}
    try:
        running = processor_time.start_all(chosen)
        rounds, seconds = (2, 1) if arguments.quick else (7, 2)
        for load in processor_time.LOADS:
            result = processor_time.measure(running, load, rounds, seconds)
            found[load.name] = result
            table(f"CPU time a request, kernel and user ({load.name})",
                  ["server", "requests/s", "us/request", "ratio to nginx", "to the floor",
                   "p99 ms", "failed"],
                  [(name, one["requests_per_second"], one["microseconds"], one["ratio_to_nginx"],
                    one["ratio_to_floor"], one["p99_milliseconds"], one["failed"])
                   for name, one in result.items()])
    finally:
        for server in chosen:
            server.stop()
    return found


def figure_reload(arguments, has_host):
    if not workplace.have("wrk"):
        workplace.skip("reload", "wrk is not installed")
        return None
    found = reloads.measure_latency(
        servers.sample_bundles(servers.ALL_SAMPLES), 20 if arguments.quick else 200)
    table("Replaced file to first new answer, under load (ms)",
          ["plugin", "seen median", "seen p99", "new median", "new p99", "reloads", "requests",
           "failed"],
          [(name, one["seen_digest_ms"]["median"], one["seen_digest_ms"]["p99"],
            one["new_digest_ms"]["median"], one["new_digest_ms"]["p99"], one["reloads"],
            one["requests"], one["failed"]) for name, one in found.items()])
    return found


def figure_leak(arguments, has_host):
    found = reloads.measure_leak(
        servers.sample_bundles(servers.ALL_SAMPLES), 100 if arguments.quick else 1000)
    table("What a reload leaves behind (bytes each; threads and descriptors in all)",
          ["plugin", "reloads", "heap in use", "private memory", "threads", "fds"],
          [(name, one["reloads"], one["heap_bytes_each"], one["private_bytes_each"],
            one["threads"], one["descriptors"]) for name, one in found.items()])
    return found


def figure_start(arguments, has_host):
    found = scale.measure_start(100 if arguments.quick else 1000)
    table("Start with many C plugins installed (seconds)",
          ["plugins", "with proof", "proven", "with one", "bytes each"],
          [(found["plugins"], found["seconds_first"], found["seconds"],
            found["seconds_with_one"], found["bytes_per_plugin"])])
    return found


def figure_dispatch(arguments, has_host):
    found = scale.measure_dispatch(*((100, 500) if arguments.quick else (1000, 2000)))
    table("Dispatch with ten routes a plugin (user instructions a request)",
          ["plugins", "one plugin", "all plugins", "ratio"],
          [(found["plugins"], found["instructions_with_one"], found["instructions"],
            found["ratio"])])
    return found


def figure_events(arguments, has_host):
    found = events.measure_events(60000 if arguments.quick else 600000)
    table("An event of 64 bytes (ns; median of five runs)",
          ["subscribers", "to publish", "CPU a delivery", "time a delivery", "out of order"],
          [(count, one["publish_ns"], one["delivery_cpu_ns"], one["delivery_ns"],
            one["out_of_order"]) for count, one in found.items()])
    return found


def figure_idle(arguments, has_host):
    found = scale.measure_idle(1000 if arguments.quick else 10000)
    table("Idle keep-alive connections", ["connections", "bytes each", "bytes"],
          [(found["connections"], found["bytes_each"], found["bytes"])])
    return found


def figure_sleep(arguments, has_host):
    if not workplace.have("wrk"):
        workplace.skip("sleep", "wrk is not installed")
        return None
    found = scale.measure_sleep(2 if arguments.quick else 10)
    table("Quick answers beside a handler that sleeps 100 ms, one reactor (p99 in ms)",
          ["alone", "beside it", "ratio", "slept", "failed"],
          [(found["p99_alone_ms"], found["p99_beside_ms"], found["ratio"], found["slept"],
            found["failed"])])
    return found


def figure_journal(arguments, has_host):
    found = journal.measure(100 if arguments.quick else 1000)
    table("Appends to the journal a second, each safe on the disk",
          ["one by one", "16 writers together", "bare SQLite, one by one", "ratio"],
          [(found["appends_per_second"], found["appends_per_second_16_together"],
            found["bare_sqlite_per_second"], found["ratio_to_bare"])])
    return found


def figure_rpc(arguments, has_host):
    if not workplace.have("valgrind"):
        workplace.skip("rpc", "valgrind is not installed")
        return None
    found = calls.measure(100 if arguments.quick else 500)
    table("A call between plugins on the caller's thread",
          ["", "through a pointer, with a pin", "through the host", "ratio"],
          [("user instructions", found["plain"], found["rpc"], found["ratio"]),
           ("nanoseconds", found["plain_nanoseconds"], found["rpc_nanoseconds"],
            found["ratio_of_time"])])
    return found


def figure_hooks(arguments, has_host):
    if not workplace.have("valgrind"):
        workplace.skip("hooks", "valgrind is not installed")
        return None
    found = hooks.measure(500 if arguments.quick else 2000)
    table("Hooks around a request to a C plugin (user instructions a request)",
          ["none", "one that counts and times"], [(found[0], found[1])])
    return found


def figure_crash(arguments, has_host):
    if not has_host:
        return None
    found = crash.measure(5 if arguments.quick else 20)
    table("From the crash of a plugin to the next answer of another one",
          ["crashes", "median ms", "worst ms"],
          [(found["crashes"], found["median_milliseconds"], found["worst_milliseconds"])])
    return found


def figure_isolation(arguments, has_host):
    if not workplace.have("wrk"):
        workplace.skip("isolation", "wrk is not installed")
        return None
    found = isolation.measure(*((3, 1) if arguments.quick else (7, 2)))
    table("A request to a C plugin, one after the other (us)",
          ["in the host", "isolated", "bare socket ping-pong", "what isolation adds, to that"],
          [(found["in_process"], found["isolated"], found["pingpong"], found["ratio"])])
    return found


def figure_proof(arguments, has_host):
    found = proof.measure(10 if arguments.quick else 100)
    table("Replaced file to first answer of new code, by how far it is proven (ms)",
          ["plugin", "not", "loaded and closed", "started and stopped", "and asked"],
          [(name, *ways.values()) for name, ways in found.items()])
    return found


def earlier_runs(path):
    """The runs that the file has; one that cannot be read is kept under another name."""
    if not path.exists():
        return []
    try:
        return json.loads(path.read_text())["runs"]
    except (ValueError, KeyError, TypeError):
        path.rename(path.with_suffix(".unreadable.json"))
        return []


def commit():
    try:
        words = ["git", "-C", workplace.TOP, "describe", "--always", "--dirty"]
        return workplace.run(words).strip()
    except (RuntimeError, OSError):
        return None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, rougher figures")
    parser.add_argument("--only", help=f"comma-separated: {', '.join(FIGURES)}")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else FIGURES
    unknown = [name for name in chosen if name not in FIGURES]
    if unknown:
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(FIGURES)}")

    workplace.OUT.mkdir(parents=True, exist_ok=True)
    has_host = servers.host_is_built()
    results = {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(), "quick": arguments.quick,
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(),
                    "load": os.getloadavg()[0]},
    }
    failed = False
    path = workplace.OUT / "results.json"
    runs = earlier_runs(path) + [results]
    for name in chosen:
        if not has_host and name not in ("instructions", "cpu"):
            workplace.skip(name, "it needs the host")
            continue
        try:
            results[name] = globals()[f"figure_{name}"](arguments, has_host)
        except Exception as error:  # what one figure stumbles over is no reason to lose the others
            failed = True
            print(f"error: {name} was not measured\n  why: {error!r}", file=sys.stderr)
        results["skipped"] = workplace.skipped
        path.write_text(json.dumps({"runs": runs}, indent=2) + "\n")
    print(f"\nadded to {path.relative_to(workplace.TOP)}, which has {len(runs)} runs")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
