"""Stands between the functions and MiniStack: counts what they ask of DynamoDB, keeps what they
send to SQS, and lets things go wrong on purpose.

Requests pass as they are, signatures included. Only where DynamoDB is another program, which counts
capacity and looks at no signatures, they ask for the capacity, too.
"""

import http.client
import json
import re
import sys
import threading
import traceback
from contextlib import contextmanager
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WRITES = ("PutItem", "UpdateItem", "DeleteItem")
# A pre-signed URL, passwords, and secrets of app clients.
SECRETS = ("CreateUserImportJob", "AdminSetUserPassword", "DescribeUserPoolClient")


class Call:
    """One request of a function."""

    def __init__(self, headers, body):
        self.operation = headers.get("X-Amz-Target", "").rpartition(".")[2]
        # The stack's tests give each function its own application id.
        found = re.search(r"\bapp/(\w+)", headers.get("User-Agent", ""))
        self.function = found and found[1]
        self.body = body

    def json(self):
        return json.loads(self.body)

    def tables(self):
        """How many items it writes to each table, whether it succeeds or not."""
        return Counter(table for table, _ in self.partitions())

    def partitions(self):
        """The table and the partition of each item that it writes."""
        if self.operation in WRITES:
            written = [(self.json()["TableName"], self.json())]
        elif self.operation == "TransactWriteItems":
            actions = (action for item in self.json()["TransactItems"] for action in item.items())
            written = [(action["TableName"], action) for kind, action in actions if kind != "ConditionCheck"]
        elif self.operation == "BatchWriteItem":
            tables = self.json()["RequestItems"].items()
            written = [(table, request) for table, items in tables for item in items for request in item.values()]
        else:
            written = []
        return [(table, (write.get("Item") or write["Key"])["pk"]["S"]) for table, write in written]


class Fault:
    """Strikes calls that match, `times` times after letting `skip` pass. `first` is called before.

    `drop_before`: the connection ends, and the call has no effect. `drop_after`: it has its effect,
    and no answer. `refuse`: HTTP 400, which nobody repeats.
    """

    def __init__(self, matches, kind, skip=0, times=1, first=lambda: None):
        self.matches, self.kind, self.skip, self.times, self.first = matches, kind, skip, times, first
        self.struck = 0

    def strikes(self, call):
        if self.struck >= self.times or not self.matches(call):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.struck += 1
        return True


class Proxy:
    def __init__(self, upstream, port, dynamodb=None):
        """Listens on `port`. `upstream` and `dynamodb` are host and port."""
        self.upstream, self.port, self.dynamodb = upstream, port, dynamodb
        self.lock = threading.Lock()
        self.writes, self.calls = Counter(), Counter()
        # Operations, by the function that asked for them.
        self.asked = Counter()
        # How the partitions begin that a function writes to, by function and table.
        self.leads = {}
        # Units, by table and "read" or "write".
        self.capacity = Counter()
        # Bodies, by queue URL.
        self.sent = {}
        self.faults = []
        # Requests and answers of calls that hold secrets.
        self.kept = {operation: [] for operation in SECRETS}
        # Requests that a policy did not allow.
        self.denied = Counter()
        self.server = Listener(("127.0.0.1", port), lambda *request: Handler(self, *request))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def fault(self, matches, kind, **more):
        fault = Fault(matches, kind, **more)
        with self.lock:
            self.faults.append(fault)
        return fault

    @contextmanager
    def broken(self, matches, kind):
        """Every such call fails meanwhile."""
        fault = self.fault(matches, kind, times=10**9)
        try:
            yield
        finally:
            with self.lock:
                self.faults.remove(fault)

    def note(self, call):
        """Counts a call; returns the fault that strikes it, if any."""
        with self.lock:
            self.calls[call.operation] += 1
            self.asked[call.function, call.operation] += 1
            self.writes.update(call.tables())
            for table, partition in call.partitions():
                self.leads.setdefault((call.function, table), set()).add(partition.split("#")[0])
            if call.operation == "SendMessageBatch":
                sent = call.json()
                self.sent.setdefault(sent["QueueUrl"], []).extend(entry["MessageBody"] for entry in sent["Entries"])
            if call.operation == "SendMessage":
                sent = call.json()
                self.sent.setdefault(sent["QueueUrl"], []).append(sent["MessageBody"])
            return next((fault for fault in self.faults if fault.strikes(call)), None)

    def note_capacity(self, operation, answer):
        consumed = json.loads(answer).get("ConsumedCapacity") or []
        kind = "read" if operation in ("GetItem", "BatchGetItem", "Query", "Scan") else "write"
        with self.lock:
            for entry in consumed if isinstance(consumed, list) else [consumed]:
                self.capacity[entry["TableName"], kind] += entry["CapacityUnits"]


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        # A function that was killed, or this server when it stops: nobody is left to tell.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            traceback.print_exc()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: waiting to join them would cost 40 ms each.
    disable_nagle_algorithm = True

    def __init__(self, proxy, *request):
        self.proxy = proxy
        super().__init__(*request)

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = Call(self.headers, body)
        fault = self.proxy.note(call)
        if fault:
            fault.first()
        if fault and fault.kind == "refuse":
            self.answer(400, [("Content-Type", "application/x-amz-json-1.0")], b'{"__type":"ValidationException"}')
        elif fault and fault.kind == "drop_before":
            self.drop()
        else:
            status, headers, answer = self.forward(call)
            if fault:
                self.drop()
            else:
                self.answer(status, headers, answer)

    do_GET = do_PUT = do_DELETE = do_POST

    def forward(self, call):
        body, headers = call.body, dict(self.headers.items())
        counted = self.proxy.dynamodb and self.headers.get("X-Amz-Target", "").startswith("DynamoDB")
        if counted:
            body = json.dumps({**call.json(), "ReturnConsumedCapacity": "TOTAL"}).encode()
            headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
            headers["Content-Length"] = str(len(body))
        # A connection of its own: one that is kept may be closed from the other side just now.
        upstream = http.client.HTTPConnection(self.proxy.dynamodb if counted else self.proxy.upstream, timeout=120)
        try:
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            text = answer.read()
        finally:
            upstream.close()
        if counted and answer.status == 200:
            self.proxy.note_capacity(call.operation, text)
        if call.operation in SECRETS:
            self.proxy.kept[call.operation].append((call.body, text))
        if b"AccessDenied" in text[:200]:
            self.proxy.denied[call.function, call.operation] += 1
        return answer.status, answer.getheaders(), text

    def drop(self):
        self.close_connection = True

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
