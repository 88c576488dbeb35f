"""Processes that tests need, and that must not outlive them."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

# Becomes the server, with a watcher beside it that ends the server and all its children once
# standard input closes: when the test lets go of it, and also when the test is killed.
SUPERVISED = """
exec 3<&0
{ read -r _; trap : TERM; kill -TERM 0; sleep 3; kill -KILL 0; } <&3 3<&- &
exec "$@" 3<&- </dev/null
"""

# How long a start may take on a busy machine; alone it takes a second.
START_SECONDS = 60


class Server:
    """A process in a group of its own."""

    def __init__(self, command, environment, folder, output):
        self.process = subprocess.Popen(
            ["sh", "-c", SUPERVISED, "sh", *map(str, command)],
            env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.stdin.close()
        self.process.wait()

    def await_answer(self, url, log):
        begun = time.monotonic()
        while time.monotonic() - begun < START_SECONDS and self.process.poll() is None:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except urllib.error.HTTPError as error:
                # Anything but "not yet" is an answer.
                if error.code != 503:
                    return
                time.sleep(0.05)
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"it did not start:\n{log.read_text()}")


class MiniStack(Server):
    """An AWS emulator that we did not write (PyPI `ministack`), in memory."""

    def __init__(self, program, folder, settings):
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = Path(folder) / "ministack.log"
        environment = {
            **without_aws(os.environ),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            # Functions are told this; a test may put something in between.
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(folder),
            **settings,
        }
        with self.log.open("wb") as output:
            super().__init__([program], environment, folder, output)
        self.await_answer(f"{self.endpoint}/_ministack/ready", self.log)

    def functions(self, name):
        """The process ids of the environments in which a function runs now."""
        return [pid for pid in descendants(self.pid) if environment_of(pid).get("AWS_LAMBDA_FUNCTION_NAME") == name]

    def kill_function(self, name):
        """Ends them, as if their machine was lost; returns the process ids."""
        pids = self.functions(name)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids


class Dynoxide(Server):
    """DynamoDB by other hands, who compare it with the real one; in memory."""

    def __init__(self, program, folder):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        log = Path(folder) / "dynoxide.log"
        with log.open("wb") as output:
            super().__init__([program, "serve", "--port", str(port)], os.environ, folder, output)
        self.await_answer(self.endpoint, log)


class Simulator(Server):
    """Our simulated Cognito (`tests/cognito-sim`), with one filled and one empty pool."""

    def __init__(self, program, folder, *options):
        output = Path(folder) / "simulator.log"
        with output.open("wb") as file:
            super().__init__([program, "--port", "0", *options], os.environ, folder, file)
        begun = time.monotonic()
        while not (lines := output.read_text().splitlines()):
            if self.process.poll() is not None or time.monotonic() - begun > START_SECONDS:
                raise RuntimeError("the simulated Cognito did not start")
            time.sleep(0.02)
        ready = json.loads(lines[0])
        self.endpoint, self.filled, self.empty = ready["endpoint"], ready["user_pool_id"], ready["empty_user_pool_id"]

    def meter(self):
        """What was asked of it so far."""
        with urllib.request.urlopen(f"{self.endpoint}/meter", timeout=30) as answer:
            return json.load(answer)

    def begin_metering(self):
        """Forgets what was asked of it so far."""
        with urllib.request.urlopen(
                urllib.request.Request(f"{self.endpoint}/meter", method="DELETE"), timeout=30) as answer:
            answer.read()


def without_aws(environment):
    """What a process needs of an environment that may belong to somebody's real account."""
    return {name: value for name, value in environment.items() if not name.startswith(("AWS_", "SAM_"))}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def descendants(pid):
    """The process ids below a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name, in parentheses, may hold anything.
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, below = [], {pid}
    while below:
        below = {child for child, parent in parents.items() if parent in below}
        found += below
    return found


def environment_of(pid):
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(entry.decode(errors="replace").split("=", 1) for entry in entries if b"=" in entry)


def peak_memory_mb(pid):
    """The most memory a process ever had (VmHWM)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
