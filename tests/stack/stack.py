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

from proxy import Proxy
from servers import Dynoxide, MiniStack, Simulator, free_port, without_aws

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
BIN = Path(sys.executable).parent
PACKAGES = ("export-coordinator", "list-pages", "write-pages", "cognito-sim")
REGION, SECOND_REGION = "us-east-1", "eu-west-1"
NAME = "backup-test"


@dataclass
class Options:
    """How a stack is set up."""

    release: bool = False
    # Of the simulated Cognito.
    simulator: tuple = ()
    # Further pools, made empty.
    pools: int = 0
    parameters: dict = None
    # Waits and pauses between retries of the state machine are so much shorter.
    wait_scale: float = 1
    # The functions find their tables in dynoxide, which is faster and counts capacity as DynamoDB does.
    dynoxide: bool = False
    # By way of the proxy, which reads the capacity.
    count_capacity: bool = False
    # Longer than any run takes.
    run_seconds: float = 120


@dataclass
class Execution:
    arn: str
    status: str
    error: str
    cause: str


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
        self.cognito = client("cognito-idp", self.simulator.endpoint)
        self.pools = [self.simulator.filled]
        self.pools += [self._make_pool(number) for number in range(options.pools)]
        for service in ("cloudformation", "dynamodb", "iam", "lambda", "logs", "s3", "sns", "sqs", "stepfunctions"):
            setattr(self, service.replace("lambda", "functions"), self.client(service))
        self._deploy()
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

    def _make_pool(self, number):
        return self.cognito.create_user_pool(PoolName=f"pool-{number}")["UserPool"]["Id"]

    # Deployment

    def _deploy(self):
        lay_out(self.folder / "build", self.binaries)
        self.s3.create_bucket(Bucket="artifacts")
        self._sam_deploy("template.yaml", NAME, REGION, {
            "PrimaryUserPoolId": self.pools[0],
            **(self.options.parameters or {}),
        })
        found = self.cloudformation.describe_stack_resources(StackName=NAME)["StackResources"]
        self.resources = {entry["LogicalResourceId"]: entry["PhysicalResourceId"] for entry in found}
        self.backup_table, self.run_table = self.resources["BackupTable"], self.resources["RunTable"]
        self.machine = only("AWS::StepFunctions::StateMachine", found)
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
            "--s3-bucket", "artifacts", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM",
            "--no-progressbar", "--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items()),
        ]
        environment = {**without_aws(os.environ), **self.environment(), "SAM_CLI_TELEMETRY": "0"}
        deployed = subprocess.run(
            list(map(str, command)), cwd=self.folder / "build", env=environment, capture_output=True, text=True)
        if deployed.returncode:
            raise RuntimeError(f"sam deploy failed:\n{deployed.stdout}\n{deployed.stderr}")

    def deploy_standby(self):
        """Deploys the template to the second Region; returns the types of what it made."""
        self._sam_deploy("template.yaml", NAME, SECOND_REGION, {"Role": "Standby", "PrimaryUserPoolId": self.pools[0]})
        found = self.client("cloudformation", SECOND_REGION).describe_stack_resources(StackName=NAME)
        return [entry["ResourceType"] for entry in found["StackResources"]]

    def deploy_pool(self, pool):
        """Deploys pool.yaml for a further pool."""
        self._sam_deploy("pool.yaml", "another-pool", REGION, {"MainStack": NAME, "UserPoolId": pool})

    def client(self, service, region=REGION):
        return client(service, self.ministack.endpoint, region)

    def environment(self):
        """For command line tools that shall talk to this MiniStack."""
        return {
            "AWS_ENDPOINT_URL": self.ministack.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def _prepare(self, logical, function):
        """Tells a function where Cognito is, and to say in its requests which function it is."""
        current = self.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        more = {"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": self.simulator.endpoint, "AWS_SDK_UA_APP_ID": logical}
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

    def wait(self, arn):
        def ended():
            found = self.stepfunctions.describe_execution(executionArn=arn)
            return found if found["status"] != "RUNNING" else None

        found = until(ended, f"execution {arn} does not end", self.options.run_seconds)
        return Execution(arn, found["status"], found.get("error"), found.get("cause"))

    def run(self, pool, **more):
        return self.wait(self.start(pool, **more))

    def history(self, arn):
        pages = self.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def executions(self):
        pages = self.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        return [execution["executionArn"] for page in pages for execution in page["executions"]]

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

    def scan(self, table, region=REGION):
        pages = self.client("dynamodb", region).get_paginator("scan").paginate(TableName=table)
        return [plain(item) for page in pages for item in page["Items"]]

    def backup(self, pool, region=REGION):
        """All items of a pool in the backup table."""
        return [item for item in self.scan(self.backup_table, region) if item["pk"].split("#")[:2] == ["POOL", pool]]

    def runs_of(self, pool):
        """The items of a pool that are no versions of users, groups or memberships."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.backup_table, KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"POOL#{pool}"}})
        return [plain(item) for page in pages for item in page["Items"]]

    def free_lock(self, pool):
        """Lets the lease of whoever holds a pool's lock be over."""
        key = {"pk": {"S": f"POOL#{pool}"}, "sk": {"S": "LOCK"}}
        if "Item" in self.dynamodb.get_item(TableName=self.run_table, Key=key):
            self.dynamodb.update_item(
                TableName=self.run_table, Key=key, UpdateExpression="SET lease_until = :now",
                ExpressionAttributeValues={":now": {"N": "0"}})

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
        queues = [self.queue("ListQueue"), self.queue("PageQueue")]
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


def only(kind, found):
    (physical,) = [entry["PhysicalResourceId"] for entry in found if entry["ResourceType"] == kind]
    return physical


def address(endpoint):
    return endpoint.removeprefix("http://")


def build(release):
    """Builds what is run; returns the folder of the programs."""
    command = ["cargo", "build", "--locked", "--quiet", *(f"--package={package}" for package in PACKAGES)]
    subprocess.run(command + ["--release"] * release, cwd=REPOSITORY, check=True)
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
