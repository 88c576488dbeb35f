#!/usr/bin/env python3
"""Measures the deployed workflows on MiniStack: the released functions as Lambda runs them, each
environment a process of its own. The simulated Cognito is the judge of the rate, dynoxide of the
capacity.

    stack.py quota [USERS]   two exports at the default quotas and 100 ms latency: how much of the
                             quota listing uses, throttled calls, peak memory of the functions
    stack.py units [USERS]   two exports: read and write units, items written
    stack.py start           package sizes, and how long a function takes to be ready
    stack.py import [USERS]  one import by import jobs, TIMES times faster than the quotas allow: how long
                             each step takes, peak memory of the functions
    stack.py import-quota [USERS]
                             one import by AdminCreateUser at the default quotas and 100 ms latency: how
                             much of the quotas creation and memberships use, throttled calls
    stack.py soak [MINUTES]  exports of a pool that changes all the time, one after the other: whether memory
                             of the functions, the ledger or a queue grows
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
from stack import QUEUES, Options, Stack

GROUPS, LATENCY_MS, RATE = 20, 100, 30
FUNCTIONS = ("ExportCoordinator", "ListPages", "WritePages", "ImportCoordinator", "ReplayUpdates")
# So many workers believe each that it is alone, and calls at the whole rate.
TIMES = 12
# Users that come, change and go between two exports of a soak.
CHANGES = 20


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


def restore(users):
    # Up to two groups each: one on average.
    simulator = (
        "--users", users, "--groups", GROUPS, "--groups-per-user", 2, "--plain", "--no-quotas",
        "--import-rows-per-second", 5_000,
    )
    with deployed(simulator) as stack:
        accelerate(stack)
        print(f"{users:,} users, {GROUPS} groups, {TIMES} times the default quotas")
        print(f"exported: {export(stack)['manifest']['totals']}")
        watch = Watch(stack)
        execution, took = restore_once(stack, "ImportJob")
        watch.stop()
        print(f"restored in {took:.0f} s, {users / took:.0f} users/s")
        print("  " + ", ".join(f"{name} {time:.0f} s" for name, time in steps(stack, execution) if time >= 1))
        memory = (f"{function} {watch.memory[function]:.0f} MB" for function in FUNCTIONS)
        print(f"  peak memory: {', '.join(memory)}")
        print(f"  {len(stack.history(execution))} events in the history")
        tell(stack)


def restore_at_quota(users):
    simulator = ("--users", users, "--groups", GROUPS, "--groups-per-user", 2, "--plain", "--latency-ms", LATENCY_MS)
    with deployed(simulator) as stack:
        print(f"{users:,} users, {GROUPS} groups, default quotas, {LATENCY_MS} ms latency, QuotaShare=1")
        export(stack)
        _, took = restore_once(stack, "AdminApi")
        print(f"restored in {took:.0f} s")
        meter = stack.simulator.meter()
        for operation, rate in (("AdminCreateUser", 30), ("AdminSetUserPassword", 30), ("AdminAddUserToGroup", 25)):
            used = meter["operations"][operation]
            lasted = (used["last"] - used["first"]) / 1000
            print(f"  {operation}: {used['accepted']} in {lasted:.1f} s: {used['accepted'] / lasted:.2f}/s, "
                  f"{used['accepted'] / lasted / rate:.1%} of {rate}/s; most in any second {used['peak_attempts']}")
        throttled = sum(used["throttled"] for used in meter["categories"].values())
        print(f"  {throttled} throttled")
        tell(stack)


def soak(minutes):
    simulator = ("--users", 2_000, "--groups", GROUPS, "--groups-per-user", 2, "--plain", "--usernames", "--no-quotas")
    with deployed(simulator) as stack:
        print(f"2,000 users, {GROUPS} groups, {CHANGES} of each kind of change between exports, {minutes} minutes")
        ends, number = time.monotonic() + minutes * 60, 0
        last_items = {table: 0 for table in (stack.run_table, stack.backup_table)}
        while time.monotonic() < ends:
            number += 1
            change(stack, number)
            watch = Watch(stack)
            record = export(stack)
            watch.stop()
            items = {table: len(stack.scan(table)) for table in last_items}
            queues = sum(stack.depth(queue) for queue in QUEUES)
            memory = ", ".join(f"{watch.memory[function]:.0f}" for function in FUNCTIONS[:3])
            changes = record["manifest"]["changes"]
            print(f"export {number:3}: {seconds(record):5.1f} s; memory {memory} MB; "
                  f"ledger +{items[stack.run_table] - last_items[stack.run_table]} items, "
                  f"backup +{items[stack.backup_table] - last_items[stack.backup_table]}; {queues} messages left; "
                  f"{changes['new']} new, {changes['changed']} changed, {changes['gone']} gone", flush=True)
            last_items = items


def change(stack, number):
    """Users come, change, go, and move between groups."""
    pool, cognito = stack.pools[0], stack.cognito
    groups = [group["GroupName"] for group in cognito.list_groups(UserPoolId=pool)["Groups"]]
    for which in range(CHANGES):
        name = f"soak-{number}-{which}"
        cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName=groups[which % len(groups)])
        if number > 1:
            before = f"soak-{number - 1}-{which}"
            value = [{"Name": "name", "Value": f"Name {number}"}]
            cognito.admin_update_user_attributes(UserPoolId=pool, Username=before, UserAttributes=value)
            cognito.admin_remove_user_from_group(
                UserPoolId=pool, Username=before, GroupName=groups[which % len(groups)])
        if number > 2:
            cognito.admin_delete_user(UserPoolId=pool, Username=f"soak-{number - 2}-{which}")


def restore_once(stack, how):
    """Restores the filled pool into the empty one; returns the execution, and how long it took."""
    began = time.monotonic()
    execution = stack.start_import(stack.simulator.empty, SourceUserPoolId=stack.pools[0], CreateUsersWith=how)
    ended = stack.wait_for_import(execution, stack.simulator.empty)
    if ended.status != "SUCCEEDED":
        sys.exit(f"the import ended as {ended.status}: {ended.cause}")
    return execution, time.monotonic() - began


def steps(stack, execution):
    """How long the state machine was in each of its states."""
    entered = [
        (event["stateEnteredEventDetails"]["name"], event["timestamp"])
        for event in stack.history(execution) if "stateEnteredEventDetails" in event
    ]
    times = {}
    for (name, began), (_, ended) in zip(entered, entered[1:]):
        times[name] = times.get(name, 0) + (ended - began).total_seconds()
    return times.items()


def accelerate(stack):
    for function in ("ListPages", "ReplayUpdates"):
        name = stack.resources[function]
        variables = stack.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        stack.functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": {**variables, "WORKERS": "1"}})
        for source in stack.functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            stack.functions.update_event_source_mapping(
                UUID=source["UUID"], ScalingConfig={"MaximumConcurrency": TIMES})


def tell(stack):
    for _, text in stack.notifications():
        if "Into " in text:
            print("  " + "\n  ".join(text.splitlines()))


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
    elif what == "import":
        restore(int(rest[0]) if rest else 100_000)
    elif what == "import-quota":
        restore_at_quota(int(rest[0]) if rest else 3_000)
    elif what == "soak":
        soak(float(rest[0]) if rest else 15)
    else:
        sys.exit(__doc__)
