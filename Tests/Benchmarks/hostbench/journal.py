"""What an append to the journal costs, beside a table of the same shape in bare SQLite."""
import os
import sqlite3
import subprocess
import tempfile
import time

from . import workplace


def build_probe():
    """The program that appends, built as the host is; its path."""
    command = ["swift", "build", "-c", "release", "--static-swift-stdlib"]
    subprocess.run(command + ["--product", "bundle-probe"], cwd=workplace.TOP, check=True,
                   stdout=subprocess.DEVNULL)
    found = subprocess.run(command + ["--show-bin-path"], cwd=workplace.TOP, check=True,
                           stdout=subprocess.PIPE, text=True)
    return os.path.join(found.stdout.strip(), "bundle-probe")


def bare(path, count):
    """Seconds for so many transactions of one row each, safe on the disk when they return."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE events (sequence INTEGER PRIMARY KEY, plugin TEXT NOT NULL,"
                     " name TEXT NOT NULL, time INTEGER NOT NULL, data TEXT NOT NULL)")
    begun = time.monotonic()
    for number in range(count):
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO events VALUES (?,?,?,?,?)",
                         (number, "demo", "plugin_deactivated_v1", 0, '{"reason":"measured"}'))
        database.execute("COMMIT")
    seconds = time.monotonic() - begun
    database.close()
    return seconds


def measure(count):
    """Appends a second: of the journal, one by one and 16 together, and of bare SQLite."""
    probe = build_probe()
    # On the disk of the checkout: the temporary directory may be in memory.
    with tempfile.TemporaryDirectory(dir=os.path.dirname(probe)) as directory:
        rates = []
        for number in range(3):
            name = os.path.join(directory, str(number))
            told = subprocess.run([probe, "journal", name + ".host.db", str(count)], check=True,
                                  stdout=subprocess.PIPE, text=True).stdout.split()
            rates.append((count / float(told[0]), 16 * count / float(told[1]),
                          count / bare(name + ".bare.db", count)))
    one, together, alone = (sorted(column)[1] for column in zip(*rates))
    return {"appends_per_second": round(one), "appends_per_second_16_together": round(together),
            "bare_sqlite_per_second": round(alone), "ratio_to_bare": round(one / alone, 2)}
