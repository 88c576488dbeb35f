"""The template: who may do what, how queues and functions fit, what it must not name."""

import itertools
import json
import re

import pytest

from project import POOL_TEMPLATE, ROOT, TEMPLATE, WORKFLOWS, as_list, literals, resources, template

POOL = {
    "coordinator": {
        f"cognito-idp:{action}"
        for action in (
            "DescribeUserPool",
            "GetUserPoolMfaConfig",
            "GetGroup",
            "ListUserPoolClients",
            "DescribeUserPoolClient",
            "ListIdentityProviders",
            "DescribeIdentityProvider",
            "ListResourceServers",
            "GetUICustomization",
            "DescribeRiskConfiguration",
            "GetLogDeliveryConfiguration",
        )
    },
    "list": {"cognito-idp:ListUsers", "cognito-idp:ListGroups", "cognito-idp:ListUsersInGroup"},
}
READ_ONLY = re.compile(r"^cognito-idp:(Describe|Get|List)\w+$")
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
KEY = {"kms:Decrypt", "kms:GenerateDataKey"}
READ_QUEUE = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
}


def table(*actions):
    return {f"dynamodb:{action}" for action in actions}


def idp(*actions):
    return {f"cognito-idp:{action}" for action in actions}


RECORDS = table("GetItem", "Query", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem")
LEDGER = table("GetItem", "Query", "PutItem", "UpdateItem")

STEP_FUNCTIONS = TRACE | {"xray:GetSamplingRules", "xray:GetSamplingTargets"} | {
    f"logs:{action}"
    for action in (
        "CreateLogDelivery",
        "GetLogDelivery",
        "UpdateLogDelivery",
        "DeleteLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "DescribeResourcePolicies",
        "DescribeLogGroups",
    )
}

# Who may do what on what: the whole of it. A permission more is a decision to be taken here, too.
ALLOWED = {
    "ExportCoordinatorRole": {
        "pool": POOL["coordinator"],
        "BackupTable": RECORDS,
        "RunTable": LEDGER,
        "ListQueue": {"sqs:SendMessage"},
        "ExportCoordinatorLogs": LOGS,
        "key": KEY,
        # IAM has no resource for a domain (Service Authorization Reference).
        "*": TRACE | {"cognito-idp:DescribeUserPoolDomain"},
    },
    "ListPagesRole": {
        "pool": POOL["list"],
        "BackupTable": table("Query"),
        "RunTable": LEDGER | table("DeleteItem"),
        "ListQueue": READ_QUEUE | {"sqs:SendMessage"},
        "PageQueue": {"sqs:SendMessage"},
        "ListPagesLogs": LOGS,
        "key": KEY,
        "*": TRACE,
    },
    "WritePagesRole": {
        "BackupTable": RECORDS,
        "RunTable": LEDGER | table("DeleteItem"),
        "PageQueue": READ_QUEUE,
        "WritePagesLogs": LOGS,
        "key": KEY,
        "*": TRACE,
    },
    "ExportWorkflowRole": {
        "ExportCoordinator": {"lambda:InvokeFunction"},
        "Notifications": {"sns:Publish"},
        "NotificationsKey": KEY,
        # What X-Ray and log delivery offer no resource for.
        "*": STEP_FUNCTIONS,
    },
    "ImportCoordinatorRole": {
        "BackupTable": table("GetItem", "Query", "BatchGetItem", "PutItem", "BatchWriteItem"),
        "RunTable": LEDGER,
        "ReplayQueue": {"sqs:SendMessage"},
        "ImportCoordinatorLogs": LOGS,
        "key": KEY,
        "*": TRACE,
    },
    "ReplayUpdatesRole": {
        "BackupTable": table("GetItem", "Query", "BatchGetItem", "PutItem", "BatchWriteItem"),
        "RunTable": table("GetItem", "PutItem", "UpdateItem", "DeleteItem"),
        "ReplayQueue": READ_QUEUE | {"sqs:SendMessage"},
        "ReplayUpdatesLogs": LOGS,
        "key": KEY,
        "*": TRACE,
    },
    "ImportWorkflowRole": {
        "ImportCoordinator": {"lambda:InvokeFunction"},
        # https://docs.aws.amazon.com/step-functions/latest/dg/stepfunctions-iam.html, "Synchronous"
        "ExportWorkflow": {"states:StartExecution"},
        "executions of the export": {"states:DescribeExecution", "states:StopExecution"},
        "Step Functions' rule": {"events:PutTargets", "events:PutRule", "events:DescribeRule"},
        "Notifications": {"sns:Publish"},
        "NotificationsKey": KEY,
        "*": STEP_FUNCTIONS,
    },
    "ImportLogsRole": {
        "Cognito's logs": {
            "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
    },
    "ScheduleRole": {
        "ExportWorkflow": {"states:StartExecution"},
        "ScheduleDeadLetters": {"sqs:SendMessage"},
    },
}

# What each may do on the pool that is restored into, while there is one. The actions are those of the calls in
# shared/src/import, and who makes them; tests/stack compares them with what was called.
ON_THE_NEW_POOL = {
    "ImportCoordinatorRole": {
        "new pool": idp(
            "DescribeUserPool", "GetUserPoolMfaConfig", "GetCSVHeader", "ListIdentityProviders", "ListUsers",
            "CreateUserImportJob", "StartUserImportJob", "DescribeUserImportJob"),
        "ImportLogsRole": {"iam:PassRole"},
        # A limit is the account's.
        "*": idp("GetProvisionedLimit"),
    },
    "ReplayUpdatesRole": {
        "new pool": idp(
            "CreateGroup", "AdminCreateUser", "AdminSetUserPassword", "AdminSetUserMFAPreference",
            "AdminLinkProviderForUser", "AdminDisableUser", "AdminAddUserToGroup"),
    },
    "ExportCoordinatorRole": {"new pool": POOL["coordinator"]},
    "ListPagesRole": {"new pool": POOL["list"]},
}

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, "Defined runtime
# environment variables": these cannot be set, or are the runtime's.
RESERVED = re.compile(r"^(AWS_|LAMBDA_|_HANDLER$|_X_AMZN_TRACE_ID$|TZ$|LANG$|PATH$|LD_LIBRARY_PATH$|NODE_PATH$|PYTHONPATH$|GEM_PATH$)")

FUNCTIONS = resources("AWS::Serverless::Function")
QUEUES = resources("AWS::SQS::Queue")


def statements(policy):
    for statement in policy["Statement"]:
        yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def named(resource):
    """A short name of what a statement names."""
    if isinstance(resource, str):
        return resource
    if "Ref" in resource:
        return "key" if resource["Ref"] == "KmsKeyArn" else resource["Ref"]
    if "Fn::GetAtt" in resource:
        return as_list(resource["Fn::GetAtt"])[0].split(".")[0]
    text = resource["Fn::Sub"]
    return next((name for end, name in BY_NAME.items() if text.endswith(end)), text)


HERE = "${AWS::Region}:${AWS::AccountId}:"
# What is named by its name, with the Region and the account.
BY_NAME = {
    f"cognito-idp:{HERE}userpool/${{PrimaryUserPoolId}}": "pool",
    f"cognito-idp:{HERE}userpool/${{UserPoolId}}": "pool",
    f"cognito-idp:{HERE}userpool/${{NewUserPoolId}}": "new pool",
    # In either Region: there the table, here its replica.
    f"dynamodb:{HERE}table/${{AWS::StackName}}-backup": "BackupTable",
    f"states:{HERE}execution:${{AWS::StackName}}-export:*": "executions of the export",
    f"events:{HERE}rule/StepFunctionsGetEventsForStepFunctionsExecutionRule": "Step Functions' rule",
    f"logs:{HERE}log-group:/aws/cognito/*": "Cognito's logs",
}


def granted(policies):
    """Actions by what they are allowed on."""
    found = {}
    for policy in policies:
        for statement in statements(policy["PolicyDocument"]):
            assert statement["Effect"] == "Allow"
            for resource in as_list(statement["Resource"]):
                found.setdefault(named(resource), set()).update(as_list(statement["Action"]))
    return found


def test_every_role_may_do_what_it_needs_and_nothing_else():
    roles = resources("AWS::IAM::Role")
    assert roles.keys() == ALLOWED.keys()
    for name, role in roles.items():
        assert granted(role["Policies"]) == ALLOWED[name], name
        assert "ManagedPolicyArns" not in role, name


def test_an_import_cannot_change_the_backup():
    """It writes its own items into the same table: their keys begin as no record's of a pool does."""
    keys = (ROOT / "shared" / "src" / "adapters" / "dynamodb" / "keys.rs").read_text()
    own = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["IMPORT*"]}}
    assert '"IMPORTS"' in keys and 'format!("POOL#{}"' in keys
    for name in ("ImportCoordinatorRole", "ReplayUpdatesRole"):
        (policy,) = resources("AWS::IAM::Role")[name]["Policies"]
        on_the_table = [s for s in statements(policy["PolicyDocument"]) if named(s["Resource"]) == "BackupTable"]
        assert {s["Sid"]: s.get("Condition") for s in on_the_table} == {
            "ReadRecordsAndTheMap": None, "KeepTheMap": own}, name
        for statement in on_the_table:
            reads = not [action for action in statement["Action"] if action not in table("GetItem", "Query", "BatchGetItem")]
            assert reads == ("Condition" not in statement), name


