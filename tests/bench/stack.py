#!/usr/bin/env python3
"""Measures the deployed workflow on MiniStack: the released functions as Lambda runs them, each
environment a process of its own. The simulated Cognito is the judge of the rate, dynoxide of the
capacity.

    stack.py quota [USERS]   two exports at the default quotas and 100 ms latency: how much of the
                             quota listing uses, throttled calls, peak memory of the functions
    stack.py units [USERS]   two exports: read and write units, items written
    stack.py start           package sizes, and how long a function takes to be ready
"""

import statistics
import subprocess
import sys
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stack"))

import records
from servers import peak_memory_mb
from stack import Options, Stack

GROUPS, LATENCY_MS, RATE = 20, 100, 30
FUNCTIONS = ("ExportCoordinator", "ListPages", "WritePages")


def quota(users):
    # Up to two groups each: one on average.
    simulator = ("--users", users, "--groups", GROUPS, "--groups-per-user", 2, "--plain", "--latency-ms", LATENCY_MS)
    with deployed(simulator) as stack:
        print(f"{users:,} users, {GROUPS} groups, UserList {RATE}/s, {LATENCY_MS} ms latency, QuotaShare=1")
        for name in ("first", "unchanged"):
            throttled = used(stack)["throttled"]
            watch = Watch(stack)
            record = export(stack)
            watch.stop()
            calls, lasted = watch.listing()
            print(f"{name} export: {record['manifest']['totals']}, {seconds(record):.1f} s")
            print(f"  listing: {calls} calls in {lasted:.1f} s: {calls / lasted:.2f}/s, {calls / lasted / RATE:.1%} "
                  f"of the quota; {used(stack)['throttled'] - throttled} throttled; "
                  f"most in any second so far: {used(stack)['peak_attempts']}")
            print(f"  calls in each 5 s: {watch.course(5)}")
            memory = (f"{function} {watch.memory[function]:.0f} MB" for function in FUNCTIONS)
            print(f"  peak memory: {', '.join(memory)}")


def units(users):
    simulator = ("--users", users, "--groups", GROUPS, "--groups-per-user", 2, "--plain", "--no-quotas")
    with deployed(simulator, count_capacity=True) as stack:
        print(f"{users:,} users, {GROUPS} groups")
        for name in ("first", "unchanged"):
            before, written = stack.proxy.capacity.copy(), stack.proxy.writes.copy()
            print(f"{name} export: {export(stack)['manifest']['totals']}")
            for title, table in (("backup", stack.backup_table), ("runs", stack.run_table)):
                read, write = (stack.proxy.capacity[table, kind] - before[table, kind] for kind in ("read", "write"))
                items = stack.proxy.writes[table] - written[table]
                print(f"  {title} table, for each 1,000 users: {read / users * 1000:.1f} read units, "
                      f"{write / users * 1000:.1f} write units; {items / users:.4f} items written for each user")


def deployed(simulator, **more):
    options = Options(
        release=True, simulator=tuple(map(str, simulator)), parameters={"QuotaShare": "1"}, dynoxide=True,
        run_seconds=3600, **more,
    )
    return Stack(options)


def export(stack):
    """Exports the filled pool; returns the record of the run."""
    pool = stack.pools[0]
    stack.free_lock(pool)
    ended = stack.run(pool)
    if ended.status != "SUCCEEDED":
        sys.exit(f"the export ended as {ended.status}: {ended.cause}")
    return records.runs(stack.runs_of(pool))[-1]


def used(stack):
    return stack.simulator.meter()["categories"].get("UserList", {"attempts": 0, "throttled": 0, "peak_attempts": 0})


class Watch:
    """Looks every quarter of a second at the listing, and at the functions' memory."""

    def __init__(self, stack):
        self.stack, self.memory, self.samples = stack, dict.fromkeys(FUNCTIONS, 0), []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.ended.wait(0.25):
            self.samples.append((time.monotonic(), used(self.stack)["attempts"]))
            for function in FUNCTIONS:
                for pid in self.stack.ministack.functions(self.stack.resources[function]):
                    self.memory[function] = max(self.memory[function], peak_memory_mb(pid))

    def stop(self):
        self.ended.set()
        self.thread.join()

    def listing(self):
        """Calls while listing, and for how many seconds: from the first look that saw one more call
        to the last. Gaps count."""
        moved = [index for index in range(1, len(self.samples)) if self.samples[index][1] > self.samples[index - 1][1]]
        (began, before), (ended, after) = self.samples[moved[0] - 1], self.samples[moved[-1]]
        return after - before, ended - began

    def course(self, step):
        """Calls in each so many seconds, from the first to the last."""
        last, counts = self.samples[0], []
        for at, calls in self.samples:
            if at - last[0] >= step:
                counts.append(calls - last[1])
                last = at, calls
        return counts


def seconds(run):
    began, ended = (datetime.fromisoformat(run[name].replace("Z", "+00:00")) for name in ("started_at", "ended_at"))
    return (ended - began).total_seconds()


def start():
    with Stack(Options(release=True, simulator=("--users", "10"))) as stack:
        for function in FUNCTIONS:
            found = stack.functions.get_function_configuration(FunctionName=stack.resources[function])
            program = stack.folder / "build" / function / "bootstrap"
            times = [time_to_ready(program, found["Environment"]["Variables"]) for _ in range(20)]
            print(f"{function}: {found['CodeSize'] / 1e6:.1f} MB zipped, {program.stat().st_size / 1e6:.1f} MB; "
                  f"ready after {statistics.median(times) * 1000:.0f} ms (median of {len(times)}; most {max(times) * 1000:.0f} ms)")


def time_to_ready(program, variables):
    """Seconds from the start of the process until it asks for its first event."""
    asked = threading.Event()

    class Runtime(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.set()
            time.sleep(0.2)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Runtime)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **variables, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}", "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "measured", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_LOG_STREAM_NAME": "", "AWS_LAMBDA_LOG_GROUP_NAME": "",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }
    began = time.monotonic()
    process = subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not asked.wait(30):
        sys.exit(f"{program} does not ask for events")
    took = time.monotonic() - began
    process.kill()
    process.wait()
    server.shutdown()
    return took


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or [""]
    if what == "quota":
        quota(int(rest[0]) if rest else 100_000)
    elif what == "units":
        units(int(rest[0]) if rest else 10_000)
    elif what == "start":
        start()
    else:
        sys.exit(__doc__)
