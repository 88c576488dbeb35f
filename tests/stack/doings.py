"""What tests do with pools, exports and messages again and again."""

import json

import records
from stack import QUEUES, until


def fill(stack, pool, users=40, groups=2):
    """Users with an address and a name each; every other one is in a group."""
    cognito = stack.cognito
    for number in range(groups):
        cognito.create_group(UserPoolId=pool, GroupName=f"department-{number}", Description=f"Everyone of {number}")
    for number in range(users):
        add_user(stack, pool, f"somebody{number:05}")
        if number % 2 == 0:
            group = f"department-{number // 2 % groups}"
            cognito.admin_add_user_to_group(UserPoolId=pool, Username=f"somebody{number:05}", GroupName=group)


def add_user(stack, pool, name):
    attributes = {"email": f"{name}@example.com", "email_verified": "true", "name": f"Name of {name}"}
    stack.cognito.admin_create_user(
        UserPoolId=pool, Username=name, MessageAction="SUPPRESS",
        UserAttributes=[{"Name": key, "Value": value} for key, value in attributes.items()],
    )


def rename(stack, pool, name, value):
    attributes = [{"Name": "name", "Value": value}]
    stack.cognito.admin_update_user_attributes(UserPoolId=pool, Username=name, UserAttributes=attributes)


def add_settings(stack, pool):
    """What a pool has beside its own settings, with the secrets of a client and a provider."""
    of_it = {"UserPoolId": pool}
    stack.cognito.create_user_pool_client(**of_it, ClientName="web", GenerateSecret=True)
    stack.cognito.create_identity_provider(
        **of_it, ProviderName="Google", ProviderType="Google",
        ProviderDetails={"client_id": "id", "client_secret": "of-google-alone", "authorize_scopes": "openid"})
    stack.cognito.create_user_pool_domain(**of_it, Domain="shop")
    stack.cognito.set_ui_customization(**of_it, CSS=".all {}")


def empty(stack, pool):
    for user in records.of_pool(stack.cognito, pool).users.values():
        stack.cognito.admin_delete_user(UserPoolId=pool, Username=user["username"])


def told(place):
    """What was told of it and where: notifications, logs, and what executions remember."""
    place.notifications()
    found = {f"{place.region} notifications": [text for message in place.told for text in message if text]}
    for group, lines in place.log_lines().items():
        found[f"{place.region} {group}"] = lines
    for execution in place.executions():
        found[execution] = [json.dumps(event, default=str) for event in place.history(execution)]
    return found


def personal(place):
    """The values of its backup that are somebody's."""
    return records.personal([item for item in place.scan(place.backup_table) if records.is_version(item)])


def complete(stack, pool, **more):
    """Runs an export that completes; returns the record of the run."""
    stack.free_lock(pool)
    ended = stack.run(pool, **more)
    assert ended.status == "SUCCEEDED", (ended.error, ended.cause)
    last = records.runs(stack.backup(pool))[-1]
    assert last["status"] == "complete"
    return last


def is_as_the_pool(stack, pool):
    """What is current in the backup is what the pool holds."""
    expected, found = records.of_pool(stack.cognito, pool), records.of_backup(stack.backup(pool))
    assert found.users == expected.users
    assert found.groups == expected.groups
    assert found.memberships == expected.memberships
    return expected


def idle(stack):
    """Waits until no message is left, nor on its way."""
    until(lambda: not any(stack.depth(queue) for queue in QUEUES), "the queues do not empty")


def place(item):
    return item["pk"], item["sk"]


def of_run(stack, queue, run):
    """The messages of a run that were sent to a queue."""
    return [body for body in stack.bodies(queue) if run in body]


def send(stack, queue, bodies):
    for body in bodies:
        stack.sqs.send_message(QueueUrl=stack.queue(queue), MessageBody=body)


def is_write_of(text):
    return lambda call: call.operation in ("PutItem", "TransactWriteItems") and text in call.body


def new_pool(stack):
    """A pool that import jobs can create users in, and that signs in by user names."""
    return stack.make_pool("new", AutoVerifiedAttributes=["email"])


def fill_for_import(stack, pool, users=12, groups=2):
    """As `fill`, and everyone but one has chosen a password; one is disabled."""
    fill(stack, pool, users, groups)
    for number in range(1, users):
        stack.cognito.admin_set_user_password(
            UserPoolId=pool, Username=f"somebody{number:05}", Password="Chosen-by-1-person", Permanent=True)
    stack.cognito.admin_disable_user(UserPoolId=pool, Username="somebody00002")


def exported(stack, **size):
    """A pool that is backed up, and what it holds."""
    pool = stack.make_pool("old")
    fill_for_import(stack, pool, **size)
    complete(stack, pool)
    return pool, records.of_pool(stack.cognito, pool)


def is_restored(stack, import_record, old, new):
    """Every record of `old` is in the pool `new` with all its fields, or listed with the reason. Returns
    how many are listed."""
    found = records.of_pool(stack.cognito, new)
    became, listed = records.of_import(stack.scan(stack.backup_table), import_record["id"])
    assert became.keys() == old.users.keys(), "someone is neither restored nor listed"
    for sub, mapping in became.items():
        if mapping["state"] == "failed":
            assert mapping["reason"] and not mapping["new_sub"]
            listed += 1
            continue
        before, after = old.users[sub], found.users.pop(mapping["new_sub"])
        assert mapping["new_username"] == after["username"]
        assert records.restorable(after["attributes"]) == records.restorable(before["attributes"]), sub
        assert after["enabled"] == before["enabled"]
        assert after["status"] == status(before, mapping)
    assert not found.users, "nobody knows them"
    automatic = {name for name in old.groups if name.startswith(import_record["from_pool"])}
    assert found.groups == {name: group for name, group in old.groups.items() if name not in automatic}
    new_subs = {sub: mapping["new_sub"] for sub, mapping in became.items() if mapping["new_sub"]}
    assert found.memberships == {
        (group, new_subs[sub]) for group, sub in old.memberships if sub in new_subs and group not in automatic}
    return listed


def status(before, mapping):
    if mapping["created_with"] == "import-job":
        return "RESET_REQUIRED"
    never_chosen = before["status"] in ("UNCONFIRMED", "FORCE_CHANGE_PASSWORD")
    return "FORCE_CHANGE_PASSWORD" if never_chosen else "CONFIRMED"


def is_complete(ended):
    assert ended.status == "SUCCEEDED", (ended.error, ended.cause)