def test_a_further_pool_gives_the_same_on_itself_alone():
    policies = resources("AWS::IAM::Policy", POOL_TEMPLATE)
    given = {}
    for policy in policies.values():
        (role,) = policy["Roles"]
        given[role["Fn::ImportValue"]["Fn::Sub"]] = granted([policy])
    assert given == {
        "${MainStack}-ExportCoordinatorRole": {"pool": POOL["coordinator"]},
        "${MainStack}-ListPagesRole": {"pool": POOL["list"]},
    }


def test_every_import_of_a_further_pool_is_an_export():
    exported = {o["Export"]["Name"]["Fn::Sub"].replace("${AWS::StackName}", "") for o in template()["Outputs"].values() if "Export" in o}
    imported = set(re.findall(r"\$\{MainStack\}(-[A-Z]\w+)", POOL_TEMPLATE.read_text()))
    assert imported and imported == exported


def by_role(path=TEMPLATE):
    """The policies that are no part of a role, by the role that gets them."""
    found = {}
    for policy in resources("AWS::IAM::Policy", path).values():
        (role,) = policy["Roles"]
        found.setdefault(role["Ref"], []).append(policy)
    return found


def test_who_restores_may_do_what_it_needs_on_the_new_pool_and_nothing_else():
    given = {role: granted(policies) for role, policies in by_role().items()}
    assert given == ON_THE_NEW_POOL


