"""Of all that the tests before did, in both Regions: what the functions asked for, and what is told where."""

import json

import records

COORDINATORS, WORKERS = ("ExportCoordinator", "ImportCoordinator"), ("ListPages", "WritePages", "ReplayUpdates")

# No group goes here, and nobody has a second factor or a link: in the simulations they have.
NOT_ASKED_FOR_HERE = {
    "ExportCoordinator": {"GetGroup"},
    "ReplayUpdates": {"AdminSetUserMFAPreference", "AdminLinkProviderForUser"},
}


def test_the_functions_policies_allow_all_they_ask_for(stack):
    assert stack.proxy.calls["TransactWriteItems"]
    assert stack.proxy.denied == {}


def test_the_functions_ask_cognito_for_what_their_policies_allow_and_nothing_else(stack):
    """The simulated Cognito asks nobody for permission: so what they asked for is compared."""
    asked = {}
    for function, operation in stack.cognito_proxy.asked:
        asked.setdefault(function, set()).add(operation)
    for function in COORDINATORS + WORKERS:
        expected = asked.get(function, set()) | NOT_ASKED_FOR_HERE.get(function, set())
        assert allowed(stack, f"{function}Role") == expected, function


def test_an_import_writes_its_own_items_and_no_record_of_a_pool(stack):
    """Its policies name how keys begin, by `dynamodb:LeadingKeys`, which MiniStack passes over."""
    for function, own in (
        ("ImportCoordinator", {"IMPORT", "IMPORTS"}), ("ReplayUpdates", {"IMPORT"}),
        ("ExportCoordinator", {"POOL", "POOLS"}), ("WritePages", {"POOL"}),
    ):
        assert stack.proxy.leads[function, stack.backup_table] == own, function


def allowed(stack, role):
    """What a role may ask of Cognito."""
    found = set()
    name = stack.resources[role]
    for policy in stack.iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = stack.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        actions = [action for statement in document["Statement"] for action in as_list(statement["Action"])]
        found.update(action.removeprefix("cognito-idp:") for action in actions if action.startswith("cognito-idp:"))
    return found


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_nothing_personal_and_no_secret_is_told_anywhere(stack, standby):
    """Logs, notifications, and what executions remember."""
    told = {}
    for place in (stack, standby):
        told[f"{place.region} notifications"] = [text for message in place.told for text in message if text]
        for group, lines in place.log_lines().items():
            told[f"{place.region} {group}"] = lines
        for execution in place.executions():
            told[execution] = [json.dumps(event, default=str) for event in place.history(execution)]
        for function in COORDINATORS + WORKERS:
            assert told[f"{place.region} /aws/lambda/{place.resources[function]}"], function
    everything = "\n".join(line for lines in told.values() for line in lines)
    # Whatever was looked at is there to be found.
    for subject in ("Cognito export held", "Cognito import partially failed", "Cognito import complete"):
        assert subject in everything
    # The replica has all that the table of the first Region had.
    items = standby.scan(standby.backup_table)
    personal = records.personal([item for item in items if records.is_version(item)])
    assert {"somebody00001", "Name of somebody00001"} <= personal and len(personal) > 500
    assert [text for text in personal if text in everything] == []

    # Nor do tables and messages hold what gives access.
    for table in (standby.backup_table, standby.run_table):
        everything += json.dumps(standby.scan(table), default=str)
    everything += json.dumps(stack.scan(stack.run_table), default=str) + "".join(stack.bodies("ReplayQueue"))
    kept = stack.cognito_proxy.kept
    answers = [json.loads(answer)["UserImportJob"] for _, answer in kept["CreateUserImportJob"] if b"PreSigned" in answer]
    signatures = [job["PreSignedUrl"].rpartition("X-Amz-Signature=")[2] for job in answers]
    passwords = [json.loads(body)["Password"] for body, _ in kept["AdminSetUserPassword"]]
    clients = [json.loads(answer)["UserPoolClient"] for _, answer in kept["DescribeUserPoolClient"]]
    others = [client["ClientSecret"] for client in clients] + ["of-google-alone"]
    assert len(signatures) >= 3 and len(passwords) >= 50 and len(others) >= 2
    assert [secret for secret in signatures + passwords + others if secret in everything] == []


def test_messages_hold_keys_alone(stack):
    """Groups' names, and the `sub` of users."""
    assert not [body for body in stack.bodies("ReplayQueue") if "@" in body or "omebody" in body]
