"""Deploys the template to MiniStack, with the real functions and our simulated Cognito.

Nothing of this is in the template: its copy differs only in that each CodeUri names a folder with
the built `bootstrap`, as `sam build` leaves it; and the functions are told after the deployment
where Cognito is.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config
from samcli.yamlhelper import yaml_dump, yaml_parse

import records
from proxy import Proxy
from servers import Dynoxide, MiniStack, Simulator, free_port, without_aws

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
BIN = Path(sys.executable).parent
PACKAGES = (
    "export-coordinator", "list-pages", "write-pages", "import-coordinator", "replay-updates", "cognito-sim",
    "cognito-profiles-cli",
)
QUEUES = ("ListQueue", "PageQueue", "ReplayQueue")
REGION, SECOND_REGION = "us-east-1", "eu-west-1"
NAME = "backup-test"


@dataclass
class Options:
    """How a stack is set up."""

    release: bool = False
    # Of the simulated Cognito.
    simulator: tuple = ()
    parameters: dict = None
    # Waits and pauses between retries of the state machine are so much shorter.
    wait_scale: float = 1
    # The functions find their tables in dynoxide, which is faster and counts capacity as DynamoDB does.
    dynoxide: bool = False
    # By way of the proxy, which reads the capacity.
    count_capacity: bool = False
    # What the functions ask of Cognito goes through a proxy, too.
    watch_cognito: bool = False
    # Longer than any run takes.
    run_seconds: float = 300


@dataclass
class Execution:
    arn: str
    status: str
    error: str
    cause: str
    output: str


class Stack:
    def __init__(self, options):
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="stack-"))
        self.running = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for server in reversed(self.running):
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        options = self.options
        self.binaries = build(options.release)
        self.simulator = Simulator(self.binaries / "cognito-sim", self.folder, *options.simulator)
        self.running.append(self.simulator)
        proxy_port = free_port()
        settings = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy_port}",
            "SFN_WAIT_SCALE": str(options.wait_scale),
            # The functions may do what their policies say, and nothing else.
            "AUTH": "true",
        }
        self.ministack = MiniStack(BIN / "ministack", self.folder, settings)
        self.running.append(self.ministack)
        self.dynoxide = self._start_dynoxide() if options.dynoxide else None
        counted = address(self.dynoxide) if options.count_capacity else None
        self.proxy = Proxy(address(self.ministack.endpoint), proxy_port, counted)
        self.running.append(self.proxy)
        # Between the functions and Cognito: it notes who calls what.
        self.cognito_proxy = Proxy(address(self.simulator.endpoint), free_port()) if options.watch_cognito else None
        if self.cognito_proxy:
            self.running.append(self.cognito_proxy)
        self.cognito = client("cognito-idp", self.simulator.endpoint)
        self.pools = [self.simulator.filled]
        lay_out(self.folder / "build", self.binaries)
        pools = {"PrimaryUserPoolId": self.pools[0], "NewUserPoolId": self.simulator.empty}
        self._deploy(REGION, {**pools, **(options.parameters or {})})
        if self.dynoxide:
            self._move_tables()

    def _start_dynoxide(self):
        server = Dynoxide(BIN / "dynoxide", self.folder)
        self.running.append(server)
        return server.endpoint

    def _move_tables(self):
        moved = client("dynamodb", self.dynoxide)
        for table in (self.backup_table, self.run_table):
            found = self.dynamodb.describe_table(TableName=table)["Table"]
            schema = {name: found[name] for name in ("TableName", "AttributeDefinitions", "KeySchema")}
            moved.create_table(BillingMode="PAY_PER_REQUEST", **schema)
        self.dynamodb = moved

    def make_pool(self, name, **settings):
        return self.cognito.create_user_pool(PoolName=name, **settings)["UserPool"]["Id"]

    # Deployment

    def _deploy(self, region, parameters):
        self.region = region
        for service in ("cloudformation", "dynamodb", "iam", "lambda", "logs", "sns", "sqs", "stepfunctions"):
            setattr(self, service.replace("lambda", "functions"), self.client(service, region))
        where = {} if region == REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.client("s3", region).create_bucket(Bucket=f"artifacts-{region}", **where)
        self._sam_deploy("template.yaml", NAME, region, parameters)
        found = self.cloudformation.describe_stack_resources(StackName=NAME)["StackResources"]
        self.resources = {entry["LogicalResourceId"]: entry["PhysicalResourceId"] for entry in found}
        self.kinds = {entry["LogicalResourceId"]: entry["ResourceType"] for entry in found}
        self.backup_table, self.run_table = f"{NAME}-backup", self.resources["RunTable"]
        self.machine, self.import_machine = self.resources["ExportWorkflow"], self.resources["ImportWorkflow"]
        for entry in found:
            if entry["ResourceType"] == "AWS::Lambda::Function":
                self._prepare(entry["LogicalResourceId"], entry["PhysicalResourceId"])
        self._make_up_for_ministack()
        self.inbox = self._subscribe(only("AWS::SNS::Topic", found))
        self.told, self.killed = [], []

    def _make_up_for_ministack(self):
        """It takes a number from a parameter for text, which stops its event sources; and it asks
        for actions such as sqs:SendMessageBatch, which AWS does not have: who may send one message
        may send several."""
        for source in self.functions.list_event_source_mappings()["EventSourceMappings"]:
            concurrency = int(source["ScalingConfig"]["MaximumConcurrency"])
            self.functions.update_event_source_mapping(
                UUID=source["UUID"], ScalingConfig={"MaximumConcurrency": concurrency})
        for role in (name for logical, name in self.resources.items() if logical.endswith("Role")):
            batches = []
            for policy in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
                document = self.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
                for statement in document["Statement"]:
                    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                    several = [f"{action}Batch" for action in actions if action.startswith("sqs:")]
                    if several:
                        batches.append({**statement, "Action": several, "Sid": f"Batches{len(batches)}"})
            if batches:
                document = json.dumps({"Version": "2012-10-17", "Statement": batches})
                self.iam.put_role_policy(RoleName=role, PolicyName="batches", PolicyDocument=document)

    def _sam_deploy(self, template, name, region, parameters):
        command = [
            BIN / "sam", "deploy", "--template-file", template, "--stack-name", name, "--region", region,
            "--s3-bucket", f"artifacts-{region}", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM",
            "--no-progressbar", "--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items()),
        ]
        environment = {**without_aws(os.environ), **self.environment(), "SAM_CLI_TELEMETRY": "0"}
        deployed = subprocess.run(
            list(map(str, command)), cwd=self.folder / "build", env=environment, capture_output=True, text=True)
        if deployed.returncode:
            raise RuntimeError(f"sam deploy failed:\n{deployed.stdout}\n{deployed.stderr}")

    def replicate(self):
        """Makes the backup table's replica: MiniStack drops the one of the template."""
        if "Replicas" not in self.dynamodb.describe_table(TableName=self.backup_table)["Table"]:
            self.dynamodb.update_table(
                TableName=self.backup_table, ReplicaUpdates=[{"Create": {"RegionName": SECOND_REGION}}])

    def deploy_pool(self, pool):
        """Deploys pool.yaml for a further pool."""
        self._sam_deploy("pool.yaml", "another-pool", REGION, {"MainStack": NAME, "UserPoolId": pool})

    def client(self, service, region=None):
        return client(service, self.ministack.endpoint, region or getattr(self, "region", REGION))

    def environment(self):
        """For command line tools that shall talk to this MiniStack."""
        return {
            "AWS_ENDPOINT_URL": self.ministack.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def tool(self, *command, status=0):
        """The summary of what the command line tool says of the backup table."""
        return self.tool_lines(*command, status=status)[-1]

    def tool_lines(self, *command, status=0):
        """What it says, line by line."""
        environment = {**without_aws(os.environ), **self.environment(), "AWS_REGION": self.region}
        done = subprocess.run(
            [self.binaries / "cognito-profiles", *command, "--json", "--backup", f"dynamodb:{self.backup_table}"],
            env=environment, capture_output=True, text=True)
        if done.returncode != status:
            raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _prepare(self, logical, function):
        """Tells a function where Cognito is, and to say in its requests which function it is."""
        current = self.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        cognito = f"http://127.0.0.1:{self.cognito_proxy.port}" if self.cognito_proxy else self.simulator.endpoint
        more = {"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": cognito, "AWS_SDK_UA_APP_ID": logical}
        if self.dynoxide and not self.options.count_capacity:
            more["AWS_ENDPOINT_URL_DYNAMODB"] = self.dynoxide
        self.functions.update_function_configuration(
            FunctionName=function, Environment={"Variables": {**current, **more}})

    def _subscribe(self, topic):
        inbox = self.sqs.create_queue(QueueName="inbox")["QueueUrl"]
        arn = self.queue_arn(inbox)
        policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }]}
        self.sqs.set_queue_attributes(QueueUrl=inbox, Attributes={"Policy": json.dumps(policy)})
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return inbox

    # Runs

    def start(self, pool=None, **more):
        """Starts an execution, of the stack's own pool if none is named; `more` is further input."""
        named = {"UserPoolId": pool} if pool else {}
        return self.stepfunctions.start_execution(
            stateMachineArn=self.machine, input=json.dumps({**named, **more}))["executionArn"]

    def start_import(self, into, **more):
        """Starts an execution of the ImportWorkflow; `more` is further input."""
        text = json.dumps({"NewUserPoolId": into, **more})
        return self.stepfunctions.start_execution(stateMachineArn=self.import_machine, input=text)["executionArn"]

    def wait(self, arn, meanwhile=lambda: None):
        """Waits for the end; calls `meanwhile` again and again until then."""
        def ended():
            meanwhile()
            found = self.stepfunctions.describe_execution(executionArn=arn)
            return found if found["status"] != "RUNNING" else None

        found = until(ended, f"execution {arn} does not end", self.options.run_seconds)
        return Execution(arn, found["status"], found.get("error"), found.get("cause"), found.get("output"))

    def run(self, pool, **more):
        return self.wait(self.start(pool, **more))

    def run_import(self, into, meanwhile=lambda: None, **more):
        return self.wait_for_import(self.start_import(into, **more), into, meanwhile)

    def wait_for_import(self, arn, into, meanwhile=lambda: None):
        """Waits for the end. Between its listings of the new pool nobody waits for workers of the one
        before, which have come to their end."""
        def hurry():
            self.free_lock(into, only_released=True)
            meanwhile()

        return self.wait(arn, hurry)

    def history(self, arn):
        pages = self.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def executions(self):
        """Of both state machines, nested ones included."""
        listing = self.stepfunctions.get_paginator("list_executions")
        return [
            execution["executionArn"] for machine in (self.machine, self.import_machine)
            for page in listing.paginate(stateMachineArn=machine) for execution in page["executions"]
        ]

    def notifications(self):
        """Subject and text of what was published since the last look."""
        messages = [json.loads(body) for body in self._receive_all(self.inbox)]
        found = [(message.get("Subject"), message["Message"]) for message in messages]
        self.told += found
        return found

    def log_lines(self):
        """Every line in every log group, by group."""
        found = {}
        for page in self.logs.get_paginator("describe_log_groups").paginate():
            for group in (group["logGroupName"] for group in page["logGroups"]):
                pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
                found[group] = [event["message"] for events in pages for event in events["events"]]
        return found

    # Tables

    def scan(self, table, region=None):
        dynamodb = self.client("dynamodb", region) if region else self.dynamodb
        pages = dynamodb.get_paginator("scan").paginate(TableName=table)
        return [plain(item) for page in pages for item in page["Items"]]

    def backup(self, pool, region=None):
        """All items of a pool in the backup table."""
        return [item for item in self.scan(self.backup_table, region) if item["pk"].split("#")[:2] == ["POOL", pool]]

    def runs_of(self, pool):
        """The items of a pool that are no versions of users, groups or memberships."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.backup_table, KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"POOL#{pool}"}})
        return [plain(item) for page in pages for item in page["Items"]]

    def import_of(self, into):
        """The record of the import into a pool."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.backup_table, KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "IMPORTS"}})
        found = [records.record(plain(item)) for page in pages for item in page["Items"]]
        return next((record for record in found if record["into_pool"] == into), None)

    def free_lock(self, pool, only_released=False):
        """Lets the lease of whoever holds a pool's lock be over."""
        key = {"pk": {"S": f"POOL#{pool}"}, "sk": {"S": "LOCK"}}
        condition, values = "attribute_exists(pk)", {":now": {"N": "0"}}
        if only_released:
            condition, values = "released = :yes AND lease_until > :now", {**values, ":yes": {"BOOL": True}}
        try:
            self.dynamodb.update_item(
                TableName=self.run_table, Key=key, UpdateExpression="SET lease_until = :now",
                ConditionExpression=condition, ExpressionAttributeValues=values)
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            pass

    # Queues

    def queue_arn(self, url):
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def queue(self, logical):
        return self.resources[logical]

    def depth(self, logical):
        """Messages in a queue, those on their way to a function included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue(logical), AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def bodies(self, logical):
        """What the functions sent to a queue so far."""
        return list(self.proxy.sent.get(self.queue(logical), []))

    def drain(self, logical):
        """Takes all messages out of a queue."""
        return self._receive_all(self.queue(logical))

    def _receive_all(self, url):
        found = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    @contextmanager
    def visibility(self, seconds):
        """Has messages that failed delivered again after so long, instead of minutes: the queues
        are told so, and the functions kept from saying otherwise."""
        queues = [self.queue(name) for name in QUEUES]
        before = {}
        for url in queues:
            before[url] = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
            self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})
        try:
            with self.proxy.broken(lambda call: call.operation.startswith("ChangeMessageVisibility"), "refuse"):
                yield
        finally:
            for url, found in before.items():
                self.sqs.set_queue_attributes(QueueUrl=url, Attributes=found["Attributes"])

    # Functions

    def calls_of(self, logical):
        return lambda call: call.function == logical

    def kill(self, logical):
        """Ends every environment a function runs in, at once."""
        self.killed += self.ministack.kill_function(self.resources[logical])


class Standby(Stack):
    """The same in the second Region, on the same servers."""

    def __init__(self, primary, parameters):
        shared = (
            "options", "folder", "binaries", "simulator", "ministack", "proxy", "cognito_proxy", "cognito", "pools",
            "dynoxide",
        )
        self.__dict__.update({name: getattr(primary, name) for name in shared})
        self.running = []
        self._deploy(SECOND_REGION, {"Role": "Standby", **parameters})


def only(kind, found):
    (physical,) = [entry["PhysicalResourceId"] for entry in found if entry["ResourceType"] == kind]
    return physical


def address(endpoint):
    return endpoint.removeprefix("http://")


def build(release):
    """Builds what is run; returns the folder of the programs."""
    # With the tests, else cargo compiles most of it once more, with fewer features.
    what = ["--workspace", "--bins", "--tests"]
    if release:
        what = ["--release", *(f"--package={package}" for package in PACKAGES)]
    subprocess.run(["cargo", "build", "--locked", "--quiet", *what], cwd=REPOSITORY, check=True)
    return TARGET / ("release" if release else "debug")


def lay_out(folder, binaries):
    """The template and what it names, as `sam build` leaves them."""
    template = yaml_parse((REPOSITORY / "template.yaml").read_text())
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            program = resource["Metadata"]["BuildProperties"]["Binary"]
            (folder / name).mkdir(parents=True)
            # Without what is for debuggers, which is most of it.
            subprocess.run(["strip", "-o", folder / name / "bootstrap", binaries / program], check=True)
            resource["Properties"]["CodeUri"] = name
    shutil.copytree(REPOSITORY / "statemachines", folder / "statemachines")
    shutil.copy(REPOSITORY / "pool.yaml", folder)
    (folder / "template.yaml").write_text(yaml_dump(template))


def client(service, endpoint, region=REGION):
    return boto3.client(
        service, endpoint_url=endpoint, region_name=region, aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "max_attempts": 5}),
    )


def plain(item):
    """An item with Python's own types."""
    return {name: whole(TypeDeserializer().deserialize(value)) for name, value in item.items()}


def whole(value):
    """All our numbers are whole."""
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    return int(value) if isinstance(value, Decimal) else value


def until(look, otherwise, seconds=60):
    """What `look` finds, as soon as it finds something."""
    begun = time.monotonic()
    while not (found := look()):
        if time.monotonic() - begun > seconds:
            raise AssertionError(otherwise)
        time.sleep(0.1)
    return found