def test_without_a_new_pool_nobody_may_write_to_any():
    """Nor read one, but for who exports."""
    document = template()
    assert document["Conditions"]["HasNewPool"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "NewUserPoolId"}, ""]}]}
    assert document["Parameters"]["NewUserPoolId"]["Default"] == ""
    names_it = {name for name, r in document["Resources"].items() if any("NewUserPoolId" in t for t in literals(r))}
    assert names_it == resources("AWS::IAM::Policy").keys()
    for name in names_it:
        assert document["Resources"][name]["Condition"] == "HasNewPool", name
    for name, resource in document["Resources"].items():
        if name in names_it:
            continue
        for text in literals(resource["Properties"]):
            assert not text.startswith("cognito-idp:") or READ_ONLY.match(text), f"{name}: {text}"
    for name in ("ImportCoordinatorRole", "ReplayUpdatesRole", "ImportWorkflowRole"):
        assert "cognito-idp:" not in str(document["Resources"][name]), name


def test_writing_is_allowed_on_the_new_pool_alone():
    for role, policies in by_role().items():
        for on, actions in granted(policies).items():
            writes = {action for action in actions if action.startswith("cognito-idp:") and not READ_ONLY.match(action)}
            assert not writes or on == "new pool", role
    for policies in resources("AWS::IAM::Policy", POOL_TEMPLATE).values():
        assert all(READ_ONLY.match(action) for actions in granted([policies]).values() for action in actions)


def test_the_new_pool_is_not_the_one_that_is_backed_up():
    rule = template()["Rules"]["NewPoolIsAnother"]
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "NewUserPoolId"}, {"Ref": "PrimaryUserPoolId"}]}]}


