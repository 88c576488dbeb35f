#!/usr/bin/env python3
"""Measures the released tool against the simulated Cognito, each in a process of its own.

    bench.py quota               how much of the UserList quota a listing fills, at 100 ms latency
    bench.py speed [USERS ...]   users exported per second with quotas off, and peak memory
    bench.py restore HOW [USERS] users in one group each, on average, restored by HOW (import-job or admin-api) with
                                 quotas off, and compared: seconds, calls, peak memory

The simulator is the judge: requests and throttled calls are what it counted.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

TARGET = os.environ.get("CARGO_TARGET_DIR", "target")
TOOL = os.path.join(TARGET, "release", "cognito-profiles")
SIMULATOR = os.path.join(TARGET, "release", "cognito-sim")


class Simulator:
    """A simulated Cognito with one filled pool."""

    def __init__(self, *options):
        self.process = subprocess.Popen([SIMULATOR, "--port", "0", "--plain", *options], stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())

    def stop(self):
        """Ends it, and returns what it counted."""
        self.process.send_signal(signal.SIGTERM)
        meter = self.process.stdout.read()
        self.process.wait()
        return json.loads(meter)


def export(simulator, backup, *options):
    """Exports the filled pool, as `run` says."""
    return run(simulator, "export", "--user-pool-id", simulator.ready["user_pool_id"], "--backup", f"sqlite:{backup}", *options)


def run(simulator, *command):
    """Runs the tool: the summary, seconds on the clock, and peak memory in MB."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": simulator.ready["endpoint"],
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
    }
    began = time.monotonic()
    tool = subprocess.Popen([TOOL, *command, "--json"], stdout=subprocess.PIPE, text=True, env=environment)
    output = tool.stdout.read()
    _, status, usage = os.wait4(tool.pid, 0)
    seconds = time.monotonic() - began
    if status != 0:
        sys.exit(f"{command[0]} ended with status {status}: {output}")
    return json.loads(output.splitlines()[-1]), seconds, usage.ru_maxrss / 1024


def quota():
    users, rate = 20_000, 30
    simulator = Simulator("--users", str(users), "--groups", "0", "--latency-ms", "100")
    with tempfile.TemporaryDirectory() as folder:
        summary, seconds, _ = export(simulator, os.path.join(folder, "b.db"), "--quota-share", "1")
    listed = simulator.stop()["categories"]["UserList"]
    listing = (listed["last"] - listed["first"]) / 1000
    pages = users / 60
    print(f"{users:,} users, UserList {rate}/s, 100 ms latency, --quota-share 1")
    print(f"  calls: {listed['attempts']} ({listed['throttled']} throttled), most in any second: {listed['peak_attempts']}")
    print(f"  listing: {listing:.2f} s; {listed['attempts'] / listing / rate:.1%} of the quota in calls, {pages / listing / rate:.1%} in full pages")
    print(f"  whole export: {seconds:.2f} s, {summary['users']:,} users")


def speed(counts):
    for users in counts:
        simulator = Simulator("--users", str(users), "--groups", "0", "--no-quotas")
        with tempfile.TemporaryDirectory() as folder:
            backup = os.path.join(folder, "b.db")
            for name in ["first", "unchanged"]:
                summary, seconds, memory = export(simulator, backup, "--rate", "UserList=100000")
                assert summary["users"] == users, summary
                print(f"{users:>9,} users, {name:9}: {seconds:6.2f} s, {users / seconds:8,.0f} users/s, peak memory {memory:4.0f} MB")
            print(f"          backup file: {os.path.getsize(backup) / 1e6:,.0f} MB")
        simulator.stop()


RATES = [
    option for category in (
        "UserList", "UserCreation", "UserUpdate", "UserAccountRecovery", "UserResourceUpdate",
        "UserPoolRead", "UserPoolResourceRead", "UserPoolResourceUpdate",
    ) for option in ("--rate", f"{category}=100000")
]


def restore(how, users):
    print(f"{users:,} users, 20 groups, quotas off, {how}")
    cognito = Simulator(
        "--users", str(users), "--groups", "20", "--groups-per-user", "2", "--no-quotas",
        "--import-rows-per-second", "20000")
    with tempfile.TemporaryDirectory() as folder:
        backup = os.path.join(folder, "b.db")
        exported, seconds, memory = export(cognito, backup, "--rate", "UserList=100000")
        print(f"  export: {exported['users']:,} users, {exported['memberships']:,} memberships, {seconds:.0f} s, "
              f"peak memory {memory:.0f} MB", flush=True)
        role = ["--logs-role-arn", "arn:aws:iam::123456789012:role/logs"] if how == "import-job" else []
        done, seconds, memory = run(
            cognito, "import", "--user-pool-id", cognito.ready["empty_user_pool_id"], "--backup", f"sqlite:{backup}",
            "--yes", "--create-with", how, *role, *RATES)
    operations = cognito.stop()["operations"]
    assert (done["status"], done["differences"]) == ("complete", 0), done
    print(f"  import: {seconds:.0f} s, {users / seconds:,.0f} users/s, peak memory {memory:.0f} MB")
    for name, used in operations.items():
        if used["accepted"] >= users / 100:
            lasted = (used["last"] - used["first"]) / 1000
            print(f"    {name}: {used['accepted']:,} in {lasted:.0f} s")


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or [""]
    if what == "quota":
        quota()
    elif what == "speed":
        speed([int(users) for users in rest] or [20_000, 200_000, 1_000_000])
    elif what == "restore":
        restore(rest[0], int(rest[1]) if rest[1:] else 1_000_000)
    else:
        sys.exit(__doc__)
