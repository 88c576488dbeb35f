#!/usr/bin/env python3
"""Deploys the stack to MiniStack, exports a simulated pool twice, and leaves it to look at."""

import records
from stack import REGION, Options, Stack

USERS, GROUPS = 1_000, 8
SIMULATOR = (
    "--users", str(USERS), "--groups", str(GROUPS), "--plain", "--usernames", "--quota", "UserUpdate=1000",
    "--quota", "UserCreation=1000",
)


def main():
    say("Building the functions, and deploying template.yaml with the SAM CLI to MiniStack, on this machine.")
    with Stack(Options(release=True, simulator=SIMULATOR)) as stack:
        pool = stack.pools[0]
        say(f"A simulated Cognito has the user pool {pool}: {USERS:,} users, {GROUPS} groups. Exporting it:")
        export(stack, pool)
        change(stack, pool)
        say("In the pool, 20 users changed their names, 5 were deleted, and 10 are new. Exporting again:")
        export(stack, pool)
        tell_history(stack, pool)
        tell_where(stack, pool)
        input_or_end("\nMiniStack goes on until you press Enter.")


def export(stack, pool):
    stack.free_lock(pool)
    ended = stack.run(pool)
    for subject, text in stack.notifications():
        print(f"\n    {subject}\n" + "\n".join(f"    {line}" for line in text.splitlines()))
    if ended.status != "SUCCEEDED":
        raise SystemExit(f"the export ended as {ended.status}: {ended.cause}")
    used = stack.simulator.meter()["categories"]["UserList"]
    print(f"    Cognito was asked {used['attempts']} times so far, at most {used['peak_attempts']} times in any second "
          f"of 30 it allows; {used['throttled']} times it refused.")


def change(stack, pool):
    for number in range(20):
        attributes = [{"Name": "name", "Value": "A New Name"}]
        stack.cognito.admin_update_user_attributes(
            UserPoolId=pool, Username=f"user{number}", UserAttributes=attributes)
    for number in range(20, 25):
        stack.cognito.admin_delete_user(UserPoolId=pool, Username=f"user{number}")
    for number in range(10):
        stack.cognito.admin_create_user(UserPoolId=pool, Username=f"newcomer{number}", MessageAction="SUPPRESS")


def tell_history(stack, pool):
    items = stack.backup(pool)
    first, second = records.runs(items)
    for name, at in (("now", None), (f"as of run {first['id']}", first["ended_at"])):
        totals = records.of_backup(items, at).totals()
        say(f"In the backup {name}: {totals['users']:,} users, {totals['memberships']:,} memberships.")
    ended = [item for item in items if item["pk"].endswith(records.HISTORY)]
    say(f"{len(ended)} earlier versions are in the history; a restore as of the first run would read them.")


def tell_where(stack, pool):
    variables = " ".join(f"{name}={value}" for name, value in stack.environment().items())
    say("To look at it with the AWS CLI:")
    print(f"""
    export {variables}
    aws dynamodb query --table-name {stack.backup_table} \\
        --key-condition-expression 'pk = :pk AND begins_with(sk, :run)' \\
        --expression-attribute-values '{{":pk": {{"S": "POOL#{pool}"}}, ":run": {{"S": "RUN#"}}}}'
    aws dynamodb query --table-name {stack.backup_table} \\
        --key-condition-expression 'pk = :pk' \\
        --expression-attribute-values '{{":pk": {{"S": "POOL#{pool}#USERS#00"}}}}'
    aws stepfunctions list-executions --state-machine-arn {stack.machine}
    aws stepfunctions start-execution --state-machine-arn {stack.machine} --input '{{"UserPoolId": "{pool}"}}'

The simulated Cognito is at {stack.simulator.endpoint} (Region {REGION}), MiniStack at {stack.ministack.endpoint}.""")


def input_or_end(prompt):
    try:
        input(prompt)
    except (EOFError, KeyboardInterrupt):
        print()


def say(text):
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