def test_jobs_are_given_their_own_role_and_only_by_cognito():
    statements_ = [s for policies in by_role().values() for p in policies for s in p["PolicyDocument"]["Statement"]]
    (passing,) = [s for s in statements_ if s["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "cognito-idp.amazonaws.com"}}
    variable = FUNCTIONS["ImportCoordinator"]["Environment"]["Variables"]["IMPORT_LOGS_ROLE_ARN"]
    assert variable == passing["Resource"]
    trust = resources("AWS::IAM::Role")["ImportLogsRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "cognito-idp.amazonaws.com"},
    }]


def test_a_service_assumes_a_role_for_this_account_alone():
    """Lambda does not say for whom, and Cognito is not documented to."""
    silent = ("lambda.amazonaws.com", "cognito-idp.amazonaws.com")
    for name, role in resources("AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        if trust["Principal"]["Service"] not in silent:
            assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}, name


# What has a policy of its own could be opened to other accounts by it.
WITH_POLICIES = ("AWS::SQS::QueuePolicy", "AWS::Lambda::Permission", "AWS::DynamoDB::ResourcePolicy",
                 "AWS::Logs::ResourcePolicy", "AWS::Events::EventBusPolicy", "AWS::SecretsManager::ResourcePolicy")


def test_nothing_but_the_topic_is_open_by_a_policy_of_its_own():
    for path in (TEMPLATE, POOL_TEMPLATE):
        for kind in WITH_POLICIES:
            assert not resources(kind, path), kind
        for name, resource in template(path)["Resources"].items():
            assert not {"ResourcePolicy", "ReplicaStreamSpecification"} & set(literals(resource["Properties"])), name
            assert "FunctionUrlConfig" not in resource["Properties"], name
            if name not in ("NotificationsPolicy", "NotificationsKey") and resource["Type"] != "AWS::IAM::Role":
                assert '"Principal"' not in json.dumps(resource["Properties"]), name
    # What invokes a function is its queue, which Lambda reads, or a state machine, by its role.
    kinds = {event["Type"] for function in FUNCTIONS.values() for event in function.get("Events", {}).values()}
    assert kinds == {"SQS"}


def test_the_topic_and_its_key_are_for_our_alarms_and_rules():
    (policy,) = resources("AWS::SNS::TopicPolicy").values()
    alarms, rules = policy["PolicyDocument"]["Statement"]
    assert policy["Topics"] == [{"Ref": "Notifications"}]
    for statement in (alarms, rules):
        assert (statement["Action"], statement["Resource"]) == ("sns:Publish", {"Ref": "Notifications"})
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert rules["Principal"] == {"Service": "events.amazonaws.com"}
    named_rules = {named(arn) for arn in rules["Condition"]["ArnEquals"]["aws:SourceArn"]}
    assert named_rules == resources("AWS::Events::Rule").keys() == {"EndedFromOutside", "ImportEndedFromOutside"}
    (key,) = resources("AWS::KMS::Key").values()
    administer, publish = key["KeyPolicy"]["Statement"]
    assert administer["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    assert publish["Principal"] == {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]}
    assert set(publish["Action"]) == KEY


def test_the_standby_has_all_but_the_table_the_schedule_and_its_alarm():
    conditions = {name: r.get("Condition") for name, r in template()["Resources"].items()}
    of = lambda condition: {name for name, found in conditions.items() if found == condition}
    assert of("IsPrimary") == {"BackupTable", "Schedule", "NoCompleteRun"}
    assert of("IsStandby") == {"ReadReplica"}
    assert set(conditions.values()) == {None, "IsPrimary", "IsStandby", "HasNewPool", "HasEmail"}
    # So nothing but these may refer to what only the primary has.
    for name, resource in template()["Resources"].items():
        if conditions[name] != "IsPrimary":
            assert not {"BackupTable", "Schedule", "NoCompleteRun"} & references(resource), name


def references(value):
    """The resources that a part of the template refers to."""
    if isinstance(value, list):
        return {name for inner in value for name in references(inner)}
    if not isinstance(value, dict):
        return set()
    if "Ref" in value:
        return {value["Ref"]}
    if "Fn::GetAtt" in value:
        return {as_list(value["Fn::GetAtt"])[0].split(".")[0]}
    return {name for inner in value.values() for name in references(inner)}


def test_the_pool_of_an_export_may_be_none_in_the_standby():
    (rule,) = template()["Rules"]["PrimaryNamesItsPool"]["Assertions"]
    assert rule["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "PrimaryUserPoolId"}, ""]}]}
    for name in ("ExportCoordinatorRole", "ListPagesRole"):
        (policy,) = resources("AWS::IAM::Role")[name]["Policies"]
        conditions = [s["Fn::If"][0] for s in policy["PolicyDocument"]["Statement"] if "Fn::If" in s]
        assert conditions == ["HasPool", "HasKey"], name


def test_the_replica_can_be_read_by_people():
    (policy,) = resources("AWS::IAM::ManagedPolicy").values()
    assert granted([policy]) == {
        "BackupTable": table("DescribeTable", "GetItem", "BatchGetItem", "Query"), "key": {"kms:Decrypt"}}


def test_no_action_is_a_wildcard():
    for path in (TEMPLATE, POOL_TEMPLATE):
        for name, resource in template(path)["Resources"].items():
            if name == "NotificationsKey":
                continue  # A key that its account cannot administer is lost.
            for text in literals(resource["Properties"]):
                assert not re.match(r"^[a-z-]+:\w*\*$", text), f"{name}: {text}"


def test_each_function_has_a_role_a_log_group_and_a_binary_of_its_own():
    roles = [f["Role"]["Fn::GetAtt"] for f in FUNCTIONS.values()]
    logs = [f["LoggingConfig"]["LogGroup"]["Ref"] for f in FUNCTIONS.values()]
    assert len({str(role) for role in roles}) == len(set(logs)) == len(FUNCTIONS) == 5
    groups = resources("AWS::Logs::LogGroup")
    for name, function in FUNCTIONS.items():
        group = groups[function["LoggingConfig"]["LogGroup"]["Ref"]]
        assert group["LogGroupName"]["Fn::Sub"] == "/aws/lambda/" + function["FunctionName"]["Fn::Sub"], name
        assert group["RetentionInDays"], name
        binary = template()["Resources"][name]["Metadata"]["BuildProperties"]["Binary"]
        assert function["CodeUri"] == f"functions/{binary}"
        assert f'name = "{binary}"' in (ROOT / "functions" / binary / "Cargo.toml").read_text()


def test_functions_and_workflow_are_traced_and_run_on_arm():
    defaults = template()["Globals"]["Function"]
    assert defaults["Tracing"] == "Active"
    assert defaults["Runtime"] == "provided.al2023"
    assert defaults["Architectures"] == [{"Ref": "Architecture"}]
    assert template()["Parameters"]["Architecture"]["Default"] == "arm64"
    machines = resources("AWS::Serverless::StateMachine")
    assert machines.keys() == {"ExportWorkflow", "ImportWorkflow"}
    for machine in machines.values():
        assert machine["Tracing"] == {"Enabled": True}
        # Inputs and outputs are nobody's business but the history's.
        assert machine["Logging"]["IncludeExecutionData"] is False


def test_every_substitution_is_given():
    for machine in resources("AWS::Serverless::StateMachine").values():
        definition = (ROOT / machine["DefinitionUri"]).read_text()
        assert set(re.findall(r"\$\{(\w+)\}", definition)) == machine["DefinitionSubstitutions"].keys()


def test_make_builds_every_function():
    (names,) = re.findall(r"(?m)^FUNCTIONS := (.*)$", (ROOT / "Makefile").read_text())
    assert set(names.split()) == {f["CodeUri"].removeprefix("functions/") for f in FUNCTIONS.values()}


def test_the_environment_is_what_the_code_reads():
    code = (ROOT / "shared" / "src" / "adapters" / "deployment.rs").read_text()
    read = set(re.findall(r'(?:given|needed)\("([A-Z_]+)"\)|number\(&given, "([A-Z_]+)"', code))
    read = {name for pair in read for name in pair if name}
    assert read == {name for f in FUNCTIONS.values() for name in f["Environment"]["Variables"]}


def test_exports_are_daily_and_at_the_rate_found_unless_told_otherwise():
    parameters = template()["Parameters"]
    names = ("ExportSchedule", "CognitoTPS", "SnsPreference", "MaxShrinkPercent", "Role")
    assert [parameters[name]["Default"] for name in names] == [
        "rate(1 day)", "auto", "INFO_AND_ERRORS", 10, "Primary"]
    assert parameters["SnsPreference"]["AllowedValues"] == ["INFO_AND_ERRORS", "ERRORS_ONLY"]


def test_every_read_of_the_settings_is_allowed():
    """The operations of the code; a domain's is on `*`, the others on the pool."""
    code = (ROOT / "shared" / "src" / "ports" / "directory.rs").read_text()
    calls = code.split("impl SettingsCall {")[1].split("\n}\n")[0]
    called = {f"cognito-idp:{name}" for name in re.findall(r"Operation::(\w+)", calls)}
    assert len(called) == 9
    assert called <= POOL["coordinator"] | ALLOWED["ExportCoordinatorRole"]["*"]


def test_no_secret_is_saved_unless_somebody_is_named():
    parameter = template()["Parameters"]["SecretsRecipient"]
    assert parameter["Default"] == "" and "NoEcho" not in parameter
    variables = FUNCTIONS["ExportCoordinator"]["Environment"]["Variables"]
    assert variables["SECRETS_RECIPIENT"] == {"Ref": "SecretsRecipient"}
    pattern = re.compile(parameter["AllowedPattern"])
    assert pattern.match("") and pattern.match("age1" + "q" * 58)
    assert not pattern.match("AGE-SECRET-KEY-1" + "Q" * 58)


def test_environment_names_are_free():
    names = set(itertools.chain.from_iterable(f["Environment"]["Variables"] for f in FUNCTIONS.values()))
    assert "BACKUP_TABLE" in names
    assert not [name for name in names if RESERVED.match(name)]
    assert RESERVED.match("AWS_REGION") and RESERVED.match("_HANDLER")


def sources():
    """Each event source, with its function."""
    for function in FUNCTIONS.values():
        for event in function.get("Events", {}).values():
            yield function, event["Properties"], named(event["Properties"]["Queue"])


def test_queues_fit_their_functions():
    read = set()
    for function, source, queue in sources():
        read.add(queue)
        assert QUEUES[queue]["VisibilityTimeout"] >= 6 * function["Timeout"], queue
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"], queue
        assert 1 <= source["BatchSize"] <= 10, queue
    assert read == {"ListQueue", "PageQueue", "ReplayQueue"}


def test_the_rate_share_and_the_concurrency_are_one_parameter():
    """So that their product is the rate."""
    for name, queue, workers in (("ListPages", "ListQueue", "ListWorkers"), ("ReplayUpdates", "ReplayQueue", "ReplayWorkers")):
        concurrency = FUNCTIONS[name]["Events"][queue]["Properties"]["ScalingConfig"]["MaximumConcurrency"]
        assert concurrency == FUNCTIONS[name]["Environment"]["Variables"]["WORKERS"] == {"Ref": workers}
        # Lambda: a source's concurrency is 2 at least.
        assert template()["Parameters"][workers]["MinValue"] == template()["Parameters"][workers]["Default"] == 2
    # Nobody else calls what they call, but for a call or two.
    assert {name for name, f in FUNCTIONS.items() if "WORKERS" in f["Environment"]["Variables"]} == {"ListPages", "ReplayUpdates"}


def test_a_whole_page_fits_a_message():
    """60 users of 50 attributes of 2,048 characters can need more than the 256 KiB of old."""
    for name, queue in QUEUES.items():
        assert name == "ScheduleDeadLetters" or queue["MaximumMessageSize"] == 1024 * 1024, name


def test_the_code_knows_how_often_a_message_is_tried():
    code = (ROOT / "shared" / "src" / "workflow" / "delivery.rs").read_text()
    (count,) = re.findall(r"MOST_RECEIVES: u32 = (\d+);", code)
    given = {queue["RedrivePolicy"]["maxReceiveCount"] for queue in QUEUES.values() if "RedrivePolicy" in queue}
    assert given == {int(count)}


def test_poison_messages_end_in_a_queue_that_keeps_them():
    dead = set()
    for _, _, queue in sources():
        redrive = QUEUES[queue]["RedrivePolicy"]
        assert redrive["maxReceiveCount"] >= 5, queue
        letters = named(redrive["deadLetterTargetArn"])
        dead.add(letters)
        assert QUEUES[letters]["MessageRetentionPeriod"] == 14 * 24 * 3600, letters
        (source,) = QUEUES[letters]["RedriveAllowPolicy"]["sourceQueueArns"]
        name = QUEUES[queue]["QueueName"]["Fn::Sub"]
        assert source["Fn::Sub"] == "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:" + name
    assert len(dead) == 3


def test_every_dead_letter_queue_has_an_alarm():
    watched = set()
    for alarm in resources("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [{"Ref": "Notifications"}]
        for dimension in alarm["Dimensions"]:
            if dimension["Name"] == "QueueName":
                watched.add(str(dimension["Value"]["Fn::GetAtt"]))
    dead = {name for name in QUEUES if name.endswith("DeadLetters")}
    assert len(dead) == 4
    assert all(any(name in text for text in watched) for name in dead)


def test_every_queue_is_encrypted():
    for name, queue in QUEUES.items():
        managed, own = queue["SqsManagedSseEnabled"], queue.get("KmsMasterKeyId")
        with_key = own == {"Fn::If": ["HasKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
        otherwise = managed == {"Fn::If": ["HasKey", {"Ref": "AWS::NoValue"}, True]}
        assert managed is True or (with_key and otherwise), name


def test_the_backup_outlives_the_stack():
    resource = template()["Resources"]["BackupTable"]
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    replicas = [r["Fn::If"][1] if "Fn::If" in r else r for r in resource["Properties"]["Replicas"]]
    assert [replica["Region"] for replica in replicas] == [{"Ref": "AWS::Region"}, {"Ref": "SecondaryRegion"}]
    for replica in replicas:
        assert replica["DeletionProtectionEnabled"] is True
        assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert resource["Properties"]["SSESpecification"]["SSEEnabled"] is True
    assert resource["Properties"]["TimeToLiveSpecification"]["Enabled"] is True


@pytest.mark.parametrize("path", [TEMPLATE, POOL_TEMPLATE], ids=lambda path: path.name)
def test_a_missing_run_is_noticed(path):
    alarms = resources("AWS::CloudWatch::Alarm", path)
    alarm = alarms["NoCompleteRun"]
    assert alarm["TreatMissingData"] == "breaching"
    # PutMetricAlarm: Period x EvaluationPeriods is at most 7 days, from a Period of an hour.
    longest = template(path)["Parameters"]["AlarmAfterHours"]["MaxValue"]
    assert alarm["EvaluationPeriods"] == {"Ref": "AlarmAfterHours"}
    assert alarm["Period"] >= 3600 and alarm["Period"] * longest <= 7 * 24 * 3600


@pytest.mark.parametrize("path", [TEMPLATE, POOL_TEMPLATE, *WORKFLOWS.values()], ids=lambda path: path.name)
def test_no_partition_region_or_account_is_written_down(path):
    text = path.read_text()
    assert not re.search(r"arn:aws", text)
    # Descriptions may show what an id looks like.
    body = "\n".join(line for line in text.splitlines() if "such as" not in line)
    assert not re.search(r"\b(us|eu|ap|sa|ca|me|af|il|cn)-[a-z]+-\d\b", body)
    assert not re.search(r"\b\d{12}\b", body)
    assert "amazonaws.com" not in re.sub(r"\b[a-z]+\.amazonaws\.com\b", "", body)


def test_every_parameter_is_explained_and_used():
    for path in (TEMPLATE, POOL_TEMPLATE):
        text = path.read_text()
        for name, parameter in template(path)["Parameters"].items():
            assert len(parameter["Description"]) > 20, name
            assert re.search(rf"(!Ref {name}\b|\$\{{{name}\}})", text), name
